"""Three engines, one result: `qdrant-edge` and `qdrant` find what exact search finds, through any order of writes."""

import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.retrieval.config import RetrievalConfig
from services.retrieval.engine import Engine, Filter, Match, Point, Query
from services.retrieval.engines.memory import Memory
from services.retrieval.engines.qdrant import Qdrant
from services.retrieval.engines.qdrant_edge import QdrantEdge

DIMENSIONS = 6
WORDS = "pump pumping valve valves reservoir the of chlorine 14.2 metre metres works station".split()
IDS = [str(uuid.UUID(int=n)) for n in range(1, 41)]


def _row(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return np.asarray(row / np.linalg.norm(row), np.float32)


points = st.builds(
    lambda id, seed, words, page: Point(
        id, _row(seed), " ".join(words), {"page": page}, {"a": words[0].encode()} if words else {}
    ),
    st.sampled_from(IDS),
    st.integers(0, 10_000),
    st.lists(st.sampled_from(WORDS), max_size=12),
    st.integers(0, 3),
)
pages = st.integers(0, 3).map(lambda page: Filter(must=(Match(("page",), (page,)),)))
steps = st.lists(
    st.tuples(st.just("upsert"), st.lists(points, min_size=1, max_size=20))
    | st.tuples(st.just("delete"), st.lists(st.sampled_from(IDS), min_size=1, max_size=5))
    | st.tuples(st.just("purge"), pages),
    min_size=1,
    max_size=8,
)
searches = st.lists(
    st.tuples(st.integers(0, 10_000), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), st.none() | pages),
    min_size=1,
    max_size=4,
)


def apply(engine: Engine, step: tuple[str, object]) -> int:
    match step:
        case ("upsert", list() as given_points):
            engine.upsert("c", given_points)
        case ("delete", list() as ids):
            return engine.delete("c", ids, None)
        case ("purge", Filter() as filter):
            return engine.delete("c", [], filter)
    return 0


@pytest.fixture(scope="module", params=[QdrantEdge, Qdrant], ids=["qdrant-edge", "qdrant"])
def qdrant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    engine = request.param(RetrievalConfig(data_dir=tmp_path_factory.mktemp("agreement")))
    engine.create_collection("c", DIMENSIONS)
    yield engine
    engine.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, searches=searches)
def test_engines_agree_after_any_writes(qdrant, steps, searches) -> None:
    qdrant.delete("c", IDS, None)
    memory = Memory("en", 80.0, 1)
    memory.create_collection("c", DIMENSIONS)
    for step in steps:
        assert apply(qdrant, step) == apply(memory, step)
    assert qdrant.collections() == memory.collections()
    assert qdrant.count_terms("c", " ".join(WORDS)) == memory.count_terms("c", " ".join(WORDS))
    for seed, words, among in searches:
        filter = among or Filter()
        for vector, text in ((_row(seed), ""), (None, " ".join(words)), (_row(seed), " ".join(words))):
            query = Query(vector, text, 50, 50, filter)
            found, expected = qdrant.search("c", query), memory.search("c", query)
            assert {hit.point.id for hit in found} == {hit.point.id for hit in expected}
            by_id = {hit.point.id: hit for hit in expected}
            for hit in found:
                other = by_id[hit.point.id]
                assert (hit.point.text, hit.point.metadata) == (other.point.text, other.point.metadata)
                if vector is not None:
                    assert hit.cosine == pytest.approx(other.cosine, abs=1e-5)
                if vector is None or not text:
                    assert hit.score == pytest.approx(other.score, rel=1e-4, abs=1e-5)
