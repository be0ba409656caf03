"""`ledge bench orchestration`: what rag adds to its engines, beside a bare gRPC chain with as many hops."""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from ledge.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from ledge.llm.v1 import llm_pb2, llm_pb2_grpc
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc
from ledge.reranking.v1 import reranking_pb2
from ledge.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from rich.console import Console

from services.cli.bench.bare_service import LIMIT, STREAM
from services.cli.bench.counts import counts
from services.cli.bench.report import JsonFile, Report, Row, percentile
from services.cli.bench.running import RunningService
from services.cli.upload import Watch, select, upload
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

COLLECTION = "bench"
PUMPS = 200
DELAY_S = 0.2
CHARACTERS_PER_S = 300.0
"""How long the scripted model thinks and how fast it speaks: some 50 tokens a second, as an edge server's would."""
CANDIDATES = 20
BACKENDS = ("embedding", "retrieval", "reranking", "llm")
SCRIPT = r"""
rules:
  - when: "(?s)\\[1\\] \\([^)]*\\) ([^\n]*)"
    say: "\\1"
    delay_s: %s
"""
WARM_UP_S = 2.0


@dataclass
class Times:
    """Of the requests of one round."""

    first_ms: list[float] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.whole_ms) / self.elapsed_s


Ask = Callable[[int], Awaitable[tuple[float, float]]]
"""Asks the n-th question; answers with the seconds to the first text and to the end."""


def command(
    streams: Annotated[str, typer.Option(help="Answers at a time.")] = "1,16,64,128",
    seconds: Annotated[float, typer.Option(min=1, help="How long each is measured, each way.")] = 10.0,
    json_file: JsonFile = None,
) -> None:
    """rag between scripted engines: answers a second and the first token, beside a chain that does nothing else."""
    at_a_time = counts("--streams", streams)
    with _suite() as rag:
        sizes = asyncio.run(_sizes(rag))
        with _bare() as chain:
            rows = asyncio.run(_rows(rag["rag"], rag["llm"], chain, sizes, at_a_time, seconds))
    Report("orchestration", rows).publish(json_file)


