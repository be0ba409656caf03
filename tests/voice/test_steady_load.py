"""The load of the cluster's tests, of its kind `voice`: a turn that is answered, and what is told when nobody does."""

import grpc
import httpx
import pytest
from ledge.voice.v1 import voice_pb2_grpc as rpc

from tests.cluster.programs.load import Load
from tests.processes import ServiceProcess
from tests.voice.conftest import Suite, a_voice


async def test_a_call_is_a_typed_turn_that_is_answered(voice: ServiceProcess) -> None:
    async with httpx.AsyncClient() as client, grpc.aio.insecure_channel(voice.address) as channel:
        load = Load(client, rpc.VoiceServiceStub(channel), retry_s=0, model="scripted")
        await load.call("voice")
    assert load.failures == []
    assert list(load.took_ms) == ["voice"]


@pytest.mark.parametrize("other", ["ASR", "TTS", "RAG", "TRANSLATION"])
async def test_it_needs_no_more_than_the_model(suite: Suite, other: str) -> None:
    with a_voice(suite, **{f"LEDGE_{other}_ADDRESS": "127.0.0.1:9"}) as voice:
        async with httpx.AsyncClient() as client, grpc.aio.insecure_channel(voice.address) as channel:
            load = Load(client, rpc.VoiceServiceStub(channel), retry_s=0, model="scripted")
            await load.call("voice")
    assert load.failures == []


async def test_a_turn_whose_model_has_gone_fails_as_the_callers_of_the_gateway_are_told(suite: Suite) -> None:
    with a_voice(suite, LEDGE_LLM_ADDRESS="127.0.0.1:9") as voice:
        async with httpx.AsyncClient() as client, grpc.aio.insecure_channel(voice.address) as channel:
            load = Load(client, rpc.VoiceServiceStub(channel), retry_s=0, model="scripted")
            await load.call("voice")
    [failure] = load.failures
    assert failure["status"] == 503
    assert "cannot be reached" in failure["text"]
