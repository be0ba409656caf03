"""No wording of a question takes long to read: its patterns see it before any budget or limit does."""

import asyncio
import time
from collections.abc import Callable

import pytest

from services.rag.answer.asked import MAX_QUERY_CHARACTERS
from services.rag.answer.claims import claims
from services.rag.answer.follow_up import condense
from services.rag.answer.prompts import harmless
from services.rag.evidence import answer_kind
from services.rag.evidence.courtesies import bare
from services.rag.evidence.question import understand
from services.rag.guards.personal_data import PersonalData
from services.rag.judges.calibrated import CalibratedJudge
from services.rag.words import Words

WORDS = Words("en")
FINDER = PersonalData("GB")
MOST_S = 2.0
"""Quadratic patterns took 4 seconds and more of these, and the exponential one had no end; now it is a tenth of one."""

READERS: dict[str, Callable[[str], object]] = {
    "courtesies": bare,
    "route": lambda text: asyncio.run(CalibratedJudge().route(text, ())),
    "kind": answer_kind.wanted,
    "understand": lambda text: understand(text, WORDS, {}, 10),
    "condense": lambda text: condense(text, ["How deep is the well?"]),
    "claims": lambda text: claims(text, WORDS),
    "fence": harmless,
    "personal data": FINDER.redact,
}
REPEATED = (
    "hi!! ",
    "thanks a lot ",
    "!",
    ".",
    "\u200b",
    "!' ",
    "A",
    "Aa.",
    "A ",
    "1.1.",
    "a@a.",
    "AB12 ",
    "4111 ",
    "< ",
    " ",
)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("repeated", REPEATED)
def test_the_longest_question_is_read_at_once(reader: str, repeated: str) -> None:
    text = (repeated * MAX_QUERY_CHARACTERS)[: MAX_QUERY_CHARACTERS - 4] + "x q?"
    since_s = time.process_time()
    READERS[reader](text)
    assert time.process_time() - since_s < MOST_S
