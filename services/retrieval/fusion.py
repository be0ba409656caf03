"""Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): rankings become one, whatever their scores."""

from collections.abc import Iterable, Sequence

RANK_OFFSET = 60
"""The paper's k: how little the first ranks stand out."""


def fuse(rankings: Iterable[Sequence[str]]) -> list[tuple[str, float]]:
    """Ids and scores, best first; ties in the order of ids. A score is the sum of 1 / (60 + rank), ranks from 1."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, id in enumerate(ranking, 1):
            scores[id] = scores.get(id, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
