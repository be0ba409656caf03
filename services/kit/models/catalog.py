"""The catalogue: what each model is, may be used for and needs, and the exact bytes it consists of."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.kit.errors import NotFound
from services.kit.models.source import parse_source
from services.kit.yaml_document import ClosedModel, read_document

Task = Literal["llm", "embedding", "reranking", "asr", "tts", "translation"]


def _safe_path(path: str) -> str:
    # Hidden names are the store's own (manifest, partial files); `..` and the like would leave the folder.
    plain = PurePosixPath(path).as_posix() == path and not path.startswith("/")
    if not plain or not all(re.fullmatch(r"[\w][\w.+-]*", part, re.ASCII) for part in path.split("/")):
        raise ValueError(f"{path!r} is not a plain relative path")
    return path


def _known_source(text: str) -> str:
    parse_source(text)
    return text


ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,95}$")]
StorePath = Annotated[str, AfterValidator(_safe_path), Field(max_length=255)]
SourceText = Annotated[str, AfterValidator(_known_source)]
Bytes = Annotated[int, Field(ge=0)]


class ModelFile(ClosedModel):
    """One file: its path in the store and below every source, and the bytes it must have."""

    path: StorePath
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class MemoryBudget(ClosedModel):
    """What a process that serves the model with default settings takes."""

    cpu_bytes: Bytes
    """Resident memory when the model runs on the CPU."""
    gpu_bytes: Bytes
    """Accelerator memory when it runs there; 0 where no engine of this entry can."""


class CatalogEntry(ClosedModel):
    """One model. Equal bytes everywhere: whatever source the files came from, their sha256 is the same."""

    id: ModelId
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    """The services that may load it."""
    engines: Annotated[tuple[str, ...], Field(min_length=1)]
    """The engines that read these files."""
    origin: Annotated[str, Field(min_length=1)]
    """Publisher, model and variant, as the field knows it."""
    description: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$")]
    """SPDX expression."""
    commercial_use: bool
    memory: MemoryBudget
    context_tokens: Annotated[int, Field(gt=0)] | None = None
    """The longest input the model was made for; absent where it has no such limit."""
    dimensions: Annotated[int, Field(gt=0)] | None = None
    """Length of the vectors; embedding models only."""
    answer_policy: Literal["quote", "compose"] | None = None
    """LLMs only: whether an answer is the quoted evidence, or is written by the model from the evidence."""
    files: Annotated[tuple[ModelFile, ...], Field(max_length=1000)] = ()
    """All of them; none only in an entry that is `unpinned`."""
    unpinned: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Patterns of the files' paths at the hub, in an entry whose sums nobody here has seen. Such a model is not fetched
    until `ledge models pin` has fixed its revision and its sums."""
    sources: Annotated[tuple[SourceText, ...], Field(min_length=1, max_length=16)]
    """Tried in this order."""

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        paths = [file.path for file in self.files]
        if bool(self.files) == bool(self.unpinned):
            raise ValueError(f"model {self.id}: it has files with their sums, or is unpinned, and not both")
        if self.unpinned and not self.sources[0].startswith("hf://"):
            raise ValueError(f"model {self.id}: what is unpinned comes from the hub")
        if len(set(paths)) != len(paths):
            raise ValueError(f"model {self.id}: a file path is given twice")
        if any(folder.as_posix() in paths for path in paths for folder in PurePosixPath(path).parents):
            raise ValueError(f"model {self.id}: a file's path is another file's folder")
        if ("llm" in self.tasks) != (self.answer_policy is not None):
            raise ValueError(f"model {self.id}: an LLM, and only an LLM, states its answer_policy")
        if ("embedding" in self.tasks) != (self.dimensions is not None):
            raise ValueError(f"model {self.id}: an embedding model, and only one, states its dimensions")
        return self


class _CatalogDocument(ClosedModel):
    models: Annotated[tuple[CatalogEntry, ...], Field(max_length=10_000)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        ids = [entry.id for entry in self.models]
        repeated = sorted(id for id, count in Counter(ids).items() if count > 1)
        if repeated:
            raise ValueError(f"given twice: {', '.join(repeated)}")
        return self


class Catalog:
    """The known models by id; immutable, free to share."""

    def __init__(self, entries: tuple[CatalogEntry, ...]) -> None:
        self._entries = {entry.id: entry for entry in entries}

    @classmethod
    def load(cls, path: Path, *additions: Path) -> Self:
        """An addition's entry replaces an entry of the same id as a whole. Raises InvalidInput, NotFound."""
        entries: dict[str, CatalogEntry] = {}
        for document in (path, *additions):
            entries |= {entry.id: entry for entry in read_document(document, _CatalogDocument).models}
        return cls(tuple(entries.values()))

    def __iter__(self) -> Iterator[CatalogEntry]:
        return iter(self._entries.values())

    def entry(self, model_id: str) -> CatalogEntry:
        """Raises NotFound, which lists the models there are."""
        if model_id not in self._entries:
            raise NotFound(f"no model {model_id!r} in the catalogue, which has: {', '.join(sorted(self._entries))}")
        return self._entries[model_id]
