"""The two collections of `retrieval` behind one of rag's: `<name>` for chunks, `<name>.documents` for its records."""

import re
from dataclasses import dataclass

from ledge.retrieval.v1 import retrieval_pb2

from services.kit.errors import InvalidInput

DEFAULT = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,53}")
_DOCUMENTS = ".documents"


@dataclass(frozen=True, slots=True)
class Collection:
    """Names, checked."""

    name: str

    @property
    def chunks(self) -> str:
        return self.name

    @property
    def documents(self) -> str:
        return self.name + _DOCUMENTS


def collection(name: str) -> Collection:
    """The collection that a request names; empty: "default".

    Raises:
        InvalidInput: no name of a collection.
    """
    name = name or DEFAULT
    if not _NAME.fullmatch(name) or name.endswith(_DOCUMENTS):
        raise InvalidInput(
            f"{name[:60]!r} is no name of a collection: 1 to 54 of a-z, 0-9, '.', '_' and '-', "
            f"beginning with a letter or digit, not ending in {_DOCUMENTS!r}"
        )
    return Collection(name)


def field_is(field: str, value: str) -> retrieval_pb2.Condition:
    """The condition that a field has a value."""
    condition = retrieval_pb2.Condition()
    condition.match.field = field
    condition.match.any_of.add().string_value = value
    return condition