@contextmanager
def _suite() -> Iterator[dict[str, str]]:
    """Addresses of rag and of its scripted engines, with the documents in."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledge-bench-orchestration-")))
        (folder / "script.yaml").write_text(SCRIPT % DELAY_S)
        (folder / "pumps.md").write_text("# Pumps\n\n" + "\n\n".join(map(_fact, range(PUMPS))) + "\n")
        settings = {
            "embedding": {"LEDGE_ENGINE": "scripted"},
            "retrieval": {"LEDGE_ENGINE": "memory"},
            "reranking": {"LEDGE_ENGINE": "scripted"},
            "llm": {
                "LEDGE_ENGINE": "scripted",
                "LEDGE_SCRIPT_FILE": str(folder / "script.yaml"),
                "LEDGE_SCRIPT_TOKENS_PER_S": str(CHARACTERS_PER_S),
                "LEDGE_SLOTS": "256",
            },
        }
        addresses = {name: stack.enter_context(RunningService(name, settings[name])).address for name in BACKENDS}
        peers = {f"LEDGE_{name.upper()}_ADDRESS": address for name, address in addresses.items()}
        addresses["rag"] = stack.enter_context(
            RunningService("rag", {**peers, "LEDGE_ANSWER_POLICY": "compose"})
        ).address
        asyncio.run(_ingest(addresses["rag"], folder / "pumps.md"))
        yield addresses


@contextmanager
def _bare() -> Iterator[str]:
    """Address of a chain before as many bare services."""
    with ExitStack() as stack:
        name = "cli.bench.bare_service"
        peers = [stack.enter_context(RunningService(name)).address for _ in BACKENDS]
        yield stack.enter_context(RunningService(name, {"BARE_PEERS": json.dumps(peers)})).address


def _fact(number: int) -> str:
    return f"Pump P{number} stands in hall H{number} and lifts {100 + number} litres of water a second to the tower."


def _question(number: int) -> str:
    return f"In which hall does pump P{number % PUMPS} stand and how many litres of water does it lift to the tower?"


async def _ingest(address: str, document: Path) -> None:
    async with open_channel(address) as channel:
        rag = rag_pb2_grpc.RagServiceStub(channel)
        results = await upload(rag, select([document]).documents, COLLECTION, Watch())
    if any(result.outcome != pb.DocumentResult.STORED for result in results):
        raise EngineFailed("the documents were not taken in")


async def _sizes(addresses: dict[str, str]) -> list[tuple[int, int]]:
    """Bytes sent and answered by each unary call of an answer."""
    async with (
        open_channel(addresses["embedding"]) as to_embedding,
        open_channel(addresses["retrieval"]) as to_retrieval,
    ):
        embed = embedding_pb2.EmbedRequest(
            inputs=[_question(0)], outputs=embedding_pb2.Outputs(dense=True, tokens=True)
        )
        embedded = await embedding_pb2_grpc.EmbeddingServiceStub(to_embedding).Embed(embed)
        retrieval = retrieval_pb2_grpc.RetrievalServiceStub(to_retrieval)
        count = retrieval_pb2.CountTermsRequest(collection=COLLECTION, text=_question(0))
        counted = await retrieval.CountTerms(count)
        search = retrieval_pb2.SearchRequest(
            collection=COLLECTION,
            vector=embedded.embeddings[0].dense,
            text=_question(0),
            limit=CANDIDATES,
            selection=retrieval_pb2.Selection(text=True, metadata=True, attachments=["segments"]),
        )
        found = await retrieval.Search(search)
    # A reranker is sent what was found, nearly byte for byte, and answers with a handful of floats a passage.
    answered = reranking_pb2.RerankResponse(
        results=[reranking_pb2.RerankResult(index=1, score=1.0, segment_scores=[1.0] * 8)] * len(found.hits)
    )
    return [
        (embed.ByteSize(), embedded.ByteSize()),
        (count.ByteSize(), counted.ByteSize()),
        (search.ByteSize(), found.ByteSize()),
        (found.ByteSize(), answered.ByteSize()),
    ]


async def _rows(
    rag: str, llm: str, chain: str, sizes: list[tuple[int, int]], counts: list[int], seconds: float
) -> list[Row]:
    async with (
        open_channel(rag) as to_rag,
        open_channel(llm) as to_llm,
        grpc.aio.insecure_channel(chain, options=[LIMIT]) as to_chain,
    ):
        ways: dict[str, Ask] = {
            "rag": _asks_rag(rag_pb2_grpc.RagServiceStub(to_rag)),
            "bare": _asks_chain(to_chain, sizes),
            "backend": _asks_llm(llm_pb2_grpc.LlmServiceStub(to_llm)),
        }
        rows: list[Row] = []
        for count in counts:
            times = {}
            for name, ask in ways.items():
                with Console(stderr=True, highlight=False).status(f"{name}: {count} at a time"):
                    await _measure(ask, count, WARM_UP_S)
                    times[name] = await _measure(ask, count, seconds)
            rows += _figures("1 stream" if count == 1 else f"{count} streams", times)
    return rows


def _figures(who: str, times: dict[str, Times]) -> list[Row]:
    rag, bare, backend = (times[name] for name in ("rag", "bare", "backend"))
    return [
        Row(
            f"answers per second, {who}",
            rag.per_s,
            "answers/s",
            baseline="bare chain of as many hops",
            baseline_value=bare.per_s,
            note=f"{len(rag.whole_ms)} answers",
        ),
        Row(
            f"first sentence p50, {who}",
            percentile(rag.first_ms, 50),
            "ms",
            baseline="the model's own, asked alone",
            baseline_value=percentile(backend.whole_ms, 50),
            note=f"checked before it is sent; the model's first token: {percentile(backend.first_ms, 50):.0f} ms",
        ),
        Row(
            f"whole answer p95, {who}",
            percentile(rag.whole_ms, 95),
            "ms",
            baseline="bare chain of as many hops",
            baseline_value=percentile(bare.whole_ms, 95),
        ),
    ]


async def _measure(ask: Ask, count: int, seconds: float) -> Times:
    times = Times()
    began_s = time.monotonic()
    numbers = iter(range(1 << 30))

    async def caller() -> None:
        while time.monotonic() - began_s < seconds:
            first_s, whole_s = await ask(next(numbers))
            times.first_ms.append(first_s * 1000)
            times.whole_ms.append(whole_s * 1000)

    await asyncio.gather(*(caller() for _ in range(count)))
    times.elapsed_s = time.monotonic() - began_s
    return times


def _asks_rag(rag: "rag_pb2_grpc.RagServiceAsyncStub") -> Ask:
    async def ask(number: int) -> tuple[float, float]:
        asked_s = time.monotonic()
        first_s = 0.0
        request = pb.AnswerRequest(question=_question(number), collections=[COLLECTION], candidates=CANDIDATES)
        async for event in rag.Answer(request):
            if event.HasField("token") and not first_s:
                first_s = time.monotonic() - asked_s
            if event.HasField("done") and (event.done.degraded or not event.done.completion_tokens):
                raise EngineFailed(f"rag answered without its model: {list(event.done.degraded)}")
        return first_s, time.monotonic() - asked_s

    return ask


def _asks_llm(llm: "llm_pb2_grpc.LlmServiceAsyncStub") -> Ask:
    async def ask(number: int) -> tuple[float, float]:
        asked_s = time.monotonic()
        first_s = 0.0
        note = llm_pb2.Message(role=llm_pb2.Message.USER, content=f"[1] (Pumps) {_fact(number % PUMPS)}")
        async for event in llm.ChatStream(llm_pb2.ChatStreamRequest(chat=llm_pb2.ChatRequest(messages=[note]))):
            if event.delta and not first_s:
                first_s = time.monotonic() - asked_s
        return first_s, time.monotonic() - asked_s

    return ask


def _asks_chain(channel: grpc.aio.Channel, sizes: list[tuple[int, int]]) -> Ask:
    stream: Any = channel.unary_stream(STREAM)

    async def ask(number: int) -> tuple[float, float]:
        asked_s = time.monotonic()
        first_s = 0.0
        words = _fact(number % PUMPS).split(" ")
        pieces = [words[0], *(f" {word}" for word in words[1:])]
        speech = {"delay_s": DELAY_S, "characters_per_s": CHARACTERS_PER_S, "pieces": pieces}
        async for _ in stream(json.dumps({"calls": sizes, "speech": speech}).encode()):
            first_s = first_s or time.monotonic() - asked_s
        return first_s, time.monotonic() - asked_s

    return ask
