"""A bounded executor: blocking calls run beside the event loop, and past the bound callers are told when to return."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from services.kit import telemetry
from services.kit.context import current_call
from services.kit.errors import Overloaded

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Lane:
    """Threads for one kind of call. Share it within one event loop."""

    def __init__(self, name: str, threads: int, max_waiting: int) -> None:
        self._name = name
        self._waited = telemetry.QUEUE_SECONDS.labels(name)
        self._cost = telemetry.QUEUE_COST.labels(name)
        self._threads = threads
        self._limit = threads + max_waiting
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._admitted = 0
        self._mean_s = 0.01

    async def run(
        self, call: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Raises Overloaded where too many wait. A caller that is cancelled before its turn leaves the queue."""
        if self._admitted >= self._limit:
            delay_s = self._admitted * self._mean_s / self._threads
            raise Overloaded(f"too many calls wait for {self._name}", retry_after_s=min(30.0, max(0.05, delay_s)))
        context = current_call()
        asked_s = time.monotonic()

        def timed() -> Result:
            started_s = time.monotonic()
            self._waited.observe(started_s - asked_s)
            try:
                return call(*args, **kwargs)
            finally:
                elapsed_s = time.monotonic() - started_s
                self._mean_s += 0.1 * (elapsed_s - self._mean_s)
                if context is not None:
                    context.note_timing("queue", (started_s - asked_s) * 1000)
                    context.note_timing("compute", elapsed_s * 1000)

        future = self._executor.submit(timed)
        self._admitted += 1
        self._cost.set(self._admitted)
        # A call that has started runs on when its caller leaves, and holds its place until then.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._left))
        return await asyncio.wrap_future(future)

    def _left(self) -> None:
        self._admitted -= 1
        self._cost.set(self._admitted)

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
