"""A second search from where the first one led: the question again, with the names that its best sentence brought up.

"What is the extension of Ada's deputy?" finds who the deputy is; the next search knows the deputy's name. The sentence
found so takes the second place only where it says more of the question: on single-hop questions nothing is lost.
"""

import re

from services.rag.evidence.question import Question
from services.rag.evidence.signals import Candidate, says_of
from services.rag.words import Words

MAX_NAMES = 8
MAX_HOP_CHARACTERS = 1000
LEAST_GAIN = 0.1
"""Share of the question's weight that the second sentence must add to what the first one says."""

_NAME = re.compile(r"\b(?:[^\W\d_a-zß-öø-ÿ][\w'’]*|\w*\d[\w.,]*\w|\d)(?:[ /-](?:[^\W\d_a-zß-öø-ÿ][\w'’]*|\w*\d\w*))*")


def hop_text(question: Question, best: Candidate, words: Words) -> str:
    """What to search by; empty: the best sentence names nothing that the question does not."""
    asked = set(words.stems(question.text))
    opening = len(best.text) - len(best.text.lstrip("\"'“‘("))
    names = [
        match.group()
        for match in _NAME.finditer(best.text)
        # A capital at the beginning of a sentence tells nothing, unless more of it follows.
        if (match.start() > opening or len(match.group().split()) > 1 or any(map(str.isdigit, match.group())))
        and not asked.issuperset(words.stems(match.group()))
    ]
    new = list(dict.fromkeys(names))[:MAX_NAMES]
    return " ".join([question.text, *new])[:MAX_HOP_CHARACTERS] if new else ""


def second_sentence(question: Question, first: Candidate, found: tuple[Candidate, ...]) -> Candidate | None:
    """The best of the sentences found by the hop, where it says enough that the first one does not."""
    second = next((candidate for candidate in found if not candidate.is_same_as(first)), None)
    if second is None or says_of(question, (first, second)) - says_of(question, (first,)) <= LEAST_GAIN:
        return None
    return second
