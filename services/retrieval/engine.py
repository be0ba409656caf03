"""What a retrieval engine promises, in the words of the domain.

Engines are shared by all calls and safe in any thread; every method blocks and
belongs in an executor. An unknown collection is NotFound. What a method that
writes has returned for survives a crash (except in the `memory` engine).
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    Vector = array[float]
else:
    Vector = array  # Python 3.11 has no array[float]
"""Of float32. An array, not NumPy's: the shard reads it in a third of the time, and the service does without 52 MB."""
Metadata = Mapping[str, Any]
"""JSON: str, bool, None, int (whole numbers up to 2^53), float, list, dict."""

PATH_SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Point:
    """What a collection keeps. `id`: a UUID in canonical form. `vector`: of L2 norm 1, None where not asked for."""

    id: str
    vector: Vector | None = None
    text: str = ""
    metadata: Metadata = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """Holds when the field, or an element of it where it is a list, is one of the values."""

    path: tuple[str, ...]
    any_of: tuple[str | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Holds when the field, or an element of it where it is a list, is a number within all bounds that are given."""

    path: tuple[str, ...]
    at_least: float | None = None
    more_than: float | None = None
    at_most: float | None = None
    less_than: float | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Holds when every `must`, at least one `should` (if any) and no `must_not` holds. Empty: always."""

    must: tuple["Condition", ...] = ()
    should: tuple["Condition", ...] = ()
    must_not: tuple["Condition", ...] = ()

    def is_empty(self) -> bool:
        return not (self.must or self.should or self.must_not)


Condition = Match | Range | Filter


@dataclass(frozen=True, slots=True)
class Selection:
    """The parts of a point that come back."""

    text: bool = True
    metadata: bool = True
    vector: bool = False
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A search: by `vector`, by `text`, or by both fused by reciprocal rank."""

    vector: Vector | None
    text: str
    limit: int
    candidates: int
    filter: Filter = field(default_factory=Filter)
    min_cosine: float | None = None
    exact: bool = False
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True, slots=True)
class Hit:
    point: Point
    score: float
    cosine: float | None


@dataclass(frozen=True, slots=True)
class Collection:
    name: str
    dimensions: int
    points: int


@dataclass(frozen=True, slots=True)
class TermCount:
    """In how many points a term of a text occurs; `word` is the text's, `term` the index's."""

    word: str
    term: str
    points: int


class Engine(Protocol):
    """Collections of points, in any thread."""

    name: str

    def create_collection(self, name: str, dimensions: int) -> bool:
        """False where it is there already; InvalidInput where it is there with other dimensions."""

    def collections(self) -> Sequence[Collection]:
        """Ordered by name."""

    def dimensions(self, collection: str) -> int: ...

    def delete_collection(self, name: str) -> None: ...

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Writes all points, or raises; a point whose id is there is replaced. Of points with one id the last wins."""

    def delete(self, collection: str, ids: Sequence[str], filter: Filter | None) -> int:
        """Removes the points with these ids and those that match the filter; says how many there were."""

    def search(self, collection: str, query: Query) -> Sequence[Hit]:
        """Best first; ties in the order of ids."""

    def scroll(
        self, collection: str, filter: Filter, limit: int, start: str | None, selection: Selection
    ) -> tuple[Sequence[Point], str | None]:
        """A page of points in the order of ids, and the id where the next page starts."""

    def count(self, collection: str, filter: Filter) -> int: ...

    def count_terms(self, collection: str, text: str) -> tuple[Sequence[TermCount], int]:
        """Each distinct term of the text in the order of first occurrence, and how many points have a text."""

    def close(self) -> None:
        """Makes everything durable and frees it. No call may follow."""
