"""Whether Big Little decoding pays, from what it costs here and now; it switches itself off where it does not.

A round drafts for d seconds, waits r for the verdict, in which the big model computes v, and adds n tokens:

    with it      (d + r) / n   seconds a token
    without it   v₁            the big model's own step, of which a stream pays the way there and back only once

v₁ is taken from rounds with hardly a draft: one or two positions cost a model about what one does. All are means in
which the past fades. Off lasts for a while, then it is tried again.
"""

from dataclasses import dataclass

ROUNDS_TO_JUDGE = 20
OFF_S = 300.0
FADE = 0.05
LOSES_BY = 1.05
"""How much slower it must be: a draw is no reason to change."""


@dataclass
class CostModel:
    """Shared by all sequences of one pair of models. Not thread-safe; reads no clock."""

    rounds: int = 0
    big_token_s: float = 0.0
    off_until_s: float = -1.0
    _seconds: float = 0.0
    _tokens: float = 0.0

    @property
    def bild_token_s(self) -> float:
        return self._seconds / self._tokens if self._tokens else 0.0

    def note(self, draft_s: float, round_trip_s: float, compute_s: float, drafted: int, tokens: int) -> None:
        """One round.

        Args:
            drafted: tokens that the big model was asked about.
            tokens: what the round added to the answer.
        """
        self.rounds += 1
        self._seconds = self._faded(self._seconds, draft_s + round_trip_s)
        self._tokens = self._faded(self._tokens, tokens)
        if drafted <= 1 and compute_s > 0:
            self.big_token_s = self._faded(self.big_token_s, compute_s) if self.big_token_s else compute_s
        elif compute_s > 0 and (not self.big_token_s or compute_s < self.big_token_s):
            # More positions take no less than one.
            self.big_token_s = compute_s

    def is_on(self, now_s: float) -> bool:
        """Whether the next sequence is decoded so."""
        if now_s < self.off_until_s:
            return False
        if self.rounds >= ROUNDS_TO_JUDGE and self.big_token_s and self.bild_token_s > LOSES_BY * self.big_token_s:
            self.off_until_s = now_s + OFF_S
            # What is measured after that is another time's.
            self.rounds, self._seconds, self._tokens, self.big_token_s = 0, 0.0, 0.0, 0.0
            return False
        return True

    def _faded(self, mean: float, value: float) -> float:
        return value if self.rounds == 1 else (1 - FADE) * mean + FADE * value
