"""The parts that engines are made of: fusion, attachments, term counts, the bounded executor."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.kit.errors import EngineFailed, Overloaded
from services.retrieval.answers import most_bytes, write_hit
from services.retrieval.attachments import Attachments
from services.retrieval.engine import Hit, Point
from services.retrieval.fusion import fuse
from services.retrieval.lane import Lane
from services.retrieval.term_counts import TermCounts
from tests.retrieval.points import id_of

rankings = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8), max_size=3)


@given(rankings)
def test_fusion_orders_by_the_sum_of_reciprocal_ranks(given_rankings: list[list[str]]) -> None:
    fused = fuse(given_rankings)
    assert {id for id, _ in fused} == {id for ranking in given_rankings for id in ranking}
    assert fused == sorted(fused, key=lambda entry: (-entry[1], entry[0]))
    for id, score in fused:
        assert score == pytest.approx(sum(1 / (61 + ranking.index(id)) for ranking in given_rankings if id in ranking))


@given(
    text=st.text(max_size=200),
    metadata=st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.floats(0, 1) | st.lists(st.text())),
    attachments=st.dictionaries(st.text("aé", min_size=1, max_size=64), st.binary(max_size=300), max_size=3),
    dimensions=st.none() | st.integers(1, 64),
    cosine=st.none() | st.just(1.5) | st.floats(-1, 1, width=32),
)
def test_a_point_takes_no_more_than_it_is_reckoned_at(
    text: str,
    metadata: dict[str, Any],
    attachments: dict[str, bytes],
    dimensions: int | None,
    cosine: float | None,
) -> None:
    vector = None if dimensions is None else np.ones(dimensions, np.float32)
    point = Point(id_of(1), vector, text, metadata, attachments)
    response = pb.SearchResponse()
    write_hit(Hit(point, 0.5, cosine), response.hits.add())
    assert response.ByteSize() <= most_bytes(point)
    hit = response.hits[0]
    assert (hit.point.id, hit.point.text, dict(hit.point.attachments)) == (point.id, text, attachments)
    assert MessageToDict(hit.point.metadata) == metadata
    assert hit.point.vector == (b"" if vector is None else vector.tobytes())
    assert (hit.cosine if hit.HasField("cosine") else None) == (None if cosine is None else min(1.0, cosine))


def test_attachments_come_back_by_name_and_version(tmp_path: Path) -> None:
    attachments = Attachments(tmp_path / "a")
    old, new, other = (id_of(1), 1), (id_of(1), 2), (id_of(2), 1)
    attachments.put([(old, {"x": b"old"}), (other, {"x": b"", "y": bytes(100_000)})])
    attachments.put([(new, {"x": b"new"})])
    assert attachments.get([old, new, other], ["x", "z"]) == [{"x": b"old"}, {"x": b"new"}, {"x": b""}]
    assert attachments.get([other], ["z"]) == [{}]
    assert list(attachments.versions()) == [old, new, other]
    attachments.discard([old, (id_of(9), 9)])
    assert attachments.get([old, new], ["x"]) == [None, {"x": b"new"}]
    attachments.close()
    again = Attachments(tmp_path / "a")
    assert list(again.versions()) == [new, other]
    again.close()


def test_attachments_are_written_all_or_none(tmp_path: Path) -> None:
    attachments = Attachments(tmp_path / "a")
    with pytest.raises(EngineFailed):
        attachments.put([((id_of(1), 1), {"x": b"1"}), ((id_of(2), 1), {"x" * 1000: b"2"})])
    assert not list(attachments.versions())
    attachments.close()


texts = st.lists(st.lists(st.integers(0, 20), unique=True, min_size=1, max_size=6), max_size=20)


@given(kept=texts, gone=texts)
def test_term_counts_are_those_of_the_points_that_are_left(kept: list[list[int]], gone: list[list[int]]) -> None:
    counts = TermCounts()
    for terms in kept + gone:
        counts.add(terms)
    for terms in gone:
        counts.remove(terms)
    expected = Counter(term for terms in kept for term in terms)
    assert {term: counts.of(term) for term in range(21)} == {term: expected[term] for term in range(21)}
    assert counts.points == len(kept)
    again = TermCounts.of_points([kept[:3], [], [[]], kept[3:]])
    assert (again.points, [again.of(term) for term in range(21)]) == (
        len(kept),
        [expected[term] for term in range(21)],
    )


def test_saved_term_counts_are_there_until_they_are_forgotten(tmp_path: Path) -> None:
    counts = TermCounts()
    counts.add([1, 2**32 - 1])
    counts.save(tmp_path)
    loaded = TermCounts.load(tmp_path)
    assert loaded is not None
    assert (loaded.points, loaded.of(2**32 - 1), loaded.of(7)) == (1, 1, 0)
    TermCounts.forget(tmp_path)
    assert TermCounts.load(tmp_path) is None


def test_term_counts_are_kept_as_releases_with_numpy_kept_them(tmp_path: Path) -> None:
    counts = TermCounts()
    counts.add([1, 2**32 - 1])
    counts.save(tmp_path)
    with np.load(tmp_path / "term-counts.npz", allow_pickle=False) as file:
        assert file["terms"].tolist() == [1, 2**32 - 1]
        assert file["counts"].tolist() == [1, 1]
        assert int(file["points"]) == 1
    terms, times = np.asarray([5, 9], np.uint32), np.asarray([2, 1], np.uint32)
    np.savez(tmp_path / "term-counts.npz", terms=terms, counts=times, points=np.uint64(2))
    loaded = TermCounts.load(tmp_path)
    assert loaded is not None
    assert (loaded.points, loaded.of(5), loaded.of(9)) == (2, 2, 1)


@pytest.mark.parametrize("kept_bytes", [0, 1, 100, -30])
def test_a_part_of_saved_term_counts_is_as_good_as_none(tmp_path: Path, kept_bytes: int) -> None:
    counts = TermCounts()
    counts.add(range(100))
    counts.save(tmp_path)
    whole = (tmp_path / "term-counts.npz").read_bytes()
    (tmp_path / "term-counts.npz").write_bytes(whole[:kept_bytes])
    assert TermCounts.load(tmp_path) is None


async def test_past_its_bound_a_lane_says_when_to_return() -> None:
    lane = Lane("test-lane", threads=1, max_waiting=2)
    go_on = threading.Event()
    started = [asyncio.create_task(lane.run(go_on.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as caught:
        await lane.run(go_on.wait)
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 0
    go_on.set()
    assert await asyncio.gather(*started) == [True] * 3
    assert await lane.run(lambda: "room again") == "room again"
    lane.close()


async def test_a_caller_who_leaves_while_waiting_is_never_served() -> None:
    lane = Lane("test-lane", threads=1, max_waiting=5)
    go_on = threading.Event()
    served: list[str] = []
    first = asyncio.create_task(lane.run(go_on.wait))
    second = asyncio.create_task(lane.run(served.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    await lane.run(served.append, "third")
    assert served == ["third"]
    lane.close()


def test_the_engines_of_the_image_run_without_numpy_which_it_lacks() -> None:
    modules = "services.retrieval.__main__, services.retrieval.engines.qdrant_edge, services.retrieval.engines.memory"
    script = f"import sys; sys.modules['numpy'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
