"""A second search from where the first one led: the question again, with the names that a best sentence brought up.

"What is the extension of Ada's deputy?" finds who the deputy is; the next search knows the deputy's name. A sentence
of another document that says such a name, and more of the question than the sentence that led to it, is added to the
evidence; what the first search found stays, so that on questions without a second hop nothing is lost.
"""

import re
from collections.abc import Sequence

import numpy as np

from services.rag.evidence.calibration import Calibration
from services.rag.evidence.found import Found
from services.rag.evidence.judging import Judgement
from services.rag.evidence.picking import supplies_kind
from services.rag.evidence.search import Query
from services.rag.evidence.signals import Candidate, measure, measure_answer
from services.rag.words import Words

LEADING = 2
"""Sentences of the first search that are followed."""
MAX_NAMES = 8
MAX_HOP_CHARACTERS = 1000
LEAST_GAIN = 0.05
"""Share of the question's weight that the new sentence must add, unless it supplies the kind of answer asked for."""

_CAPITALISED = r"[^\W\d_a-zß-öø-ÿ][\w'’]*"
_NAME = re.compile(rf"\b(?:{_CAPITALISED}|\w*\d[\w.,]*\w|\d)(?:[ /-](?:{_CAPITALISED}|\w*\d\w*))*")
_BEGINS = re.compile(r"(?:^|[.:;!?])[\s\"'“‘(]*$")


def leads(question: str, sentence: str, words: Words) -> list[str]:
    """The names in a sentence that a question does not say: codes, and runs of capitalised words.

    Plain numbers are none, nor is a table's column ("Fits: …") or a single word that only begins a sentence.
    """
    asked = set(words.stems(question))
    names: dict[str, None] = {}
    for match in _NAME.finditer(sentence):
        name = match.group()
        has_digit = any(map(str.isdigit, name))
        only_begins = not has_digit and len(name.split()) == 1 and _BEGINS.search(sentence[: match.start()])
        is_plain_number = not any(map(str.isalpha, name))
        if only_begins or is_plain_number or sentence[match.end() :].startswith(":"):
            continue
        if not asked.issuperset(words.stems(name)):
            names[name] = None
    return list(names)[:MAX_NAMES]


def hop_text(question: str, names: Sequence[str]) -> str:
    """What to search by."""
    return " ".join([question, *names])[:MAX_HOP_CHARACTERS]


def follows_up(first: Candidate, second: Candidate, names: Sequence[str], words: Words) -> bool:
    """Whether a sentence stands in another document than the one that led to it, and says one of its names."""
    elsewhere = second.found.chunk.document != first.found.chunk.document
    return elsewhere and any(second.context.issuperset(words.stems(name)) for name in names)


def add_hop(
    query: Query,
    judgement: Judgement,
    pairs: Sequence[tuple[Candidate, Candidate]],
    found: Sequence[Found],
    calibration: Calibration,
    words: Words,
) -> Judgement | None:
    """The evidence with the sentence that adds most; None where none adds enough.

    Args:
        pairs: each a sentence of the first search and one that it led to.
        found: the passages of all of them, ordered by the first search's question.
    """
    candidates, signals = measure(query, found, words)
    weights = calibration.weights(reranked=bool(found[0].segment_scores))
    scores = weights.rank(signals)

    def place_of(sentence: Candidate) -> int | None:
        return next((place for place, known in enumerate(candidates) if known.is_same_as(sentence)), None)

    options: list[tuple[bool, float, float, Candidate]] = []
    for pair in pairs:
        places = [place for place in map(place_of, pair) if place is not None]
        if len(places) < 2:
            continue
        first, second = (candidates[place] for place in places)
        covered = query.sought.coverage(first.said)
        gain = query.sought.coverage(np.maximum(first.said, second.said)) - covered
        supplies = supplies_kind(query.question, first, second)
        if supplies or gain > LEAST_GAIN:
            probability = weights.probability(measure_answer(query, candidates, signals, scores, places))
            options.append((supplies, gain, probability, second))
    if not options:
        return None
    _, _, probability, added = max(options, key=lambda option: option[:3])
    kept = [known for known in judgement.ranked if not known.is_same_as(added)]
    quoted = min(judgement.quoted, len(kept))
    best = max(probability, judgement.probability)
    return Judgement(
        ranked=(*kept[:quoted], added, *kept[quoted:]),
        quoted=quoted + 1,
        probability=best,
        answers=best >= weights.threshold,
        calibrated=judgement.calibrated,
    )
