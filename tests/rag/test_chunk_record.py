"""What is stored of a chunk comes back: text, places, segments, and vectors within what 8 bits hold."""

import numpy as np
import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from ledge.embedding.v1 import embedding_pb2
from ledge.model.v1 import model_pb2
from numpy.typing import NDArray

from services.kit.errors import EngineFailed
from services.rag.chunk_record import ATTACHMENT, Origin, from_point, segment_text, to_point
from services.rag.document import Chunk, Kind, Segment

DIMENSIONS = 8
Floats = NDArray[np.float32]


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def embedded(text: str, rng: np.random.Generator) -> tuple[embedding_pb2.Embedding, dict[int, Floats]]:
    """An embedding with a token for each run of other than spaces, and each token's true vector by its start."""
    offsets: list[int] = []
    place = 0
    for word in text.split():
        start = text.index(word, place)
        place = start + len(word)
        offsets += [start, place]
    rows = unit(rng.normal(size=(len(offsets) // 2, DIMENSIONS)).astype(np.float32))
    scale = float(np.abs(rows).max()) / 127
    packed = np.rint(rows / scale).astype(np.int8)
    tokens = model_pb2.TokenVectors(
        data=packed.tobytes(), dimensions=DIMENSIONS, encoding=model_pb2.TokenVectors.INT8, scale=scale
    )
    dense = unit(rng.normal(size=DIMENSIONS).astype(np.float32))
    made = embedding_pb2.Embedding(dense=dense.tobytes(), dimensions=DIMENSIONS, tokens=tokens, token_offsets=offsets)
    return made, dict(zip(offsets[::2], rows, strict=True))


def unpacked(vectors: model_pb2.TokenVectors) -> Floats:
    packed = np.frombuffer(vectors.data, np.int8).reshape(-1, vectors.dimensions)
    return packed.astype(np.float32) * np.float32(vectors.scale)


ROWS = Chunk(
    index=3,
    headings=("Charges", "Ferry"),
    body="Adults pay.\nFare: Single; Price: 6.20\nFare: Return; Price: 10.80",
    segments=(
        Segment(0, 11, Kind.PARAGRAPH),
        Segment(12, 37, Kind.ROW, "Adults pay."),
        Segment(38, 64, Kind.ROW, "Adults pay."),
    ),
    page=7,
)


def test_a_chunk_comes_back_as_it_was() -> None:
    rng = np.random.default_rng(1)
    made = [embedded(segment_text(ROWS, segment)[0], rng) for segment in ROWS.segments]
    user = Struct()
    user.update({"site": "mill"})
    stored = from_point(to_point(Origin("tariff.pdf", "r1", user), ROWS, [embedding for embedding, _ in made]))
    assert (stored.document, stored.index, stored.page, stored.headings) == ("tariff.pdf", 3, 7, ROWS.headings)
    assert stored.body == ROWS.body
    assert stored.metadata == user
    assert [(segment.start, segment.end, segment.kind, segment.lead_in) for segment in stored.segments] == [
        (segment.start, segment.end, segment.kind, segment.lead_in) for segment in ROWS.segments
    ]
    dense = np.stack([np.frombuffer(embedding.dense, "<f4") for embedding, _ in made])
    assert np.abs(stored.dense() - dense).max() < 0.01


def test_token_vectors_are_those_of_headings_lead_in_and_own_words() -> None:
    rng = np.random.default_rng(2)
    made = [embedded(segment_text(ROWS, segment)[0], rng) for segment in ROWS.segments]
    stored = from_point(to_point(Origin("a", "r", Struct()), ROWS, [embedding for embedding, _ in made]))
    text, lead_in_start, own_start = segment_text(ROWS, ROWS.segments[2])
    assert text == "Charges. Ferry. Adults pay. Fare: Return; Price: 10.80"
    headings, lead_in, own = made[0][1], made[1][1], made[2][1]
    expected = [vector for start, vector in headings.items() if start < lead_in_start]
    expected += [vector for start, vector in lead_in.items() if lead_in_start <= start < own_start]
    expected += [vector for start, vector in own.items() if start >= own_start]
    vectors = unpacked(stored.write_token_vectors(stored.segments[2], model_pb2.TokenVectors()))
    assert vectors.shape == (8, DIMENSIONS)
    assert np.abs(vectors - np.stack(expected)).max() < 0.01


def test_the_vector_to_find_it_by_has_length_one() -> None:
    rng = np.random.default_rng(3)
    made = [embedded(segment_text(ROWS, segment)[0], rng)[0] for segment in ROWS.segments]
    vector = np.frombuffer(to_point(Origin("a", "r", Struct()), ROWS, made).vector, "<f4")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_vectors_that_cancel_each_other_out_leave_one_that_can_be_stored() -> None:
    rng = np.random.default_rng(4)
    first, second, third = (embedded(segment_text(ROWS, segment)[0], rng)[0] for segment in ROWS.segments)
    second.dense = (-np.frombuffer(first.dense, "<f4")).tobytes()
    third.dense = np.zeros(DIMENSIONS, "<f4").tobytes()
    vector = np.frombuffer(to_point(Origin("a", "r", Struct()), ROWS, [first, second, third]).vector, "<f4")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_record_of_another_format_is_told_and_not_misread() -> None:
    rng = np.random.default_rng(5)
    made = [embedded(segment_text(ROWS, segment)[0], rng)[0] for segment in ROWS.segments]
    point = to_point(Origin("old.pdf", "r", Struct()), ROWS, made)
    point.attachments[ATTACHMENT] = b"\xff" + point.attachments[ATTACHMENT][1:]
    with pytest.raises(EngineFailed, match="ingest it again"):
        _ = from_point(point).segments


def test_without_its_attachment_a_chunk_has_no_segments() -> None:
    rng = np.random.default_rng(6)
    made = [embedded(segment_text(ROWS, segment)[0], rng)[0] for segment in ROWS.segments]
    point = to_point(Origin("a", "r", Struct()), ROWS, made)
    point.attachments.clear()
    assert from_point(point).segments == ()


def test_an_attachment_stays_within_what_is_stored_of_one() -> None:
    rng = np.random.default_rng(8)
    body = "\n".join("x y z " * 20 for _ in range(32))
    size = len("x y z " * 20)
    segments = [Segment(n * (size + 1), n * (size + 1) + size - 1, Kind.ITEM, f"lead {n} " * 40) for n in range(32)]
    chunk = Chunk(0, ("Heading",), body, tuple(segments))
    made = []
    for segment in segments:
        embedding = embedded(segment_text(chunk, segment)[0], rng)[0]
        count = len(embedding.token_offsets) // 2
        embedding.tokens.dimensions = embedding.dimensions = 1024
        embedding.tokens.data = bytes(1024 * count)
        embedding.dense = np.ones(1024, "<f4").tobytes()
        made.append(embedding)
    point = to_point(Origin("a", "r", Struct()), chunk, made)
    assert len(point.attachments[ATTACHMENT]) < 2**20
    assert len(from_point(point).segments) == 32


def test_the_same_chunk_has_the_same_id_and_others_have_others() -> None:
    origins = [Origin("a", "r1", Struct()), Origin("a", "r2", Struct()), Origin("b", "r1", Struct())]
    ids = [origin.point_id(index) for origin in origins for index in range(3)]
    assert len(set(ids)) == 9
    assert ids[0] == Origin("a", "r1", Struct()).point_id(0)


words = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
lines = st.lists(words, min_size=1, max_size=8).map(" ".join)


@given(st.lists(st.tuples(lines, lines | st.just("")), min_size=1, max_size=6), st.lists(lines, max_size=3))
def test_any_chunk_comes_back(parts: list[tuple[str, str]], headings: list[str]) -> None:
    rng = np.random.default_rng(7)
    body, segments = "", []
    for text, lead_in in parts:
        body += "\n" if body else ""
        segments.append(Segment(len(body), len(body) + len(text), Kind.PARAGRAPH, lead_in))
        body += text
    chunk = Chunk(0, tuple(headings), body, tuple(segments))
    made = [embedded(segment_text(chunk, segment)[0], rng)[0] for segment in segments]
    stored = from_point(to_point(Origin("a", "r", Struct()), chunk, made))
    assert (stored.body, stored.headings) == (body, chunk.headings)
    assert [(segment.start, segment.end, segment.lead_in) for segment in stored.segments] == [
        (segment.start, segment.end, segment.lead_in) for segment in segments
    ]
    for segment in stored.segments:
        assert len(stored.write_token_vectors(segment, model_pb2.TokenVectors()).data) % DIMENSIONS == 0
    values = rng.random((len(stored.token_rows()), 3))
    for segment, greatest in zip(stored.segments, stored.greatest(values), strict=True):
        own = np.vstack([values[rows] for rows in stored.rows_of(segment)])
        assert np.array_equal(greatest, own.max(axis=0, initial=0.0))
