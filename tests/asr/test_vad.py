"""Streams that wait for the detector at the same time are done together, and each is told of its own audio only."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from services.asr.engine import Samples
from services.asr.vad import BATCH_FRAMES, FRAME_SAMPLES, Likely, VoiceDetector
from tests.asr.asking import RATE_HZ, silence, speech

PIECE_SAMPLES = 3 * FRAME_SAMPLES


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
async def detector(request: pytest.FixtureRequest) -> AsyncIterator[VoiceDetector]:
    detector = VoiceDetector(request.param)
    yield detector
    detector.close()


def whole(samples: Samples, unit: int) -> Samples:
    return samples[: len(samples) // unit * unit]


async def likely(detector: VoiceDetector, samples: Samples) -> Likely:
    """As it is found of a stream, piece by piece."""
    stream = detector.stream()
    pieces = [await stream.probabilities(piece) for piece in samples.reshape(-1, PIECE_SAMPLES)]
    return np.concatenate(pieces)


def callers() -> Sequence[Samples]:
    """None of them like another."""
    said = np.concatenate([silence(0.3), speech("window"), silence(0.5)])
    return [whole(np.roll(said, number * RATE_HZ // 7), PIECE_SAMPLES) for number in range(40)]


async def test_many_streams_at_a_time_are_each_told_what_they_are_told_alone(detector: VoiceDetector) -> None:
    said = callers()
    alone = [await likely(detector, samples) for samples in said]
    together = await asyncio.gather(*(likely(detector, samples) for samples in said))
    for expected, found in zip(alone, together, strict=True):
        assert found.max() > 0.9
        assert found.min() < 0.1
        np.testing.assert_array_equal(found, expected)


async def test_long_audio_is_told_of_whole_and_in_order(detector: VoiceDetector) -> None:
    said = whole(np.tile(speech("window"), 40), FRAME_SAMPLES)
    assert len(said) > BATCH_FRAMES * FRAME_SAMPLES
    at_once = await detector.stream().probabilities(said)
    stream = detector.stream()
    by_frame = [await stream.probabilities(frame) for frame in said.reshape(-1, FRAME_SAMPLES)[:100]]
    assert len(at_once) == len(said) // FRAME_SAMPLES
    np.testing.assert_allclose(at_once[:100], np.concatenate(by_frame), atol=1e-4)


async def test_a_stream_that_is_gone_leaves_the_others_what_is_theirs(detector: VoiceDetector) -> None:
    said = callers()
    alone = await likely(detector, said[0])
    asked = [asyncio.create_task(likely(detector, samples)) for samples in said]
    await asyncio.sleep(0)
    for task in asked[1:]:
        task.cancel()
    np.testing.assert_array_equal(await asked[0], alone)


async def test_a_stream_whose_audio_cannot_be_heard_is_told_so_alone(detector: VoiceDetector) -> None:
    said = callers()[0]
    broken = detector.stream().probabilities(np.zeros(FRAME_SAMPLES, "<U4"))  # type: ignore[arg-type]
    found, error = await asyncio.gather(likely(detector, said), broken, return_exceptions=True)
    assert isinstance(error, ValueError)
    assert isinstance(found, np.ndarray)
    assert len(found) == len(said) // FRAME_SAMPLES


async def test_whoever_waits_when_the_detector_is_closed_is_let_go() -> None:
    detector = VoiceDetector(1)
    asked = [asyncio.create_task(likely(detector, samples)) for samples in callers()]
    await asyncio.sleep(0)
    detector.close()
    done, _ = await asyncio.wait(asked, timeout=10.0)
    assert len(done) == len(asked)
    for task in asked:
        assert task.cancelled() or isinstance(task.exception(), RuntimeError)
