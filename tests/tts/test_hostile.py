"""What callers should not send, and clients that go away: a clear error, nothing lost, memory flat; every engine."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import grpc
import psutil
import pytest
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from tests.kit.serving import failure_of
from tests.processes import ServiceProcess, service
from tests.tts.asking import level_db, pcm, say, say_ssml
from tests.tts.conftest import NEEDS
from tests.tts.test_ssml import BOMB

SENTENCE = "The pump house stands beside the old reservoir."
Stub = rpc.TtsServiceStub


@pytest.mark.parametrize(
    "document",
    [
        f"<!DOCTYPE speak [<!ENTITY a0 'x'>{BOMB}]><speak>&a9;</speak>",
        "<speak>" + "<p>" * 5000,
        "<speak>" + "<break/>" * 2500 + "</speak>",
        f"<speak>{'a' * 1_000_000}</speak>",
        "<speak><audio src='file:///etc/passwd'/></speak>",
    ],
)
async def test_bombs_of_ssml_are_refused_and_harm_nothing(stub: Stub, tts: ServiceProcess, document: str) -> None:
    process = psutil.Process(tts.process.pid)
    await say(stub, SENTENCE)
    before_bytes, started_s = process.memory_info().rss, time.monotonic()
    assert (await failure_of(say_ssml(stub, document))).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert time.monotonic() - started_s < 5
    assert process.memory_info().rss - before_bytes < 30 * 2**20
    assert level_db(pcm((await say(stub, SENTENCE)).audio)) > -30


async def test_a_megabyte_of_text_is_read_as_fast_as_it_is_spoken(stub: Stub, tts: ServiceProcess) -> None:
    process = psutil.Process(tts.process.pid)
    await say(stub, SENTENCE)
    before_bytes = process.memory_info().rss
    written_bytes = 0

    async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
        nonlocal written_bytes
        yield pb.SynthesizeStreamRequest(config=pb.Speech())
        text = f"{SENTENCE} " * 400
        for _ in range(4000):
            yield pb.SynthesizeStreamRequest(text=text)
            written_bytes += len(text)

    call = stub.SynthesizeStream(requests())
    responses = [await call.read() for _ in range(20)]
    assert all(response.audio for response in responses)
    call.cancel()
    # Of 77 MB to be sent what nobody has heard yet is held back at the sender, but for gRPC's window.
    assert written_bytes < 20 * 2**20
    assert process.memory_info().rss - before_bytes < 40 * 2**20


async def refused_for_now(stub: Stub) -> bool:
    return await stub.ListVoices(pb.ListVoicesRequest()).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("engine", sorted(NEEDS))
async def test_a_client_that_vanishes_frees_its_place_within_200_ms(
    settings_of: Callable[[str], dict[str, str]], engine: str
) -> None:
    settings = settings_of(engine)
    with service("tts", LEDGE_ENGINE=engine, LEDGE_MAX_CONCURRENT_CALLS="1", LEDGE_WORKERS="1", **settings) as tts:
        async with grpc.aio.insecure_channel(tts.address) as channel:
            stub = rpc.TtsServiceStub(channel)

            async def written_without_end() -> AsyncIterator[pb.SynthesizeStreamRequest]:
                yield pb.SynthesizeStreamRequest(config=pb.Speech())
                yield pb.SynthesizeStreamRequest(text=f"{SENTENCE} " * 100)
                await asyncio.Event().wait()

            vanished = stub.SynthesizeStream(written_without_end())
            assert (await vanished.read()).audio
            assert await refused_for_now(stub)
            vanished.cancel()
            gone_s = time.monotonic()
            while await refused_for_now(stub):
                assert time.monotonic() - gone_s < 5
            assert time.monotonic() - gone_s < 0.2
            # Its voice, too, is free for the next.
            assert level_db(pcm((await say(stub, SENTENCE)).audio)) > -30
