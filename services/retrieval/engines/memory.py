"""Exact search in memory: what every other engine is measured against. It forgets everything when it closes."""

import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.kit.errors import InvalidInput, NotFound
from services.retrieval.analysis import Analysis, rarity
from services.retrieval.engine import (
    Collection,
    Condition,
    Filter,
    Hit,
    Match,
    Point,
    Query,
    Range,
    Selection,
    TermCount,
    Vector,
)
from services.retrieval.fusion import fuse

MAX_POINTS = 100_000


class _Points:
    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.by_id: dict[str, Point] = {}
        self.weights: dict[str, dict[int, float]] = {}


class Memory:
    """Every call scores every point, one call at a time."""

    name = "memory"

    def __init__(self, language: str, average_terms: float, max_collections: int) -> None:
        self._analysis = Analysis(language, average_terms)
        self._max_collections = max_collections
        self._lock = threading.RLock()
        self._collections: dict[str, _Points] = {}

    def create_collection(self, name: str, dimensions: int) -> bool:
        with self._lock:
            there = self._collections.get(name)
            if there is None:
                if len(self._collections) >= self._max_collections:
                    raise InvalidInput(f"there are {self._max_collections} collections, as many as may be: delete one")
                self._collections[name] = _Points(dimensions)
                return True
            if there.dimensions != dimensions:
                raise InvalidInput(f"collection {name!r} exists with {there.dimensions} dimensions")
            return False

    def collections(self) -> Sequence[Collection]:
        with self._lock:
            there = sorted(self._collections.items())
            return [Collection(name, points.dimensions, len(points.by_id)) for name, points in there]

    def dimensions(self, collection: str) -> int:
        return self._get(collection).dimensions

    def delete_collection(self, name: str) -> None:
        with self._lock:
            self._get(name)
            del self._collections[name]

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        with self._lock:
            there = self._get(collection)
            if len(there.by_id) + len(points) > MAX_POINTS:
                raise InvalidInput(f"the memory engine holds at most {MAX_POINTS} points a collection")
            for point in points:
                there.by_id[point.id] = point
                there.weights[point.id] = self._analysis.weigh(point.text)

    def delete(self, collection: str, ids: Sequence[str], filter: Filter | None) -> int:
        with self._lock:
            there = self._get(collection)
            gone = {id for id in ids if id in there.by_id}
            if filter is not None:
                gone |= {point.id for point in there.by_id.values() if holds(filter, point.metadata)}
            for id in gone:
                del there.by_id[id], there.weights[id]
            return len(gone)

    def search(self, collection: str, query: Query) -> Sequence[Hit]:
        with self._lock:
            there = self._get(collection)
            among = [id for id in sorted(there.by_id) if holds(query.filter, there.by_id[id].metadata)]
            cosines = {} if query.vector is None else _cosines(query.vector, there, among)
            texts = self._scores(query.text, there, among) if query.text else {}
            if query.vector is None:
                found = _best(texts)
            else:
                dense = _best({id: cosine for id, cosine in cosines.items() if not _below(cosine, query.min_cosine)})
                found = dense
                if query.text:
                    fused = fuse([[id for id, _ in ranking[: query.candidates]] for ranking in (dense, _best(texts))])
                    found = [(id, score) for id, score in fused if not _below(cosines[id], query.min_cosine)]
            return [
                Hit(_select(there.by_id[id], query.selection), score, cosines.get(id))
                for id, score in found[: query.limit]
            ]

    def _scores(self, text: str, there: _Points, among: Sequence[str]) -> dict[str, float]:
        """BM25 of the points that have a term of the text."""
        weights = [each for each in there.weights.values() if each]
        rarities = {
            term: rarity(sum(term in each for each in weights), len(weights)) for term in self._analysis.ids(text)
        }
        scores = {
            id: sum(rarities[term] * weight for term, weight in there.weights[id].items() if term in rarities)
            for id in among
        }
        return {id: score for id, score in scores.items() if score > 0}

    def scroll(
        self, collection: str, filter: Filter, limit: int, start: str | None, selection: Selection
    ) -> tuple[Sequence[Point], str | None]:
        with self._lock:
            there = self._get(collection).by_id
            ids = [id for id in sorted(there) if (start is None or id >= start) and holds(filter, there[id].metadata)]
            page = [_select(there[id], selection) for id in ids[:limit]]
            return page, ids[limit] if len(ids) > limit else None

    def count(self, collection: str, filter: Filter) -> int:
        with self._lock:
            return sum(holds(filter, point.metadata) for point in self._get(collection).by_id.values())

    def count_terms(self, collection: str, text: str) -> tuple[Sequence[TermCount], int]:
        with self._lock:
            weights = self._get(collection).weights.values()
            found: dict[str, TermCount] = {}
            for term in self._analysis.terms(text):
                if term.term not in found:
                    found[term.term] = TermCount(term.word, term.term, sum(term.id in each for each in weights))
            return list(found.values()), sum(bool(each) for each in weights)

    def close(self) -> None:
        self._collections.clear()

    def _get(self, name: str) -> _Points:
        try:
            return self._collections[name]
        except KeyError:
            raise NotFound(f"there is no collection {name!r}") from None


def holds(filter: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether a filter matches metadata: the meaning of a filter, written down once."""

    def condition_holds(condition: Condition) -> bool:
        match condition:
            case Filter():
                return holds(condition, metadata)
            case Match(path, any_of):
                wanted = {(type(value), value) for value in any_of}
                return _any_value(path, metadata, lambda value: (type(value), value) in wanted)
            case Range(path):
                return _any_value(path, metadata, lambda value: _within(condition, value))

    return (
        all(map(condition_holds, filter.must))
        and (not filter.should or any(map(condition_holds, filter.should)))
        and not any(map(condition_holds, filter.must_not))
    )


def _any_value(path: tuple[str, ...], metadata: Mapping[str, Any], test: Callable[[Any], bool]) -> bool:
    value: Any = metadata
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    values = value if isinstance(value, list) else [value]
    return any(test(value) for value in values if isinstance(value, str | bool | int | float))


def _within(bounds: Range, value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (bounds.at_least is None or value >= bounds.at_least)
        and (bounds.more_than is None or value > bounds.more_than)
        and (bounds.at_most is None or value <= bounds.at_most)
        and (bounds.less_than is None or value < bounds.less_than)
    )


def _cosines(vector: Vector, there: _Points, among: Sequence[str]) -> dict[str, float]:
    return {id: sum(map(operator.mul, vector, _given(there.by_id[id].vector))) for id in among}


def _given(vector: Vector | None) -> Vector:
    if vector is None:
        raise ValueError("a point was written without a vector")
    return vector


def _best(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _below(cosine: float, least: float | None) -> bool:
    return least is not None and cosine < least


def _select(point: Point, selection: Selection) -> Point:
    return replace(
        point,
        vector=point.vector if selection.vector else None,
        text=point.text if selection.text else "",
        metadata=point.metadata if selection.metadata else {},
        attachments={name: point.attachments[name] for name in selection.attachments if name in point.attachments},
    )
