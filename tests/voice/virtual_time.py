"""An event loop with a time of its own: who sleeps is woken at once, and the clock stands where it would."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

WORK_S = 1e-6
"""What is done takes a little of it, too."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: time jumps to where the next timer rings."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> "list[tuple[selectors.SelectorKey, int]]":
        assert timeout is not None, "everybody waits, and nothing is to come"
        self.now_s += max(WORK_S, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is in seconds since its beginning."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def run(story: Coroutine[Any, Any, None]) -> None:
    """Like `asyncio.run`, in no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story)
