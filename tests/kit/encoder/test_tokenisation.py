"""What is read of a text: lengths, truncation on either side, prefixes, and where each token stands."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.encoder.text import TokenisedText, Truncation
from services.kit.encoder.tokenisation import MAX_TEXT_CHARACTERS, Tokeniser
from services.kit.errors import EngineFailed, InvalidInput

CLS, SEP = 101, 102
LIMIT = 16
ANY_TEXT = st.text(min_size=1, max_size=300)
WORDY_TEXT = st.lists(
    st.sampled_from(
        ["pump", "Wasserwerk", "12.5", "m³/h", "水位", "naïve", "🚰", "(see", "x" * 130, "e\u0301tude", "—"]
    ),
    min_size=1,
    max_size=400,
).flatmap(lambda words: st.sampled_from([" ", "\n", "  ", ""]).map(lambda space: space.join(words)))


@pytest.fixture(scope="module")
def tokeniser(model_directory: Path) -> Tokeniser:
    return Tokeniser(model_directory, max_tokens=LIMIT)


@pytest.fixture(scope="module")
def unlimited(model_directory: Path) -> Tokeniser:
    return Tokeniser(model_directory, max_tokens=1_000_000)


def one(tokeniser: Tokeniser, text: str, truncation: Truncation = Truncation.END, prefix: str = "") -> TokenisedText:
    return tokeniser.tokenise([text], truncation, prefix=prefix, offsets=True)[0]


def test_a_text_is_framed_by_the_special_tokens(tokeniser: Tokeniser) -> None:
    text = one(tokeniser, "The pump house")
    assert (text.ids[0], text.ids[-1]) == (CLS, SEP)
    assert text.token_count == 5
    assert text.rows == slice(1, 4)
    assert not text.truncated


def test_offsets_are_counted_in_characters_of_the_text_as_it_was_given(tokeniser: Tokeniser) -> None:
    text = "🚰 hôtel — cafe\u0301, 水"
    offsets = one(tokeniser, text).offsets
    # The model's tokeniser leaves out the accent that stands as a character of its own.
    assert [text[start:end] for start, end in offsets] == ["🚰", "hôtel", "—", "cafe", ",", "水"]


def test_offsets_are_made_only_when_asked_for(tokeniser: Tokeniser) -> None:
    assert tokeniser.tokenise(["The pump house"], Truncation.NONE)[0].offsets == ()


def test_a_text_that_is_too_long_is_the_callers_fault_and_both_lengths_are_told(tokeniser: Tokeniser) -> None:
    with pytest.raises(InvalidInput, match=r"input 1 has 22 tokens, the model reads 16"):
        tokeniser.tokenise(["short", "pump " * 20], Truncation.NONE)


def test_a_megabyte_is_refused_without_counting_to_its_end(tokeniser: Tokeniser) -> None:
    with pytest.raises(InvalidInput, match=r"input 0 has more than \d+ tokens, the model reads 16"):
        one(tokeniser, "pump " * 200_000, Truncation.NONE)


def test_a_text_beyond_all_measure_is_refused_unread(tokeniser: Tokeniser) -> None:
    with pytest.raises(InvalidInput, match=str(MAX_TEXT_CHARACTERS)):
        one(tokeniser, "a" * (MAX_TEXT_CHARACTERS + 1), Truncation.END)


@pytest.mark.parametrize("truncation", [Truncation.START, Truncation.END])
@pytest.mark.parametrize("text", ["word " * 250_000, "x" * 1_000_000, "水" * 300_000], ids=["words", "letters", "han"])
def test_a_megabyte_is_truncated(tokeniser: Tokeniser, text: str, truncation: Truncation) -> None:
    assert one(tokeniser, text, truncation).token_count <= LIMIT


def test_start_keeps_the_end_and_end_keeps_the_start(tokeniser: Tokeniser) -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    for truncation, first, last in ((Truncation.END, "one", "fourteen"), (Truncation.START, "three", "sixteen")):
        read = one(tokeniser, text, truncation)
        assert read.truncated
        assert read.token_count == LIMIT
        assert text[slice(*read.offsets[0])] == first
        assert text[slice(*read.offsets[-1])] == last


@pytest.mark.parametrize("truncation", [Truncation.START, Truncation.END])
@pytest.mark.parametrize("words", [3, 40, 4000])
def test_a_prefix_is_read_first_and_has_no_rows(tokeniser: Tokeniser, truncation: Truncation, words: int) -> None:
    text = "pump " * words
    read = one(tokeniser, text, truncation, prefix="query: ")
    prefix = [CLS, *tokeniser.tokenise(["query:"], Truncation.NONE)[0].ids[1:-1]]
    assert read.ids[: len(prefix)] == prefix
    assert read.ids[-1] == SEP
    assert read.token_count == min(LIMIT, words + len(prefix) + 1)
    assert read.rows == slice(len(prefix), read.token_count - 1)
    assert {text[start:end] for start, end in read.offsets} == {"pump"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=ANY_TEXT | WORDY_TEXT, truncation=st.sampled_from([Truncation.START, Truncation.END]))
def test_a_truncated_text_is_a_part_of_the_whole_however_it_was_cut(
    tokeniser: Tokeniser, unlimited: Tokeniser, text: str, truncation: Truncation
) -> None:
    whole = one(unlimited, text)
    read = one(tokeniser, text, truncation)
    room = LIMIT - 2
    inner, places = whole.ids[1:-1], whole.offsets
    expected = slice(-room, None) if truncation is Truncation.START else slice(room)
    assert read.ids == [CLS, *inner[expected], SEP]
    assert list(read.offsets) == list(places[expected])
    assert read.truncated == (len(inner) > room)


@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT)
def test_offsets_lie_in_the_text_in_order_and_one_a_row(unlimited: Tokeniser, text: str) -> None:
    read = one(unlimited, text)
    assert len(read.offsets) == read.rows.stop - read.rows.start == read.token_count - 2
    last = 0
    for start, end in read.offsets:
        assert last <= start <= end <= len(text)
        last = start


def test_a_folder_without_a_tokeniser_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="tokeniser"):
        Tokeniser(tmp_path, max_tokens=LIMIT)
