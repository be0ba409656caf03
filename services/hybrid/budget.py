"""What a tenant may still spend at the big model: calls and tokens, in windows of fixed length.

reserve(most that the call can spend) ──► call ──► settle(what it did spend)
        │ does not fit: None, nothing is taken  ├ cut off before that was told: settle_at_most(prompt and text so far)
        │                                       ├ ended, and never told: what was reserved stays spent
        │                                       └ not made, or refused: cancel

A reservation is made before the call, in one step that no other task comes between, so calls side by side never spend
more than there is.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

MAX_TENANTS = 10_000
"""Whose spending is kept apart; names come from API keys, or unchecked from callers where there are no keys."""
OTHERS = "\0others"


@dataclass
class _Spent:
    calls: int = 0
    tokens: int = 0


class Reservation:
    """One call's share. `settle` it once what the call spent is known."""

    def __init__(self, spent: _Spent, tokens: int) -> None:
        self._spent = spent
        self._tokens = tokens

    def settle(self, tokens: int) -> None:
        """Gives back what was reserved beyond `tokens`. A second time changes nothing more than the difference."""
        self._spent.tokens += tokens - self._tokens
        self._tokens = tokens

    def settle_at_most(self, tokens: int) -> None:
        """For a call that was cut off: `tokens` is a bound, and what was reserved another."""
        self.settle(min(tokens, self._tokens))

    def extend(self, tokens: int, tokens_bound: int | None) -> bool:
        """Takes so many more; False, and nothing is taken, where the tenant's bound has no room for them."""
        if tokens_bound is not None and self._spent.tokens + tokens > tokens_bound:
            return False
        self.settle(self._tokens + tokens)
        return True

    def cancel(self) -> None:
        """The call was not made, or never reached the model."""
        self.settle(0)
        self._spent.calls -= 1


class Budget:
    """All tenants' spending. Belongs to one event loop; no method awaits."""

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._began_s = clock()
        self._spent: dict[str, _Spent] = {}

    def reserve(
        self, tenant: str, calls_bound: int | None, tokens_bound: int | None, tokens: int
    ) -> Reservation | None:
        """Takes one call and so many tokens, at most which the call will spend; None where they are not there."""
        spent = self._of(tenant)
        if calls_bound is not None and spent.calls + 1 > calls_bound:
            return None
        if tokens_bound is not None and spent.tokens + tokens > tokens_bound:
            return None
        spent.calls += 1
        spent.tokens += tokens
        return Reservation(spent, tokens)

    def left(self, tenant: str, calls_bound: int | None, tokens_bound: int | None) -> tuple[int | None, int | None]:
        """Calls and tokens; None without a bound."""
        spent = self._of(tenant)
        return (
            None if calls_bound is None else max(0, calls_bound - spent.calls),
            None if tokens_bound is None else max(0, tokens_bound - spent.tokens),
        )

    def window_ends_in_s(self) -> float:
        self._turn()
        return self._began_s + self._window_s - self._clock()

    def _of(self, tenant: str) -> _Spent:
        self._turn()
        if tenant not in self._spent and len(self._spent) >= MAX_TENANTS:
            tenant = OTHERS
        return self._spent.setdefault(tenant, _Spent())

    def _turn(self) -> None:
        """Begins the next window where it is due. Calls under way settle with the window that they began in."""
        windows = int((self._clock() - self._began_s) // self._window_s)
        if windows > 0:
            self._began_s += windows * self._window_s
            self._spent = {}
