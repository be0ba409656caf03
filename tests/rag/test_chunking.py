"""Chunks follow the document's structure, keep within what an encoder reads, and lose nothing."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.rag.document import Block, Chunk, Kind
from services.rag.ingest.chunking import MAX_HEADING_CHARACTERS, MAX_SEGMENTS, MAX_TOKENS, chunks, estimated_tokens
from services.rag.sentences import MAX_SENTENCE_CHARACTERS

HEADING, PARAGRAPH, ITEM, ROW, CODE = Kind


def made(*blocks: Block) -> list[Chunk]:
    return list(chunks(blocks))


def segments(chunk: Chunk) -> list[tuple[str, str]]:
    return [(chunk.text_of(segment), segment.lead_in) for segment in chunk.segments]


def test_a_chunk_has_the_headings_above_it() -> None:
    first, second, third = made(
        Block(HEADING, "Handbook", level=1),
        Block(PARAGRAPH, "Read it."),
        Block(HEADING, "Pumps", level=2),
        Block(PARAGRAPH, "They are old. They are loud.", page=4),
        Block(HEADING, "Valves", level=2),
        Block(PARAGRAPH, "They are new."),
    )
    assert (first.headings, first.body) == (("Handbook",), "Read it.")
    assert (second.headings, second.body, second.page) == (("Handbook", "Pumps"), "They are old. They are loud.", 4)
    assert (third.headings, third.index) == (("Handbook", "Valves"), 2)
    assert segments(second) == [("They are old.", ""), ("They are loud.", "")]


def test_a_heading_with_nothing_under_it_is_not_lost() -> None:
    bodies = [
        (chunk.headings, chunk.body)
        for chunk in made(
            Block(HEADING, "Handbook", level=1),
            Block(HEADING, "Reserved", level=2),
            Block(HEADING, "Pumps", level=2),
            Block(PARAGRAPH, "They are old."),
            Block(HEADING, "End", level=1),
        )
    ]
    assert bodies == [(("Handbook",), "Reserved"), (("Handbook", "Pumps"), "They are old."), ((), "End")]


def test_list_items_carry_their_lead_in() -> None:
    (chunk,) = made(
        Block(PARAGRAPH, "It is easy. To start the pump:"),
        Block(ITEM, "Open the valve.", marker="1."),
        Block(ITEM, "Slowly.", marker="-", level=1),
        Block(ITEM, "Press START. Then wait.", marker="2."),
        Block(PARAGRAPH, "That is all."),
    )
    assert chunk.body == (
        "It is easy. To start the pump:\n1. Open the valve.\n- Slowly.\n2. Press START. Then wait.\nThat is all."
    )
    assert segments(chunk) == [
        ("It is easy.", ""),
        ("To start the pump:", ""),
        ("Open the valve.", "To start the pump:"),
        ("Slowly.", "To start the pump: Open the valve."),
        ("Press START. Then wait.", "To start the pump:"),
        ("That is all.", ""),
    ]


def test_table_rows_carry_the_sentence_before_the_table() -> None:
    (chunk,) = made(
        Block(PARAGRAPH, "There are seven stations. The figures are for one pump."),
        Block(ROW, "Station: Weir Street; Motor: 110 kW"),
    )
    assert segments(chunk)[-1] == ("Station: Weir Street; Motor: 110 kW", "The figures are for one pump.")


def test_a_long_section_is_cut_into_even_pieces_between_sentences() -> None:
    text = " ".join(f"Sentence number {number} is about the pump in the old house." for number in range(100))
    made_chunks = made(Block(PARAGRAPH, text))
    assert " ".join(chunk.body for chunk in made_chunks) == text
    sizes = [estimated_tokens(chunk.body) for chunk in made_chunks]
    assert max(sizes) <= MAX_TOKENS
    assert min(sizes) > 0.5 * max(sizes)
    assert all(chunk.body.startswith("Sentence") and chunk.body.endswith("house.") for chunk in made_chunks)


def test_what_introduces_a_list_is_not_cut_off_from_it() -> None:
    long = " ".join(f"Sentence number {number} is about the pump." for number in range(17))
    items = [Block(ITEM, f"Item {number} of the list is short but has some words.", marker="-") for number in range(12)]
    made_chunks = made(Block(PARAGRAPH, long), Block(PARAGRAPH, "Look at these:"), *items)
    assert len(made_chunks) > 1
    assert not any(chunk.body.endswith(":") for chunk in made_chunks)


def test_code_is_quoted_line_by_line() -> None:
    code = "\n".join(f"value_{number} = {number}" for number in range(60))
    made_chunks = made(Block(CODE, code))
    assert "\n".join(chunk.body for chunk in made_chunks) == code
    assert all(len(text) <= 300 for chunk in made_chunks for text, _ in segments(chunk))


def test_a_heading_as_long_as_a_paragraph_is_one() -> None:
    (chunk,) = made(Block(HEADING, "A sentence set in large type. " * 20, level=1))
    assert chunk.headings == ()
    assert len(chunk.segments) == 20


def test_many_short_items_fall_into_several_chunks() -> None:
    made_chunks = made(*(Block(ITEM, f"{number}", marker="-") for number in range(1000)))
    assert max(len(chunk.segments) for chunk in made_chunks) <= MAX_SEGMENTS


def test_lead_ins_stay_short_however_deep_the_list() -> None:
    items = [Block(ITEM, f"Level {level} " + "and more " * 20, marker="-", level=level) for level in range(9)]
    for chunk in made(*items):
        assert all(len(lead_in) <= 400 for _, lead_in in segments(chunk))


words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=12
)
texts = st.lists(words, min_size=1, max_size=60).map(" ".join).filter(lambda text: text == " ".join(text.split()))
bodies = st.builds(
    Block,
    kind=st.sampled_from([PARAGRAPH, ITEM, ROW, CODE]),
    text=texts,
    page=st.none() | st.integers(1, 9),
    level=st.integers(0, 8),
    marker=st.just(""),
)
headings = st.builds(Block, kind=st.just(HEADING), text=texts, level=st.integers(1, 9)).filter(
    lambda block: len(block.text) <= MAX_HEADING_CHARACTERS
)


def letters(text: str) -> str:
    return "".join(text.split())


@given(st.lists(headings | bodies, max_size=30))
def test_nothing_is_lost_and_nothing_said_twice(blocks: list[Block]) -> None:
    made_chunks = list(chunks(blocks))
    body = letters("".join(block.text for block in blocks if block.kind is not HEADING))
    bare = [chunk for chunk in made_chunks if chunk.segments[0].kind is HEADING]
    assert letters("".join(chunk.body for chunk in made_chunks if chunk not in bare)) == body
    told = {heading for chunk in made_chunks for heading in chunk.headings} | {chunk.body for chunk in bare}
    assert told == {block.text for block in blocks if block.kind is HEADING}


@given(st.lists(headings | bodies, max_size=30))
def test_segments_cover_the_body_in_order(blocks: list[Block]) -> None:
    for index, chunk in enumerate(chunks(blocks)):
        assert chunk.index == index
        assert chunk.segments[0].start == 0
        assert chunk.segments[-1].end == len(chunk.body)
        for first, second in pairwise(chunk.segments):
            assert first.start < first.end <= second.start
            assert not chunk.body[first.end : second.start].strip()


@given(st.lists(bodies, min_size=1, max_size=60))
def test_only_a_single_segment_may_be_longer_than_the_limit(blocks: list[Block]) -> None:
    for chunk in chunks(blocks):
        assert estimated_tokens(chunk.body) <= 1.5 * MAX_TOKENS or len(chunk.segments) <= 2
        assert all(segment.end - segment.start <= MAX_SENTENCE_CHARACTERS for segment in chunk.segments)
