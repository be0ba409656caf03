"""How long somebody has been speaking is told before any word is known, to those who ask for it."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import grpc
import pytest
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc

from services.kit import refused_uploads
from tests.asr.asking import PCM_16K, events, pcm, silence, speech
from tests.processes import service

SPOKEN = pcm(silence(0.3)) + pcm(speech("window")) + pcm(silence(1.0))
FRAME_BYTES = 1024
"""32 ms."""
refused_uploads.mend()


@pytest.fixture
async def stub() -> AsyncIterator[Any]:
    with service("asr", LEDGE_ENGINE="scripted") as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            yield rpc.AsrServiceStub(channel)


def kinds(heard: list[pb.TranscribeStreamResponse]) -> list[str]:
    return [event.WhichOneof("event") or "" for event in heard]


async def test_progress_comes_after_each_frame_at_first_and_then_as_asked_for(stub: Any) -> None:
    heard = await events(stub, SPOKEN, FRAME_BYTES, progress_ms=96)
    started = next(event.speech_started.offset_ms for event in heard if event.HasField("speech_started"))
    told_ms = [event.heard_ms - started for event in heard if event.HasField("progress")]
    early = [at for at in told_ms if at <= 320]
    late = [at for at in told_ms if at > 340]
    assert [after - before for before, after in pairwise(early)] == [32] * (len(early) - 1)
    assert {after - before for before, after in pairwise(late)} == {96}
    assert kinds(heard).index("speech_started") < kinds(heard).index("progress")
    assert kinds(heard)[-1] == "final", "outside an utterance there is none"
    until = [event.progress.speech_until_ms for event in heard if event.HasField("progress")]
    assert until == sorted(until)
    assert until[-1] < heard[-1].heard_ms, "silence is no speech"


async def test_who_does_not_ask_for_progress_gets_none(stub: Any) -> None:
    assert "progress" not in kinds(await events(stub, SPOKEN))


@pytest.mark.parametrize(("audio", "is_open"), [(pcm(silence(0.5)), False), (SPOKEN[: len(SPOKEN) // 2], True)])
async def test_the_end_of_an_utterance_is_answered_whether_one_was_open_or_not(
    stub: Any, audio: bytes, is_open: bool
) -> None:
    async def requests() -> AsyncIterator[pb.TranscribeStreamRequest]:
        yield pb.TranscribeStreamRequest(config=pb.StreamConfig(format=PCM_16K, progress_ms=1000))
        yield pb.TranscribeStreamRequest(audio=audio)
        yield pb.TranscribeStreamRequest(end_utterance=pb.EndUtterance())

    heard = [event async for event in stub.TranscribeStream(requests())]
    assert heard[-1].progress.utterance_ended
    assert sum(event.progress.utterance_ended for event in heard) == 1
    assert ("final" in kinds(heard)) == is_open


async def test_progress_out_of_range_is_the_callers_fault(stub: Any) -> None:
    for progress_ms in (0, 31, 1001):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await events(stub, SPOKEN, progress_ms=progress_ms)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
