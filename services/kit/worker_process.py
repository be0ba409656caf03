"""Processes for engines whose library holds the interpreter's lock, may crash on input, or cannot be shared.

A worker is `python -m <module>`, which calls `worker_calls.serve_calls` with what it does. Calls travel over its
pipes, one at a time:

    parent ── length, JSON header, payload ──► worker
           ◄── length, JSON header, payload ──

A worker that dies, or does not answer in time, fails the one call it held and is replaced; nothing else notices.
A caller that goes away leaves its worker to finish what it began, and only then is the worker given to the next.
"""

import asyncio
import contextlib
import heapq
import itertools
import json
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence

from services.kit import telemetry
from services.kit.context import current_call
from services.kit.errors import EngineFailed, Overloaded
from services.kit.worker_calls import LENGTHS, Header, frame

log = logging.getLogger("ledge.worker")
START_TIMEOUT_S = 600.0
"""Longest time until a process has loaded its engine, on a machine where many start at once."""


class Worker:
    """One process, leased to one caller at a time. A call that is cancelled is still answered, to nobody."""

    def __init__(self, process: asyncio.subprocess.Process, call_timeout_s: float) -> None:
        self._process = process
        self._call_timeout_s = call_timeout_s
        self._answer: asyncio.Task[tuple[Header, bytes]] | None = None
        self._killed = False

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.returncode is None

    async def call(self, header: Header, payload: bytes = b"", timeout_s: float | None = None) -> tuple[Header, bytes]:
        """What the worker answers.

        Args:
            timeout_s: how long this one may take, where that is not as for the others.

        Raises:
            EngineFailed: the worker failed, died, or did not answer in time.
        """
        await self.settle()
        self._answer = asyncio.create_task(self._exchange(header, payload, timeout_s or self._call_timeout_s))
        told, answer = await asyncio.shield(self._answer)
        if "failed" in told:
            raise EngineFailed(f"the engine's process failed: {told['failed']}")
        return told, answer

    async def settle(self) -> None:
        """Waits for the answer of a call whose caller has gone."""
        if self._answer is not None and not self._answer.done():
            await asyncio.wait([self._answer])
        if self._answer is not None and not self._answer.cancelled():
            # Looked at, so that nobody misses it.
            self._answer.exception()

    async def _exchange(self, header: Header, payload: bytes, timeout_s: float) -> tuple[Header, bytes]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EngineFailed("the engine's process has no pipes")
        try:
            async with asyncio.timeout(timeout_s):
                stdin.write(frame(header, payload))
                await stdin.drain()
                header_bytes, payload_bytes = LENGTHS.unpack(await stdout.readexactly(LENGTHS.size))
                told: Header = json.loads(await stdout.readexactly(header_bytes))
                return told, await stdout.readexactly(payload_bytes)
        except TimeoutError:
            self.kill()
            raise EngineFailed(f"the engine's process did not answer within {timeout_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            self.kill()
            raise EngineFailed("the engine's process died") from None

    def kill(self) -> None:
        # The process may be gone before it is known to be.
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Ends the process: politely by closing its input, else at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 0.5)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self.settle()


class WorkerPool:
    """So many workers of one module, for the tasks of one event loop; who is due first gets the next one.

    Args:
        module: what `python -m` runs.
        arguments: its command line.
        size: how many processes.
        max_waiting: callers that may wait for a worker; past it Overloaded.
        call_timeout_s: the longest a call may take, from when the process has loaded.
        name: label of the metrics.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        size: int,
        max_waiting: int,
        call_timeout_s: float = 60.0,
        name: str,
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._size = size
        self._max_waiting = max_waiting
        self._call_timeout_s = call_timeout_s
        self._name = name
        self._idle: deque[Worker] = deque()
        self._waiters: list[tuple[float, int, asyncio.Future[Worker]]] = []
        self._asked = itertools.count()
        self._waiting = 0
        self._mean_lease_s = 0.1
        self._queue_seconds = telemetry.QUEUE_SECONDS.labels(name)
        self._queue_cost = telemetry.QUEUE_COST.labels(name)
        self._workers: set[Worker] = set()
        self._returning: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> int:
        """Workers that a caller would get at once."""
        return len(self._idle)

    async def start(self) -> None:
        """Starts all workers, each of which must answer its first, empty call."""
        started = await asyncio.gather(*(self._spawn() for _ in range(self._size)), return_exceptions=True)
        failures = [worker for worker in started if isinstance(worker, BaseException)]
        if failures:
            await self.close()
            raise failures[0]

    async def _spawn(self) -> None:
        # A session of its own: an interrupt at the terminal is for the service, which then ends its workers in order.
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        worker = Worker(process, self._call_timeout_s)
        self._workers.add(worker)
        await worker.call({"ready": True}, timeout_s=START_TIMEOUT_S)
        self._offer(worker)

    @contextlib.asynccontextmanager
    async def lease(self, due_s: float | None = None) -> AsyncIterator[Worker]:
        """A worker for this caller alone.

        Args:
            due_s: when the caller needs what it asks for, on the monotonic clock; absent: now. Everybody's turn comes,
                for those who ask later are due later.

        Raises:
            Overloaded: too many callers wait already.
        """
        if not self._idle and self._waiting >= self._max_waiting:
            delay_s = self._mean_lease_s * (self._waiting + 1) / self._size
            raise Overloaded(f"the {self._name} queue is full", retry_after_s=min(60.0, max(0.05, delay_s)))
        asked_s = time.monotonic()
        self._waiting += 1
        self._queue_cost.set(self._waiting)
        try:
            worker = await self._next(asked_s if due_s is None else due_s)
        finally:
            self._waiting -= 1
            self._queue_cost.set(self._waiting)
        leased_s = time.monotonic()
        self._queue_seconds.observe(leased_s - asked_s)
        if (call := current_call()) is not None:
            call.note_timing("queue", (leased_s - asked_s) * 1000)
        try:
            yield worker
        finally:
            self._mean_lease_s = 0.9 * self._mean_lease_s + 0.1 * (time.monotonic() - leased_s)
            # In a task of its own: the caller may be cancelled, and does not wait for what it has no use for.
            task = asyncio.create_task(self._take_back(worker))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _next(self, due_s: float) -> Worker:
        if self._idle:
            return self._idle.popleft()
        given: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (due_s, next(self._asked), given))
        try:
            return await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._offer(given.result())
            raise

    def _offer(self, worker: Worker) -> None:
        """To the one who is due first, of those who still wait."""
        while self._waiters:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._idle.append(worker)

    async def _take_back(self, worker: Worker) -> None:
        await worker.settle()
        if worker.alive:
            self._offer(worker)
            return
        log.error("the process of an engine ended and is replaced", extra={"queue": self._name})
        self._workers.discard(worker)
        await worker.close()
        pause_s = 0.1
        while True:
            try:
                await self._spawn()
                return
            except (EngineFailed, OSError) as error:
                log.error("the process of an engine cannot be started", extra={"reason": str(error)})
                await asyncio.sleep(pause_s)
                pause_s = min(10.0, 2 * pause_s)

    async def close(self) -> None:
        """Ends all processes."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._workers))
        self._workers.clear()
