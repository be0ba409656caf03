"""How much work an answer may take: which moves an effort adds, and the bounds of all of them together."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.budget import Allowance

MOVES = ("route", "condense", "decompose", "hop", "grade", "rewrite", "ground", "verify")
"""Moves that not every effort makes. A request may leave any of them out."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What an answer does beyond finding, weighing and writing."""

    moves: frozenset[str]
    """Of MOVES."""
    rewrites: int
    """How many times the question may be put in other words, over the whole answer."""
    is_judged: bool
    """Whether the model may be asked to decide; without, rules and calibrated scores do."""
    grades_each: bool
    """Whether passages are graded one by one, rather than the evidence as a whole."""
    allowance: Allowance

    def does(self, move: str) -> bool:
        return move in self.moves

    def without(self, moves: Iterable[str]) -> "Effort":
        return replace(self, moves=self.moves.difference(moves))


_BALANCED = frozenset(("route", "condense", "hop", "grade", "rewrite", "ground"))

EFFORTS = {
    pb.FAST: Effort(frozenset(("condense",)), 0, False, False, Allowance(steps=16, tokens=192, wall_time_s=30.0)),
    pb.BALANCED: Effort(_BALANCED, 1, True, False, Allowance(steps=48, tokens=1024, wall_time_s=60.0)),
    pb.THOROUGH: Effort(frozenset(MOVES), 2, True, True, Allowance(steps=80, tokens=4096, wall_time_s=120.0)),
}
