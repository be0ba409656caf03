"""What an answer may take, all its steps together; every step draws on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """The bounds of an effort, or of one request."""

    steps: int
    """Calls of other services that the answer waits for."""
    tokens: int
    """Tokens generated."""
    wall_time_s: float

    def at_most(self, steps: int | None, tokens: int | None, wall_time_s: float | None) -> "Allowance":
        """The same with the bounds that are given in place of its own."""
        return Allowance(
            self.steps if steps is None else steps,
            self.tokens if tokens is None else tokens,
            self.wall_time_s if wall_time_s is None else wall_time_s,
        )


class Budget:
    """One answer's. Never gives more than the allowance, whatever is asked.

    Args:
        for_guards: steps to keep for them, so that what was found can be said; never more than half of all.
    """

    def __init__(
        self, allowance: Allowance, clock: Callable[[], float] = time.monotonic, *, for_guards: int = 0
    ) -> None:
        self._clock = clock
        self._kept = min(for_guards, allowance.steps // 2)
        self._steps = allowance.steps - self._kept
        self._tokens = allowance.tokens
        self._ends_s = clock() + allowance.wall_time_s
        self.steps_taken = 0
        self.exhausted = False
        """Whether something was left undone for want of it."""

    def take_step(self) -> bool:
        """Draws one step; False: there is none left, or no time for it."""
        if self._steps <= 0 or self.remaining_s <= 0:
            self.exhausted = True
            return False
        self._steps -= 1
        self.steps_taken += 1
        return True

    def take_guard_step(self) -> bool:
        """Draws one step for the guards, first of those kept for them. Time does not matter here: the best answer by
        the end of it is checked as well."""
        if self._kept > 0:
            self._kept -= 1
        elif self._steps > 0:
            self._steps -= 1
        else:
            self.exhausted = True
            return False
        self.steps_taken += 1
        return True

    def take_tokens(self, count: int) -> None:
        self._tokens = max(0, self._tokens - count)

    def reserve_tokens(self, most: int) -> int:
        """Takes up to `most` of the tokens that are left, so that what runs beside cannot spend them too."""
        reserved = min(most, self._tokens)
        self._tokens -= reserved
        return reserved

    def return_tokens(self, count: int) -> None:
        """Gives back what was reserved and not generated."""
        self._tokens += count

    def has_tokens(self) -> bool:
        """Whether anything may be generated."""
        self.exhausted |= not self._tokens
        return self._tokens > 0

    @property
    def tokens(self) -> int:
        """What is left of the tokens."""
        return self._tokens

    @property
    def remaining_s(self) -> float:
        """What is left of the wall time, never below zero."""
        return max(0.0, self._ends_s - self._clock())
