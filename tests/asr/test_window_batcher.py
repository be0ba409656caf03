"""Windows of many streams share a decoder: nobody waits for what is less urgent, or pays for another's failure."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from services.asr.engine import Hypothesis
from services.asr.whisper.utterance import WhisperSession
from services.asr.whisper.window import Asked, Kind, Window
from services.asr.whisper.window_batcher import BatcherSettings, WindowBatcher
from services.kit.errors import EngineFailed, Overloaded


class StepwiseDecoder:
    """Writes down how long each window's speech is; works on a batch only once it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[Window]] = []
        self.steps = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def decode(self, windows: Sequence[Window]) -> list[Hypothesis | None]:
        self.batches.append(list(windows))
        self.begun.release()
        assert self.steps.acquire(timeout=10)
        if any(np.isnan(window.samples).any() for window in windows):
            raise RuntimeError("no numbers")
        return [None if window.gone else Hypothesis(str(len(window.samples)), "en") for window in windows]

    async def next_begins(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=10)


class Batching:
    """A batcher over a stepwise decoder, on a clock that stands still until it is moved."""

    def __init__(self, workers: int = 1, objective_s: float = 600.0, max_waiting: int = 100) -> None:
        self.now_s = 0.0
        self.decoder = StepwiseDecoder()
        settings = BatcherSettings(workers, 8, max_waiting, objective_s)
        self.batcher = WindowBatcher(self.decoder.decode, settings, clock=lambda: self.now_s)

    def submit(self, kind: Kind, samples: int, deadline_s: float = 0.0) -> Window:
        result = asyncio.get_running_loop().create_future()
        window = Window(np.zeros(samples, np.float32), 10, Asked(), kind, deadline_s, result)
        self.batcher.submit(window)
        return window

    def work(self, batches: int = 1) -> None:
        self.decoder.steps.release(batches)

    async def close(self) -> None:
        self.work(1000)
        await self.batcher.close()


@pytest.fixture
async def batching() -> AsyncIterator[Batching]:
    batching = Batching()
    yield batching
    await batching.close()


async def text_of(window: Window) -> str | None:
    hypothesis = await asyncio.wait_for(window.result, 10)
    return hypothesis.text if hypothesis is not None else None


async def test_finals_overtake_partials_that_came_before(batching: Batching) -> None:
    busy = batching.submit(Kind.FINAL, 1)
    partials = [batching.submit(Kind.PARTIAL, 10 + place, 9.0) for place in range(3)]
    finals = [batching.submit(Kind.FINAL, 20 + place) for place in range(3)]
    batching.work(3)
    assert [await text_of(window) for window in (busy, *partials, *finals)] == ["1", "10", "11", "12", "20", "21", "22"]
    assert batching.decoder.batches == [[busy], finals, partials]


async def test_a_partial_that_comes_too_late_is_not_decoded(batching: Batching) -> None:
    busy = batching.submit(Kind.FINAL, 1)
    stale = batching.submit(Kind.PARTIAL, 2, 1.0)
    fresh = batching.submit(Kind.PARTIAL, 3, 9.0)
    batching.now_s = 2.0
    batching.work(2)
    assert [await text_of(window) for window in (busy, stale, fresh)] == ["1", None, "3"]
    assert batching.decoder.batches == [[busy], [fresh]]


async def test_who_is_gone_leaves_the_queue_and_the_batch(batching: Batching) -> None:
    busy = batching.submit(Kind.FINAL, 1)
    gone, stays = batching.submit(Kind.FINAL, 2), batching.submit(Kind.FINAL, 3)
    await batching.decoder.next_begins()
    batching.batcher.drop(gone)
    batching.batcher.drop(busy)
    batching.work(2)
    assert await text_of(stays) == "3"
    assert busy.gone
    assert busy.result.cancelled()
    assert batching.decoder.batches == [[busy], [stays]]


