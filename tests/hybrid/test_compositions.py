"""`rag` and `voice` over two models: nothing but the address of their language model is another."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from ledge.rag.v1 import rag_pb2, rag_pb2_grpc
from ledge.voice.v1 import voice_pb2 as voice_messages
from ledge.voice.v1 import voice_pb2_grpc

from tests.hybrid.conftest import Pair, hybrid_over
from tests.metrics import metric
from tests.processes import ServiceProcess, service
from tests.voice.calling import Caller

LABEL = (("ledge-local-only", "true"),)
HANDBOOK = b"# The pump house\n\nThe pump house is 12 metres tall. It was built in 1931 by the harbour.\n"
TALL = "How tall is the pump house?"
ANSWERED = "ledge_hybrid_requests_total"


@pytest.fixture(scope="module")
def cloud(pair: Pair) -> Iterator[ServiceProcess]:
    """Two models of which the big one answers what is not labelled."""
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_MODE="cloud") as process:
        yield process


@pytest.fixture(scope="module")
def alone(pair: Pair) -> Iterator[ServiceProcess]:
    """The same without the big one, for nobody is there."""
    with hybrid_over(pair.little.address, "127.0.0.1:1", LEDGE_MODE="cloud") as process:
        yield process


@contextmanager
def rag_over(llm: ServiceProcess) -> Iterator[ServiceProcess]:
    with ExitStack() as stack:
        addresses = {
            f"LEDGE_{name.upper()}_ADDRESS": stack.enter_context(service(name, LEDGE_ENGINE=engine)).address
            for name, engine in (("embedding", "scripted"), ("retrieval", "memory"), ("reranking", "scripted"))
        }
        settings = {**addresses, "LEDGE_LLM_ADDRESS": llm.address, "LEDGE_ANSWER_POLICY": "compose"}
        yield stack.enter_context(service("rag", **settings))


async def ingested(stub: Any) -> None:
    async def document() -> AsyncIterator[rag_pb2.IngestRequest]:
        yield rag_pb2.IngestRequest(config=rag_pb2.IngestConfig())
        yield rag_pb2.IngestRequest(document=rag_pb2.DocumentStart(name="handbook.md"))
        yield rag_pb2.IngestRequest(content=HANDBOOK)

    assert [event async for event in stub.Ingest(document(), timeout=60)][-1].summary.stored == 1


async def answered(stub: Any, metadata: tuple[tuple[str, str], ...] = ()) -> rag_pb2.Done:
    call = stub.Answer(rag_pb2.AnswerRequest(question=TALL), metadata=metadata, timeout=60)
    return [event async for event in call][-1].done


async def test_rag_says_that_the_big_model_was_to_answer_and_did_not(alone: ServiceProcess) -> None:
    with rag_over(alone) as rag:
        async with grpc.aio.insecure_channel(rag.address) as channel:
            stub: Any = rag_pb2_grpc.RagServiceStub(channel)
            await ingested(stub)
            assert list((await answered(stub)).degraded) == ["big model"]
            # Who asked for the little one misses nothing.
            assert not (await answered(stub, LABEL)).degraded


async def test_rag_words_its_answers_by_both_and_keeps_the_label(cloud: ServiceProcess, pair: Pair) -> None:
    with rag_over(cloud) as rag:
        async with grpc.aio.insecure_channel(rag.address) as channel:
            stub: Any = rag_pb2_grpc.RagServiceStub(channel)
            await ingested(stub)
            asked, sent = await metric(cloud, ANSWERED), len(pair.wire.up)
            free = await answered(stub)
            assert free.answered
            assert not free.degraded
            assert b"12 metres" in pair.wire.up[sent:], "the big model was to word it"
            asked_for_it = await metric(cloud, ANSWERED) - asked
            assert asked_for_it >= 1
            asked, sent = await metric(cloud, ANSWERED), len(pair.wire.up)
            labelled = await answered(stub, LABEL)
            assert labelled.answered
            assert await metric(cloud, ANSWERED) - asked == asked_for_it, "the little model was to word it"
            assert b"pump house" not in pair.wire.up[sent:]
            assert b"12 metres" not in pair.wire.up[sent:]


async def test_voice_talks_by_both_and_keeps_the_label(cloud: ServiceProcess, pair: Pair) -> None:
    with voice_over(cloud) as voice:
        sent = len(pair.wire.up)
        assert await _talked(voice, "short") == ("Yes.", [])
        assert b"short" in pair.wire.up[sent:]
        sent = len(pair.wire.up)
        text, degraded = await _talked(voice, "short", LABEL)
        assert ("the little one" in text, degraded) == (True, [])
        assert b"short" not in pair.wire.up[sent:]


async def test_voice_says_that_the_big_model_was_to_answer_and_did_not(alone: ServiceProcess) -> None:
    with voice_over(alone) as voice:
        text, degraded = await _talked(voice, "short")
        assert ("the little one" in text, degraded) == (True, ["big model"])


@contextmanager
def voice_over(llm: ServiceProcess) -> Iterator[ServiceProcess]:
    with (
        service("asr", LEDGE_ENGINE="scripted") as asr,
        service("tts", LEDGE_ENGINE="scripted") as tts,
        service(
            "voice",
            LEDGE_ASR_ADDRESS=asr.address,
            LEDGE_TTS_ADDRESS=tts.address,
            LEDGE_LLM_ADDRESS=llm.address,
            LEDGE_RAG_ADDRESS="127.0.0.1:1",
            LEDGE_TRANSLATION_ADDRESS="",
        ) as voice,
    ):
        yield voice


async def _talked(
    voice: ServiceProcess, text: str, metadata: tuple[tuple[str, str], ...] = ()
) -> tuple[str, list[str]]:
    """What it answers, and without what."""
    async with grpc.aio.insecure_channel(voice.address) as channel:
        stub: Any = voice_pb2_grpc.VoiceServiceStub(channel)
        caller = Caller(stub.Converse(metadata=metadata))
        await caller.send(session=voice_messages.Session(model="ledge-hybrid"))
        reading = asyncio.create_task(caller.read())
        try:
            state = await caller.ask(text)
            return caller.text(), list(state.degraded)
        finally:
            caller.call.cancel()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
