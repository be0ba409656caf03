"""Measures how well a segment of a passage, and then the best of them together, answer a question.

Nothing here decides: `calibration.py` holds what the measures are worth. Words are compared by their stems and
weighed by their rarity; a segment is read in its context, that is with its headings and its lead-in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.rag.chunk_record import StoredSegment
from services.rag.document import Kind
from services.rag.evidence.answer_kind import holds
from services.rag.evidence.found import Found
from services.rag.evidence.question import Name, Question
from services.rag.words import Words

SEGMENT_SIGNALS = (
    "dense",
    "max_sim",
    "coverage",
    "coverage_before",
    "names",
    "kind",
    "passage",
    "row",
)
"""dense: cosine of the segment to the question. max_sim: the reranker's score of the segment. coverage: share of the
question's weight that the segment says. coverage_before: the same with the two sentences before it. names: share of
the question's names that the passage says. kind: 1 where it holds the kind of answer asked for, -1 where not, 0 where
none is known. passage: the reranker's score of the passage. row: 1 for a table row."""

ANSWER_SIGNALS = (
    "score",
    "margin",
    "cosine",
    "coverage",
    "names",
    "names_anywhere",
    "no_name",
    "kind_missing",
    "words",
    "first",
)
"""score: rank score of the best segment. margin: how far it is above the tenth. cosine: of its passage. coverage: share
of the question's weight that the quoted segments say. names: share of the names that they or their passages say.
names_anywhere: 1 where each name is said by some passage. no_name: 1 where the question names nothing. kind_missing: 1
where none of them holds the kind of answer asked for. words: how many words the question has that tell something.
first: 1 over the place that retrieval gave its passage."""

PARTLY_NAMED = 0.4
"""What a name is worth whose words all occur, but not side by side."""
SENTENCES_BEFORE = 2
MARGIN_PLACE = 10


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A segment that may be quoted."""

    found: Found
    segment: StoredSegment
    place: int
    """Of its passage in the order of retrieval, from 0."""
    cosine: float
    """Of its passage to the question; where the search was by text alone, the best of its segments."""
    context: frozenset[str]
    """Stems of its headings, its lead-in and itself."""
    passage_line: str
    """Stems of the whole passage, in order, between blanks."""
    holds_kind: bool

    @property
    def text(self) -> str:
        return self.found.chunk.body[self.segment.start : self.segment.end]


def measure(
    question: Question, vector: NDArray[np.float32], found: Sequence[Found], places: Sequence[int], words: Words
) -> tuple[list[Candidate], NDArray[np.float64]]:
    """All segments of some passages, and their signals: [segments × SEGMENT_SIGNALS].

    Args:
        places: of each passage, its place in the order of retrieval.
    """
    candidates: list[Candidate] = []
    rows: list[tuple[float, ...]] = []
    weights = _weights(question)
    for passage, place in zip(found, places, strict=True):
        chunk = passage.chunk
        segments = chunk.segments
        dense = chunk.dense() @ vector if segments else np.zeros(0)
        headings = " | ".join(" ".join(words.stems(heading)) for heading in chunk.headings)
        line = f" {headings} | {' '.join(words.stems(chunk.body))} "
        named = _named(question.names, (line,))
        cosine = passage.cosine or float(dense.max(initial=0.0))
        own = [frozenset(words.stems(chunk.body[segment.start : segment.end])) for segment in segments]
        above = frozenset(headings.split())
        for index, segment in enumerate(segments):
            if segment.kind is Kind.HEADING:
                continue
            context = own[index] | above | frozenset(words.stems(segment.lead_in))
            before = context.union(*own[_first_before(segments, index) : index])
            text = chunk.body[segment.start : segment.end]
            holds_kind = holds(text, question.kinds, question.text)
            candidates.append(Candidate(passage, segment, place, cosine, context, line, holds_kind))
            rows.append(
                (
                    float(dense[index]),
                    passage.segment_scores[index] if passage.segment_scores else 0.0,
                    _coverage(weights, context),
                    _coverage(weights, before),
                    named,
                    0.0 if not question.kinds else 1.0 if holds_kind else -1.0,
                    passage.score if passage.segment_scores else 0.0,
                    1.0 if segment.kind is Kind.ROW else 0.0,
                )
            )
    return candidates, np.array(rows, np.float64).reshape(-1, len(SEGMENT_SIGNALS))


def measure_answer(
    question: Question, candidates: Sequence[Candidate], scores: NDArray[np.float64], best: Sequence[int]
) -> NDArray[np.float64]:
    """ANSWER_SIGNALS of the segments `best`, best first, among all candidates with their rank scores."""
    quoted = [candidates[index] for index in best]
    first = quoted[0]
    ordered = np.sort(scores)[::-1]
    said = frozenset().union(*(candidate.context for candidate in quoted))
    lines = list({candidate.found.chunk.id: candidate.passage_line for candidate in candidates}.values())
    quoted_lines = [candidate.passage_line for candidate in quoted]
    kind_missing = bool(question.kinds) and not any(candidate.holds_kind for candidate in quoted)
    return np.array(
        [
            scores[best[0]],
            ordered[0] - ordered[min(MARGIN_PLACE, len(ordered)) - 1],
            first.cosine,
            _coverage(_weights(question), said),
            _named(question.names, quoted_lines),
            1
            - max((name.weight for name in question.names if not _said(name, lines)), default=0.0) / question.heaviest,
            not question.names,
            kind_missing,
            len(_weights(question)),
            1 / (first.place + 1),
        ],
        np.float64,
    )


def _weights(question: Question) -> dict[str, float]:
    weights: dict[str, float] = {}
    for asked in question.words:
        weights[asked.word.stem] = max(weights.get(asked.word.stem, 0.0), asked.weight)
    return weights


def _coverage(weights: dict[str, float], said: frozenset[str]) -> float:
    total = sum(weights.values())
    return sum(weight for stem, weight in weights.items() if stem in said) / total if total else 0.0


def _first_before(segments: Sequence[StoredSegment], index: int) -> int:
    """Where the sentences before a sentence begin; a row or an item has none."""
    first = index
    if segments[index].kind is Kind.PARAGRAPH:
        while first > max(0, index - SENTENCES_BEFORE) and segments[first - 1].kind is Kind.PARAGRAPH:
            first -= 1
    return first


def _says(line: str, stems: Sequence[str]) -> bool:
    return f" {' '.join(stems)} " in line


def _said(name: Name, lines: Sequence[str]) -> bool:
    return any(_says(line, name.stems) for line in lines)


def _named(names: Sequence[Name], lines: Sequence[str]) -> float:
    """The share of the names, by weight, that any of the lines says; 1 where there are none."""
    total = sum(name.weight for name in names)
    if not total:
        return 1.0
    said = 0.0
    for name in names:
        if any(_says(line, name.stems) for line in lines):
            said += name.weight
        elif any(all(_says(line, (stem,)) for stem in name.stems) for line in lines):
            said += PARTLY_NAMED * name.weight
    return said / total
