"""Where the big model's words end, and the little one's begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.hybrid.guided import whole_words


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The pump is brok", "The pump is"),
        ("The pump is broken.", "The pump is broken."),
        ("The pump is ", "The pump is"),
        ("It is 3.1", "It is"),
        ("It is 3.", "It is"),
        ("It isn'", "It"),
        ("well-kno", ""),
        ("one\ntwo\n", "one\ntwo\n"),
        ("Ja, natür\ufffd", "Ja,"),
        ("水泵坏了", "水泵坏了"),
        ("水泵坏\ufffd", "水泵坏"),
        ("", ""),
    ],
)
def test_half_words_are_left_away(text: str, kept: str) -> None:
    assert whole_words(text) == kept


@given(st.text(max_size=200))
def test_what_is_kept_is_the_beginning_and_whole(text: str) -> None:
    kept = whole_words(text)
    assert text.startswith(kept)
    assert not kept.endswith((" ", "\ufffd"))
