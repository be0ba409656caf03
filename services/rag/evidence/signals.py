"""Measures how well a segment of a passage, and then the best of them together, answer a question.

Nothing here decides: `calibration.py` holds what the measures are worth. Words are compared by their stems and
weighed by their rarity; a segment is read in its context, that is with its headings and its lead-in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.rag.chunk_record import StoredSegment
from services.rag.document import Kind
from services.rag.evidence.answer_kind import holds
from services.rag.evidence.found import Found
from services.rag.evidence.question import Name, Question
from services.rag.evidence.search import Query
from services.rag.evidence.soft_coverage import said_words
from services.rag.words import Words

SEGMENT_SIGNALS = (
    "dense",
    "dense_before",
    "max_sim",
    "coverage",
    "soft_coverage",
    "names",
    "kind",
    "passage",
    "outdated",
)
"""dense: cosine of the segment to the question. dense_before: of the sentence before it, else its own. max_sim: the
reranker's score of the segment. coverage: share of the question's weight that the segment says, word for word.
soft_coverage: the share that it and the two sentences before it say, be it in other words. names: share of the
question's names that the passage says. kind: 1 where it holds the kind of answer asked for, -1 where not, 0 where none
is known. passage: the reranker's score of the passage. outdated: 1 where a heading says that it no longer holds."""

ANSWER_SIGNALS = (
    "score",
    "lead",
    "soft_coverage",
    "missing",
    "names",
    "no_name",
    "kind_missing",
    "words",
    "word_weight",
)
"""score: rank score of the first segment. lead: how far it is above the second that was picked. soft_coverage: the
best of all segments. missing: weight of the word that the picked segments say least, as a share of the greatest
possible. names: share of the names that the first one's passage says. no_name: 1 where the question names nothing.
kind_missing: 1 where they lack the kind of answer asked for. words: how many words the question has that tell
something. word_weight: their mean weight, as a share of the greatest possible."""

PARTLY_NAMED = 0.4
"""What a name is worth whose words all occur, but not side by side."""
SENTENCES_BEFORE = 2

_OUTDATED = re.compile(
    r"\b(?:superseded|withdrawn|obsolete|outdated|archived?|replaced|expired|repealed|former(?:ly)?|previous)\b", re.I
)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A segment that may be quoted."""

    found: Found
    segment: StoredSegment
    context: frozenset[str]
    """Stems of its headings, its lead-in and itself."""
    said: NDArray[np.float64]
    """How far its context says each of the sought words."""
    passage_line: str
    """Stems of the whole passage, in order, between blanks."""
    holds_kind: bool

    @property
    def text(self) -> str:
        return self.found.chunk.body[self.segment.start : self.segment.end]

    def is_same_as(self, other: "Candidate") -> bool:
        """Whether both are the same words of the same passage, whatever search found them."""
        return (self.found.chunk.id, self.segment.start) == (other.found.chunk.id, other.segment.start)


def measure(query: Query, found: Sequence[Found], words: Words) -> tuple[list[Candidate], NDArray[np.float64]]:
    """All segments of some passages, and their signals: [segments × SEGMENT_SIGNALS]."""
    candidates: list[Candidate] = []
    rows: list[tuple[float, ...]] = []
    question, vector = query.question, query.vector()
    weights = _weights(question)
    asked_weight = sum(weights.values())
    for passage in found:
        chunk = passage.chunk
        segments = chunk.segments
        if not segments:
            continue
        dense = (chunk.dense() @ vector).tolist()
        headings = " | ".join(" ".join(words.stems(heading)) for heading in chunk.headings)
        line = f" {headings} | {' '.join(words.stems(chunk.body))} "
        named = _named(question.names, (line,))
        outdated = any(_OUTDATED.search(heading) for heading in chunk.headings)
        above = frozenset(headings.split())
        texts = [chunk.body[segment.start : segment.end] for segment in segments]
        introduced = {lead_in: above.union(words.stems(lead_in)) for lead_in in {it.lead_in for it in segments}}
        contexts = [
            introduced[segment.lead_in].union(words.stems(text)) for text, segment in zip(texts, segments, strict=True)
        ]
        said = said_words(query.sought, chunk, contexts)
        firsts = _firsts_before(segments)
        covered = query.sought.coverages(_with_before(said, firsts)).tolist()
        for index, segment in enumerate(segments):
            if segment.kind is Kind.HEADING:
                continue
            holds_kind = holds(texts[index], question.kinds, question.text)
            candidates.append(Candidate(passage, segment, contexts[index], said[index], line, holds_kind))
            rows.append(
                (
                    dense[index],
                    dense[max(firsts[index], index - 1)],
                    passage.segment_scores[index] if passage.segment_scores else 0.0,
                    _coverage(weights, contexts[index]) / asked_weight if asked_weight else 0.0,
                    covered[index],
                    named,
                    0.0 if not question.kinds else 1.0 if holds_kind else -1.0,
                    passage.score if passage.segment_scores else 0.0,
                    1.0 if outdated else 0.0,
                )
            )
    return candidates, np.array(rows, np.float64).reshape(-1, len(SEGMENT_SIGNALS))


def measure_answer(
    query: Query,
    candidates: Sequence[Candidate],
    signals: NDArray[np.float64],
    scores: NDArray[np.float64],
    picked: Sequence[int],
    *,
    lacks_kind: bool | None = None,
) -> NDArray[np.float64]:
    """ANSWER_SIGNALS of the segments that were picked, among all candidates with their signals and rank scores.

    Args:
        lacks_kind: whether they lack the kind of answer asked for. None: where none of them holds it.
    """
    question, sought = query.question, query.sought
    quoted = [candidates[index] for index in picked]
    if lacks_kind is None:
        lacks_kind = bool(question.kinds) and not any(candidate.holds_kind for candidate in quoted)
    said = np.max([candidate.said for candidate in quoted], axis=0)
    return np.array(
        [
            scores[picked[0]],
            scores[picked[0]] - scores[picked[-1]],
            signals[:, SEGMENT_SIGNALS.index("soft_coverage")].max(),
            sought.heaviest_missing(said) / question.heaviest,
            _named(question.names, (quoted[0].passage_line,)),
            not question.names,
            lacks_kind,
            len(sought.stems),
            float(sought.weights.mean()) / question.heaviest if len(sought.stems) else 0.0,
        ],
        np.float64,
    )


def _weights(question: Question) -> dict[str, float]:
    weights: dict[str, float] = {}
    for asked in question.words:
        weights[asked.word.stem] = max(weights.get(asked.word.stem, 0.0), asked.weight)
    return weights


def _coverage(weights: dict[str, float], said: frozenset[str]) -> float:
    return sum([weight for stem, weight in weights.items() if stem in said])


def _firsts_before(segments: Sequence[StoredSegment]) -> list[int]:
    """Where the sentences before each sentence begin; a row or an item has none."""
    firsts = []
    before = 0
    for index, segment in enumerate(segments):
        is_sentence = segment.kind is Kind.PARAGRAPH
        firsts.append(index - before if is_sentence else index)
        before = min(before + 1, SENTENCES_BEFORE) if is_sentence else 0
    return firsts


def _with_before(said: NDArray[np.float64], firsts: Sequence[int]) -> NDArray[np.float64]:
    """What each segment says together with those before it, from the first of these on."""
    together = said.copy()
    before = np.arange(len(firsts)) - firsts
    for back in range(1, SENTENCES_BEFORE + 1):
        rows = np.flatnonzero(before >= back)
        together[rows] = np.maximum(together[rows], said[rows - back])
    return together


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
