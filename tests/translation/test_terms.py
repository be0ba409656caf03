"""Protected terms, whatever they look like, are found as whole words, at each place the longest."""

import re

from hypothesis import given
from hypothesis import strategies as st

from services.translation.kept import MARK, Keeper

TERM = st.text("ab -", min_size=1, max_size=6).map(str.strip).filter(bool)


@given(st.sets(TERM, min_size=1, max_size=30), st.text("ab -", max_size=200))
def test_the_longest_term_is_kept_at_each_place(terms: set[str], text: str) -> None:
    words = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
    expected = [match[0] for match in re.finditer(rf"(?<!\w)(?:{words})(?!\w)", text)]
    marked, kept = Keeper({term: term for term in terms}).keep(text)
    assert kept == expected
    assert marked.count(MARK) == len(kept)
