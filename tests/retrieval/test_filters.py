"""Filters mean the same in every engine, with an index and without: the exact engine is the oracle."""

import uuid
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.retrieval.engine import Condition, Filter, Match, Point, Query, Range, Selection
from services.retrieval.engines.memory import Memory, holds
from services.retrieval.engines.qdrant_collection import QdrantCollection
from services.retrieval.engines.qdrant_shard import Tuning

NAMES = ["a", "b", "c.d", "e f", "g[]", "h-i", "0", "ü", "\\", "'"]
FIELDS = [name for name in NAMES if name not in ("c.d", "\\")]
"""Those that a filter can name."""
VALUES: list[Any] = ["", "x", "y", "true", "1", 0, 1, 2, -1, 2**53, True, False, 0.5, -1.5, 1e300, None]
POINTS = 300
ALL = Query(np.asarray([1, 0], np.float32), "", POINTS, POINTS, selection=Selection(False, False))


def _metadata(random: Random, depth: int = 0) -> dict[str, Any]:
    def value() -> Any:
        kind = random.random()
        if kind < 0.2:
            return [random.choice(VALUES) for _ in range(random.randrange(4))]
        if kind < 0.4 and depth < 2:
            return _metadata(random, depth + 1)
        return random.choice(VALUES)

    return {name: value() for name in NAMES if random.random() < 0.5}


def _points() -> list[Point]:
    random = Random(11)
    row = np.asarray([1, 0], np.float32)
    return [Point(str(uuid.UUID(int=n)), row, "word", _metadata(random)) for n in range(1, POINTS + 1)]


matchable = st.sampled_from([value for value in VALUES if isinstance(value, str | int)])
paths = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3).map(tuple)
bounds = st.none() | st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0**53])
leaves: st.SearchStrategy[Condition] = st.builds(
    Match, paths, st.lists(matchable, min_size=1, max_size=4).map(tuple)
) | st.builds(Range, paths, bounds, bounds, bounds, bounds).filter(
    lambda each: any(bound is not None for bound in (each.at_least, each.more_than, each.at_most, each.less_than))
)


def _filters(conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[Filter]:
    some = st.lists(conditions, max_size=3).map(tuple)
    return st.builds(Filter, some, some, some)


filters = _filters(st.recursive(leaves, _filters, max_leaves=6))


@pytest.fixture(scope="module")
def oracle() -> Iterator[Memory]:
    engine = Memory("en", 80.0, 1)
    engine.create_collection("points", 2)
    engine.upsert("points", _points())
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=["plain", "indexed"])
def collection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantCollection]:
    directory = tmp_path_factory.mktemp("filters") / "points"
    QdrantCollection.create(directory, 2, "en", Tuning())
    collection = QdrantCollection(directory, "points", Tuning())
    collection.upsert(_points())
    if request.param == "indexed":
        # One field of each kind of index; those that hold other values too must find them all the same.
        for condition in (Match(("a",), ("x",)), Match(("b",), (1,)), Range(("e f",), 0.0), Match(("0",), (True,))):
            collection.count(Filter(must=(condition,)))
        assert collection.wants_indexes
        collection.maintain()
        assert not collection.wants_indexes
    yield collection
    collection.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filter=filters)
def test_a_filter_holds_for_the_same_points_in_every_engine(
    oracle: Memory, collection: QdrantCollection, filter: Filter
) -> None:
    expected = {point.id for point in _POINTS if holds(filter, point.metadata)}
    assert oracle.count("points", filter) == len(expected)
    page, following = collection.scroll(filter, POINTS, None, Selection(False, False))
    assert following is None
    assert {point.id for point in page} == expected
    assert collection.count(filter) == len(expected)
    query = Query(ALL.vector, "word", POINTS, POINTS, filter, selection=ALL.selection)
    assert {hit.point.id for hit in collection.search(query)} == expected


_POINTS = _points()
