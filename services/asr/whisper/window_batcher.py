"""Windows of all streams, one model: workers take the most urgent ones in batches, and nothing waits without bound."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from prometheus_client import Counter

from services.asr.engine import Hypothesis, Samples
from services.asr.whisper.window import Kind, Window
from services.asr.whisper.window_queue import WindowQueue
from services.kit import telemetry
from services.kit.errors import EngineFailed, Overloaded

log = logging.getLogger("ledge.asr")

WINDOWS = Counter(
    "ledge_asr_windows_total", "Windows of audio by kind, and whether they were decoded.", ["kind", "outcome"]
)
QUEUE = "asr"
SPEED_MEMORY = 0.8
"""Of the speed that is measured with a batch, what is kept of those before."""

Decode = Callable[[Sequence[Window]], Sequence[Hypothesis | None]]


@dataclass(frozen=True)
class BatcherSettings:
    workers: int
    """Batches decoded side by side."""
    most_windows: int
    """In a batch."""
    max_waiting: int
    """Windows that wait and are no partials."""
    objective_s: float
    """Seconds to a final that are promised to whoever is admitted."""


class WindowBatcher:
    """Shared by all streams of an event loop.

    Partials never take the last free worker where there are several, so that a final need not wait for them.
    """

    def __init__(self, decode: Decode, settings: BatcherSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._decode = decode
        self._settings = settings
        self._clock = clock
        self._executor = ThreadPoolExecutor(settings.workers, thread_name_prefix="whisper")
        self._queue = WindowQueue()
        self._running: dict[asyncio.Task[None], Sequence[Window]] = {}
        self._open = 0
        self._cost_s = 0.0
        """Of a second of window, in seconds of a worker; 0 until one was measured."""
        self._queue_seconds = telemetry.QUEUE_SECONDS.labels(QUEUE)
        self._queue_cost = telemetry.QUEUE_COST.labels(QUEUE)
        self._batch_items = telemetry.BATCH_ITEMS.labels(QUEUE)

    def predicted_s(self, window_s: int) -> float:
        """How long a final of this length would take, if all who speak now ended now."""
        running_s = sum(window.window_s for batch in self._running.values() for window in batch) / 2
        ahead_s = max(self._queue.wanted_s() + running_s, self._open * window_s)
        return self._cost_s * (ahead_s / self._settings.workers + window_s)

    def begin(self, window_s: int, *, may_refuse: bool) -> None:
        """Counts an utterance whose final will have to be decoded; `end` once it is over.

        Raises Overloaded where its final is predicted to come later than is promised, and it may be refused.
        """
        predicted_s = self.predicted_s(window_s)
        objective_s = self._settings.objective_s
        if may_refuse and self._open and predicted_s > objective_s:
            WINDOWS.labels("final", "refused").inc()
            raise Overloaded(
                f"asr hears {self._open} utterances: the words of one more might take {predicted_s:.1f} s, and "
                f"{objective_s:g} s are promised",
                retry_after_s=min(60.0, max(0.1, predicted_s - objective_s)),
            )
        self._open += 1

    def end(self) -> None:
        """An utterance is over."""
        self._open -= 1

    def submit(self, window: Window) -> None:
        """Queues it; its `result` will be set. Raises Overloaded where too many wait."""
        if window.kind is not Kind.PARTIAL:
            waiting = len(self._queue) - self._queue.count(Kind.PARTIAL)
            if waiting >= self._settings.max_waiting:
                WINDOWS.labels(window.kind.name.lower(), "refused").inc()
                raise Overloaded(
                    f"{waiting} pieces of speech wait to be heard",
                    retry_after_s=min(60.0, max(0.1, self.predicted_s(window.window_s))),
                )
        window.since_s = self._clock()
        self._queue.add(window)
        self._start()

    def renew(self, window: Window, samples: Samples, window_s: int, deadline_s: float) -> bool:
        """A waiting window hears more, and keeps its place. False where it waits no more."""
        return self._queue.renew(window, samples, window_s, deadline_s)

    def promote(self, window: Window, deadline_s: float) -> None:
        """What was early is the final."""
        window.kind, window.deadline_s = Kind.FINAL, deadline_s

    def drop(self, window: Window) -> None:
        """Nobody waits for it any more: its place is free at once, and what has begun is not gone on with."""
        window.gone = True
        if self._queue.remove(window):
            WINDOWS.labels(window.kind.name.lower(), "dropped").inc()
        if not window.result.cancel() and not window.result.cancelled():
            window.result.exception()
        self._count()

    async def close(self) -> None:
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    def _start(self) -> None:
        settings = self._settings
        for stale in self._queue.drop_stale(self._clock()):
            WINDOWS.labels("partial", "stale").inc()
            if not stale.result.done():
                stale.result.set_result(None)
        while idle := settings.workers - len(self._running):
            batch = self._queue.take(settings.most_windows, shares=idle, partials=idle > 1 or settings.workers == 1)
            if not batch:
                break
            # In a context of its own: a batch belongs to many calls, not to the one that found a worker idle.
            task = asyncio.get_running_loop().create_task(self._run(batch), context=contextvars.Context())
            self._running[task] = batch
            task.add_done_callback(self._ended)
        self._count()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        if not task.cancelled():
            self._start()

    def _count(self) -> None:
        self._queue_cost.set(len(self._queue))

    async def _run(self, batch: Sequence[Window]) -> None:
        started_s = self._clock()
        for window in batch:
            self._queue_seconds.observe(started_s - window.since_s)
            if window.call is not None:
                window.call.note_timing("queue", (started_s - window.since_s) * 1000)
        self._batch_items.observe(len(batch))
        try:
            results = await self._decoded(batch)
        except asyncio.CancelledError:
            for window in batch:
                window.result.cancel()
            raise
        elapsed_s = self._clock() - started_s
        if not any(window.gone for window in batch):
            cost_s = elapsed_s / sum(window.window_s for window in batch)
            self._cost_s = SPEED_MEMORY * self._cost_s + (1 - SPEED_MEMORY) * cost_s if self._cost_s else cost_s
        for window, result in zip(batch, results, strict=True):
            WINDOWS.labels(window.kind.name.lower(), "dropped" if window.gone else "decoded").inc()
            if window.call is not None:
                window.call.note_timing("compute", elapsed_s * 1000)
            if window.result.done():
                continue
            if isinstance(result, Exception):
                window.result.set_exception(result)
            else:
                window.result.set_result(result)

    async def _decoded(self, batch: Sequence[Window]) -> Sequence[Hypothesis | EngineFailed | None]:
        """Where a batch fails, each alone: no caller pays for another's."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._decode, batch)
        except Exception as error:
            log.warning("a batch of windows failed", extra={"windows": len(batch)}, exc_info=error)
            if len(batch) == 1:
                return [EngineFailed(f"Whisper failed: {type(error).__name__}")]
        results: list[Hypothesis | EngineFailed | None] = []
        for window in batch:
            results += await self._decoded([window])
        return results
