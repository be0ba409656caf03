"""The smallest call of each service that makes it do its work, and what is wrong with an answer that is not one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.audio.v1 import audio_pb2
from ledge.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from ledge.llm.v1 import llm_pb2, llm_pb2_grpc
from ledge.rag.v1 import rag_pb2, rag_pb2_grpc
from ledge.reranking.v1 import reranking_pb2, reranking_pb2_grpc
from ledge.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from ledge.translation.v1 import translation_pb2, translation_pb2_grpc
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc
from ledge.voice.v1 import voice_pb2, voice_pb2_grpc
from riva_compat import asr_pb2 as riva_pb2
from riva_compat import asr_pb2_grpc as riva_pb2_grpc

from services.cli.local.config import LocalRunConfig
from services.cli.local.tls import gateway_scheme, http_context
from services.cli.service_channel import api_key, service_channel
from services.kit.errors import EngineFailed, NotReady

RATE_HZ = 16_000
SILENCE = bytes(2 * RATE_HZ)
"""A second of it: heard in full, and rightly answered by no words."""
TEXT = "The pump house is beside the north gate."
OTHER = "Invoices are paid within thirty days."
MAX_LINE_BYTES = 2**20


async def call_asr(config: LocalRunConfig, address: str | None) -> str:
    raw = audio_pb2.RawFormat(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=RATE_HZ)
    async with service_channel("asr", asr_pb2.DESCRIPTOR, config, address) as channel:
        answer = await asr_pb2_grpc.AsrServiceStub(channel).Transcribe(
            asr_pb2.TranscribeRequest(audio=SILENCE, raw=raw)
        )
    _expect(answer.duration_ms == 1000, f"a second of audio was heard as {answer.duration_ms} ms")
    return f"heard {answer.duration_ms} ms with {answer.model or 'its engine'}"


async def call_tts(config: LocalRunConfig, address: str | None) -> str:
    async with service_channel("tts", tts_pb2.DESCRIPTOR, config, address) as channel:
        answer = await tts_pb2_grpc.TtsServiceStub(channel).Synthesize(
            tts_pb2.SynthesizeRequest(input=tts_pb2.Input(text=TEXT))
        )
    _expect(answer.duration_ms > 500, f"a sentence took {answer.duration_ms} ms to say")
    return f"said a sentence in {answer.duration_ms / 1000:.1f} s with the voice {answer.voice}"


async def call_translation(config: LocalRunConfig, address: str | None) -> str:
    async with service_channel("translation", translation_pb2.DESCRIPTOR, config, address) as channel:
        stub = translation_pb2_grpc.TranslationServiceStub(channel)
        pairs = (await stub.ListLanguagePairs(translation_pb2.ListLanguagePairsRequest())).pairs
        _expect(bool(pairs), "it has no pair of languages")
        source, target = pairs[0].source_language, pairs[0].target_language
        answer = await stub.Translate(
            translation_pb2.TranslateRequest(texts=["1"], source_language=source, target_language=target)
        )
    _expect(len(answer.translations) == 1, f"one text came back as {len(answer.translations)}")
    return f"translated from {source} into {target}"


async def call_llm(config: LocalRunConfig, address: str | None) -> str:
    request = llm_pb2.ChatRequest(
        messages=[llm_pb2.Message(role=llm_pb2.Message.USER, content="Say hello.")],
        sampling=llm_pb2.Sampling(max_tokens=8),
    )
    async with service_channel("llm", llm_pb2.DESCRIPTOR, config, address) as channel:
        answer = await llm_pb2_grpc.LlmServiceStub(channel).Chat(request)
    _expect(answer.usage.completion_tokens > 0, "it wrote nothing")
    return f"wrote {answer.usage.completion_tokens} tokens with {answer.model}"


async def call_embedding(config: LocalRunConfig, address: str | None) -> str:
    request = embedding_pb2.EmbedRequest(inputs=[TEXT], input_type=embedding_pb2.PASSAGE)
    async with service_channel("embedding", embedding_pb2.DESCRIPTOR, config, address) as channel:
        answer = await embedding_pb2_grpc.EmbeddingServiceStub(channel).Embed(request)
    _expect(len(answer.embeddings) == 1 and bool(answer.embeddings[0].dense), "it gave no vector")
    return f"gave a vector of {answer.embeddings[0].dimensions} dimensions with {answer.model}"


async def call_retrieval(config: LocalRunConfig, address: str | None) -> str:
    async with service_channel("retrieval", retrieval_pb2.DESCRIPTOR, config, address) as channel:
        answer = await retrieval_pb2_grpc.RetrievalServiceStub(channel).ListCollections(
            retrieval_pb2.ListCollectionsRequest()
        )
    points = sum(collection.points for collection in answer.collections)
    return f"has {len(answer.collections)} collections with {points} points"


async def call_reranking(config: LocalRunConfig, address: str | None) -> str:
    passages = [reranking_pb2.Passage(text=text) for text in (OTHER, TEXT)]
    request = reranking_pb2.RerankRequest(query="Where is the pump house?", passages=passages)
    async with service_channel("reranking", reranking_pb2.DESCRIPTOR, config, address) as channel:
        answer = await reranking_pb2_grpc.RerankingServiceStub(channel).Rerank(request)
    _expect(bool(answer.results) and answer.results[0].index == 1, "it put the passage that answers last")
    return f"put the passage that answers first with {answer.model}"


async def call_rag(config: LocalRunConfig, address: str | None) -> str:
    async with service_channel("rag", rag_pb2.DESCRIPTOR, config, address) as channel:
        stub = rag_pb2_grpc.RagServiceStub(channel)
        # Search embeds and retrieves in any case; an empty installation has no collection yet.
        await stub.CreateCollection(rag_pb2.CreateCollectionRequest(name="default"))
        answer = await stub.Search(rag_pb2.SearchRequest(query="Where is the pump house?", limit=3))
    _expect(not answer.degraded, f"it had to do without {', '.join(answer.degraded)}")
    return f"searched the documents and found {len(answer.passages)} passages"


async def call_voice(config: LocalRunConfig, address: str | None) -> str:
    async with service_channel("voice", voice_pb2.DESCRIPTOR, config, address) as channel:
        talk = voice_pb2_grpc.VoiceServiceStub(channel).Converse()
        await talk.write(voice_pb2.ConverseRequest(session=voice_pb2.Session()))
        first = await talk.read()
        await talk.done_writing()
    event = first.WhichOneof("event") if isinstance(first, voice_pb2.ConverseResponse) else "nothing"
    _expect(event == "session_created", f"its first event was {event}")
    return "began a conversation"


async def call_riva(config: LocalRunConfig, address: str | None) -> str:
    async with service_channel("riva", riva_pb2.DESCRIPTOR, config, address) as channel:
        answer = await riva_pb2_grpc.RivaSpeechRecognitionStub(channel).GetRivaSpeechRecognitionConfig(
            riva_pb2.RivaSpeechRecognitionConfigRequest()
        )
    _expect(bool(answer.model_config), "it knows no model of recognition")
    return f"offers {len(answer.model_config)} models of recognition"


async def call_wyoming(config: LocalRunConfig, address: str | None) -> str:
    host, _, port = (address or config.address("wyoming")).rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=MAX_LINE_BYTES)
    except OSError as error:
        raise NotReady(f"nothing answers at {address}: {error.strerror or error}") from error
    try:
        writer.write(b'{"type": "describe"}\n')
        await writer.drain()
        told: dict[str, Any] = json.loads(await reader.readline() or b"{}")
    finally:
        writer.close()
    _expect(told.get("type") == "info", f"it answered {told.get('type', 'nothing')!r} instead of info")
    return "described itself"


async def call_gateway(config: LocalRunConfig, address: str | None) -> str:
    scheme = gateway_scheme()
    key = api_key()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    verify = http_context() if scheme == "https" else False
    url = f"{scheme}://{address or config.address('gateway')}/v1/models"
    async with httpx.AsyncClient(trust_env=False, verify=verify, timeout=None, headers=headers) as client:  # noqa: S113
        try:
            answer = await client.get(url)
        except httpx.HTTPError as error:
            raise NotReady(f"nothing answers at {url}: {error}") from error
    _expect(answer.status_code == 200, f"it answered {answer.status_code} to {url}")
    return f"offers {', '.join(model['id'] for model in answer.json()['data'])}"


def _expect(right: bool, otherwise: str) -> None:
    if not right:
        raise EngineFailed(otherwise)


CALLS: dict[str, Callable[[LocalRunConfig, str | None], Awaitable[str]]] = {
    "asr": call_asr,
    "tts": call_tts,
    "translation": call_translation,
    "llm": call_llm,
    "embedding": call_embedding,
    "retrieval": call_retrieval,
    "reranking": call_reranking,
    "rag": call_rag,
    "voice": call_voice,
    "hybrid": call_llm,
    "gateway": call_gateway,
    "riva": call_riva,
    "wyoming": call_wyoming,
}