async def test_partials_leave_a_worker_to_finals() -> None:
    batching = Batching(workers=2)
    partials = [batching.submit(Kind.PARTIAL, place, 9.0) for place in range(1, 8)]
    await batching.decoder.next_begins()
    final = batching.submit(Kind.FINAL, 100)
    await batching.decoder.next_begins()
    assert batching.decoder.batches == [partials[:1], [final]]
    batching.work(100)
    assert [await text_of(window) for window in partials] == [str(number) for number in range(1, 8)]
    await batching.close()


async def test_one_window_that_fails_costs_its_neighbours_nothing(batching: Batching) -> None:
    busy = batching.submit(Kind.FINAL, 1)
    first, bad, last = (batching.submit(Kind.FINAL, samples) for samples in (2, 3, 4))
    bad.samples[:] = np.nan
    batching.work(100)
    assert [await text_of(window) for window in (busy, first, last)] == ["1", "2", "4"]
    with pytest.raises(EngineFailed):
        await bad.result


async def test_too_many_finals_that_wait_are_refused() -> None:
    batching = Batching(max_waiting=2)
    kept = [batching.submit(Kind.FINAL, samples) for samples in (1, 2, 3)]
    with pytest.raises(Overloaded):
        batching.submit(Kind.FINAL, 4)
    batching.work(100)
    assert [await text_of(window) for window in kept] == ["1", "2", "3"]
    await batching.close()


async def test_who_would_be_told_too_late_is_refused_before_anything_is_heard() -> None:
    batching = Batching(objective_s=10.0)

    async def measured_s(window_s: float) -> None:
        window = batching.submit(Kind.FINAL, 1)
        await batching.decoder.next_begins()
        batching.now_s += window_s
        batching.work()
        await window.result

    def session() -> WhisperSession:
        return WhisperSession(batching.batcher, Asked(), live=True, step_s=10, beam_size=1)

    await measured_s(4.0)
    first = session()
    async with first.listen(), session().listen():
        # The third would come after twelve seconds.
        with pytest.raises(Overloaded) as refused:
            async with session().listen():
                raise AssertionError("it was let in")
        assert refused.value.retry_after_s == pytest.approx(2.0)
    async with session().listen(), session().listen(), first.listen():
        """Who was let in once is heard to the end."""
    async with session().listen():
        """There is room again."""
    await batching.close()


async def test_a_lone_utterance_is_never_refused() -> None:
    batching = Batching(objective_s=0.001)
    window = batching.submit(Kind.FINAL, 1)
    await batching.decoder.next_begins()
    batching.now_s += 50
    batching.work()
    await window.result
    async with WhisperSession(batching.batcher, Asked(), live=True, step_s=10, beam_size=1).listen():
        pass
    await batching.close()


async def test_a_pause_has_the_final_decoded_before_it_is_asked_for(batching: Batching) -> None:
    async with WhisperSession(batching.batcher, Asked(), live=True, step_s=10, beam_size=1).listen() as utterance:
        await utterance.feed(np.zeros(5, np.float32))
        utterance.pause()
        utterance.resume()
        await utterance.feed(np.zeros(2, np.float32))
        utterance.pause()
        await utterance.feed(np.zeros(100, np.float32))
        batching.work(2)
        assert (await asyncio.wait_for(utterance.finish(), 10)).text == "7"
    assert [len(window.samples) for batch in batching.decoder.batches for window in batch] == [5, 7]


async def test_leaving_an_utterance_frees_its_places(batching: Batching) -> None:
    busy = batching.submit(Kind.FINAL, 1)
    async with WhisperSession(batching.batcher, Asked(), live=True, step_s=10, beam_size=1).listen() as utterance:
        await utterance.feed(np.zeros(70 * 16_000, np.float32))
        assert await utterance.partial() is None
        utterance.pause()
    batching.work(100)
    await busy.result
    after = batching.submit(Kind.FINAL, 2)
    assert await text_of(after) == "2"
    assert batching.decoder.batches == [[busy], [after]]
