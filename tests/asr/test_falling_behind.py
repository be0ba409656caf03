"""An engine that falls behind holds nothing up: speech begins and ends on time, and words come when they are there."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from services.asr.decoding import AHEAD_SAMPLES
from services.asr.endpointing import EndpointingSettings
from services.asr.engine import Hypothesis, Samples, Utterance
from services.asr.listening import Ended, EndUtterance, Final, Heard, Listening, Progressed, Started, Told
from services.asr.vad import FRAME_SAMPLES, VoiceDetector
from services.kit.errors import EngineFailed
from tests.asr.asking import RATE_HZ, silence, speech

SPOKEN = np.concatenate([silence(0.3), speech("window")[: RATE_HZ * 9 // 10], silence(1.0)])


class Slow:
    """An engine that decodes nothing before it is let, and hears how many samples there were."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.fails = False
        self.fed_samples = 0

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Utterance]:
        self.fed_samples = 0
        yield self

    async def feed(self, samples: Samples) -> None:
        await self.goes_on.wait()
        if self.fails:
            raise EngineFailed("out of order")
        self.fed_samples += len(samples)

    async def partial(self) -> str | None:
        return f"{self.fed_samples} samples"

    def pause(self) -> None:
        """Decodes nothing early."""

    def resume(self) -> None:
        """Nothing was begun."""

    async def finish(self) -> Hypothesis:
        return Hypothesis(f"{self.fed_samples} samples", "en-US")


async def frames(samples: Samples) -> AsyncGenerator[Samples | EndUtterance]:
    for start in range(0, len(samples), FRAME_SAMPLES):
        yield samples[start : start + FRAME_SAMPLES]


@pytest.fixture
def engine() -> Slow:
    return Slow()


@pytest.fixture
async def told(engine: Slow) -> AsyncIterator[AsyncGenerator[Told]]:
    detector = VoiceDetector(1)
    listening = Listening(engine, detector.stream(), EndpointingSettings(0.2), partials=True)
    events = listening.events(frames(np.concatenate([SPOKEN, SPOKEN])))
    yield events
    await events.aclose()
    detector.close()


async def test_the_end_of_speech_is_told_before_anything_is_written_down(
    engine: Slow, told: AsyncGenerator[Told]
) -> None:
    assert isinstance((await anext(told)).event, Started)
    ended = await anext(told)
    assert isinstance(ended.event, Ended)
    assert engine.fed_samples == 0
    assert ended.heard_s - ended.event.offset_s == pytest.approx(0.224), "as much silence as was asked for"
    engine.goes_on.set()
    final = await anext(told)
    assert isinstance(final.event, Final)
    assert engine.fed_samples == int(final.event.hypothesis.text.split()[0]) > RATE_HZ


async def test_two_utterances_are_told_one_after_the_other_and_partial_results_before_the_end(
    engine: Slow, told: AsyncGenerator[Told]
) -> None:
    engine.goes_on.set()
    events = [one.event async for one in told]
    kinds = [type(event) for event in events if not isinstance(event, Heard)]
    assert kinds == [Started, Ended, Final] * 2
    assert isinstance(events[1], Heard)
    assert [type(events[place + 1]) for place, event in enumerate(events) if isinstance(event, Ended)] == [Final, Final]
    first, second = (event for event in events if isinstance(event, Final))
    assert first.end_s < second.start_s


async def test_an_engine_that_fails_while_it_is_behind_ends_the_stream(
    engine: Slow, told: AsyncGenerator[Told]
) -> None:
    assert isinstance((await anext(told)).event, Started)
    engine.fails = True
    engine.goes_on.set()
    with pytest.raises(EngineFailed):
        async for _ in told:
            pass


async def test_who_speaks_on_waits_for_an_engine_that_is_a_second_behind(engine: Slow) -> None:
    detector = VoiceDetector(1)
    long = np.concatenate([speech("meeting")[2000:-6000]] * 3)
    manual = EndpointingSettings(manual=True)
    listening = Listening(engine, detector.stream(), manual, partials=False)
    taken = 0

    async def counted() -> AsyncGenerator[Samples | EndUtterance]:
        nonlocal taken
        for start in range(0, len(long), FRAME_SAMPLES):
            taken += FRAME_SAMPLES
            yield long[start : start + FRAME_SAMPLES]

    events = listening.events(counted())
    assert isinstance((await anext(events)).event, Started)
    ended = asyncio.create_task(anext(events))
    done, _ = await asyncio.wait([ended], timeout=1.0)
    assert not done
    assert AHEAD_SAMPLES <= taken <= 3 * AHEAD_SAMPLES < len(long)
    engine.goes_on.set()
    assert isinstance((await ended).event, Ended)
    assert isinstance((await anext(events)).event, Final)
    await events.aclose()
    detector.close()


async def test_an_end_that_is_asked_for_after_silence_is_told_after_the_words(engine: Slow) -> None:
    detector = VoiceDetector(1)
    listening = Listening(engine, detector.stream(), EndpointingSettings(0.2), partials=False, progress_s=1.0)

    async def ended_by_hand() -> AsyncGenerator[Samples | EndUtterance]:
        async for samples in frames(SPOKEN):
            yield samples
        yield EndUtterance.HERE

    events = listening.events(ended_by_hand())
    while not isinstance((await anext(events)).event, Ended):
        pass
    told = asyncio.create_task(anext(events))
    done, _ = await asyncio.wait([told], timeout=0.5)
    assert not done
    engine.goes_on.set()
    assert isinstance((await told).event, Final)
    answered = (await anext(events)).event
    assert isinstance(answered, Progressed)
    assert answered.utterance_ended
    await events.aclose()
    detector.close()


async def test_that_somebody_speaks_on_is_told_before_the_words_of_what_was_said_before(engine: Slow) -> None:
    detector = VoiceDetector(1)
    short = np.concatenate([silence(0.3), speech("window")[: RATE_HZ * 6 // 10], silence(0.4)])
    settings = EndpointingSettings(0.2)
    listening = Listening(engine, detector.stream(), settings, partials=False, progress_s=0.032)
    events = listening.events(frames(np.concatenate([short, short, short])))
    while not isinstance((ended := (await anext(events)).event), Ended):
        pass
    goes_on = (await anext(events)).event
    assert isinstance(goes_on, Progressed)
    assert goes_on.speech_until_s > ended.offset_s + 0.2
    engine.goes_on.set()
    rest = [one.event async for one in events if not isinstance(one.event, Progressed)]
    assert [type(event) for event in rest] == [Final, Started, Ended, Final, Started, Ended, Final]
    spans = [(event.start_s, event.end_s) for event in rest if isinstance(event, Final)]
    assert spans == sorted(spans)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(spans))
    detector.close()
