"""Reads a YAML file into a closed schema, or says in one message which file, which field and what is wrong."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from services.kit.bounded_file import read_bounded
from services.kit.errors import InvalidInput

MAX_DOCUMENT_BYTES = 4 << 20


class ClosedModel(BaseModel):
    """Immutable; refuses keys it does not know, so a misspelt key is an error and not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


Document = TypeVar("Document", bound=BaseModel)


def read_document(path: Path, schema: type[Document]) -> Document:
    """Raises NotFound where there is no such file and InvalidInput for everything that is wrong inside it."""
    content = read_bounded(path, MAX_DOCUMENT_BYTES)
    try:
        return schema.model_validate(yaml.load(content, Loader=_Loader))  # noqa: S506 - it is a SafeLoader
    except ValidationError as error:
        problems = "; ".join(_described(problem) for problem in error.errors(include_url=False))
        raise InvalidInput(f"{path}: {problems}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except (RecursionError, ValueError) as error:
        raise InvalidInput(f"{path} is not valid YAML: {error}") from None


def _described(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key"
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses a key given twice, where YAML silently keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"key {key_node.value!r} twice", problem_mark=key_node.start_mark
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)
