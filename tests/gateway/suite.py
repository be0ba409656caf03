"""The suite of real processes behind a real gateway: every service with keys, on free ports, started side by side."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc

from tests.processes import ServiceProcess

HANDBOOK = b"""# The pump house

The pump house is 12 metres tall. It was built in 1931 by the harbour. The pump house holds three pumps.

# The reservoir

The reservoir holds 4000 cubic metres of water. Its gate is opened every spring.
"""
TALL = "How tall is the pump house?"
SCRIPT = Path(__file__).parent / "script.yaml"
KEY = "sk-ada"
PEER_KEY = "sk-peer"
KEYS = {"LEDGE_API_KEYS": f"peer={PEER_KEY}", "LEDGE_PEER_API_KEY": PEER_KEY}
LLM = {
    "LEDGE_ENGINE": "scripted",
    "LEDGE_SCRIPT_FILE": str(SCRIPT),
    "LEDGE_CONTEXT_TOKENS": "1000000",
    "LEDGE_SLOTS": "128",
}
GATEWAY = {
    "LEDGE_API_KEYS": f"ada={KEY}",
    "LEDGE_PEER_API_KEY": PEER_KEY,
    "LEDGE_MODEL_ALIASES": "gpt-4=scripted, whatever=",
    "LEDGE_VOICE_ALIASES": "alloy=tone, nova=loud-tone, coral=",
    "LEDGE_MAX_BODY_BYTES": str(2 * 2**20),
}
NO_PEERS = {f"LEDGE_{name}_ADDRESS": "127.0.0.1:1" for name in ("LLM", "EMBEDDING", "RERANKING", "RAG")}


class Suite:
    """What a test needs to reach it."""

    def __init__(self, gateway: ServiceProcess, llm: ServiceProcess, **others: ServiceProcess) -> None:
        self.gateway = gateway
        self.llm = llm
        self.others = others

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        host, port = self.gateway.address.split(":")
        return host, int(port)

    @property
    def url(self) -> str:
        return f"http://{self.gateway.address}"

    def http(self, **settings: Any) -> httpx.AsyncClient:
        """A bare client with the key."""
        headers = {"authorization": f"Bearer {KEY}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, **settings)

    async def call(self, process: ServiceProcess, request_id: str) -> dict[str, Any]:
        """The log line of a request's call in one process, waited for: it is written after the answer."""
        return await asyncio.to_thread(process.wait_for, "call", 20, request_id=request_id)


def start(name: str, **settings: str) -> ServiceProcess:
    return ServiceProcess(name, {**KEYS, **settings})


@contextmanager
def closing_all(*processes: ServiceProcess) -> Iterator[None]:
    with ExitStack() as stack:
        for process in processes:
            stack.callback(process.close)
        yield


@contextmanager
def gateway_and_llm(llm: dict[str, str] | None = None, **settings: str) -> Iterator[Suite]:
    """A gateway with nothing but an llm behind it, for tests that end, fill or kill one of them."""
    with _behind_a_gateway({"llm": start("llm", **{**LLM, **(llm or {})})}, settings) as suite:
        yield suite


@contextmanager
def another_gateway(suite: Suite, **settings: str) -> Iterator[Suite]:
    """A second gateway, with other settings, before the same llm."""
    gateway = start("gateway", **{**GATEWAY, **NO_PEERS, **_addresses({"llm": suite.llm}), **settings})
    with closing_all(gateway):
        yield Suite(gateway.wait_ready(), suite.llm)


@contextmanager
def gateway_and_models() -> Iterator[Suite]:
    """The services that a client calls by a model's name."""
    processes = {
        "llm": start("llm", **LLM),
        "embedding": start("embedding", LEDGE_ENGINE="scripted"),
        "reranking": start("reranking", LEDGE_ENGINE="scripted"),
        "asr": start("asr", LEDGE_ENGINE="scripted"),
        "tts": start("tts", LEDGE_ENGINE="scripted"),
        "translation": start("translation", LEDGE_ENGINE="scripted"),
    }
    with _behind_a_gateway(processes, {}) as suite:
        yield suite


@contextmanager
def gateway_and_speech() -> Iterator[Suite]:
    """What hears and speaks, as they are by default, and an llm that is not asked."""
    processes = {
        "llm": start("llm", **LLM),
        "asr": start("asr", LEDGE_ENGINE="pocketsphinx"),
        "tts": start("tts", LEDGE_ENGINE="flite"),
    }
    with _behind_a_gateway(processes, {"LEDGE_VOICE_ALIASES": "alloy=slt, echo=rms"}) as suite:
        yield suite


@contextmanager
def gateway_and_translation() -> Iterator[Suite]:
    """What translates, as it is by default, and an llm that is not asked."""
    processes = {"llm": start("llm", **LLM), "translation": start("translation", LEDGE_ENGINE="apertium")}
    with _behind_a_gateway(processes, {}) as suite:
        yield suite


@contextmanager
def whole_suite(**settings: str) -> Iterator[Suite]:
    """All that answers from documents, with one of them, by a model that takes its time."""
    capabilities = {
        "llm": start("llm", **LLM, LEDGE_SCRIPT_TOKENS_PER_S="100"),
        "embedding": start("embedding", LEDGE_ENGINE="scripted"),
        "retrieval": start("retrieval", LEDGE_ENGINE="memory"),
        "reranking": start("reranking", LEDGE_ENGINE="scripted"),
    }
    with closing_all(*capabilities.values()):
        rag = start("rag", **_addresses(capabilities))
        with _behind_a_gateway({**capabilities, "rag": rag}, settings) as suite:
            ingest("handbook.md", HANDBOOK, rag)
            yield suite


@contextmanager
def talking_suite(speech: str = "scripted", **settings: str) -> Iterator[Suite]:
    """The same with what hears, speaks and talks: of engines `scripted`, or as they are by default (`real`)."""
    hears, speaks = ("pocketsphinx", "flite") if speech == "real" else ("scripted", "scripted")
    capabilities = {
        "llm": start("llm", **LLM, LEDGE_SCRIPT_TOKENS_PER_S="100"),
        "embedding": start("embedding", LEDGE_ENGINE="scripted"),
        "retrieval": start("retrieval", LEDGE_ENGINE="memory"),
        "reranking": start("reranking", LEDGE_ENGINE="scripted"),
        "asr": start("asr", LEDGE_ENGINE=hears),
        "tts": start("tts", LEDGE_ENGINE=speaks),
    }
    with closing_all(*capabilities.values()):
        rag = start("rag", **_addresses(capabilities))
        with closing_all(rag):
            addresses = {"LEDGE_TRANSLATION_ADDRESS": "", **_addresses({**capabilities, "rag": rag})}
            voice = start("voice", **addresses)
            with _behind_a_gateway({**capabilities, "rag": rag, "voice": voice}, settings) as suite:
                ingest("handbook.md", HANDBOOK, rag)
                yield suite


def ingest(name: str, content: bytes, rag: ServiceProcess) -> None:
    """One document into the default collection."""

    async def requests() -> AsyncIterator[pb.IngestRequest]:
        yield pb.IngestRequest(config=pb.IngestConfig())
        yield pb.IngestRequest(document=pb.DocumentStart(name=name))
        yield pb.IngestRequest(content=content)

    async def ingested() -> pb.IngestResponse:
        async with grpc.aio.insecure_channel(rag.address) as channel:
            stub: Any = rpc.RagServiceStub(channel)
            metadata = [("authorization", f"Bearer {PEER_KEY}")]
            return [event async for event in stub.Ingest(requests(), metadata=metadata, timeout=60)][-1]

    # In a thread, because a test that is itself asynchronous may be the one that asks.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, ingested()).result().summary.stored == 1


@contextmanager
def _behind_a_gateway(processes: dict[str, ServiceProcess], settings: dict[str, str]) -> Iterator[Suite]:
    with closing_all(*processes.values()):
        gateway = start("gateway", **{**GATEWAY, **NO_PEERS, **_addresses(processes), **settings})
        with closing_all(gateway):
            for process in (*processes.values(), gateway):
                process.wait_ready()
            yield Suite(gateway, **processes)


def _addresses(processes: dict[str, ServiceProcess]) -> dict[str, str]:
    return {f"LEDGE_{name.upper()}_ADDRESS": process.address for name, process in processes.items()}


async def until(process: ServiceProcess, *samples: str) -> None:
    """Asks a service's metrics until they hold all these lines; each answer is the wait for the next question."""
    headers = {"authorization": f"Bearer {PEER_KEY}"}
    async with httpx.AsyncClient(base_url=process.ops_url, headers=headers, timeout=20) as http:
        for _ in range(2000):
            lines = (await http.get("/v1/metrics")).raise_for_status().text.splitlines()
            if set(samples) <= set(lines):
                return
    raise AssertionError(f"{process.name} never told {samples}")


def counted(code: str, method: str, count: int) -> str:
    """The line that tells how many calls of the llm ended so."""
    return f'ledge_calls_total{{code="{code}",method="{method}",service="llm"}} {count:.1f}'


def ask(text: str, **fields: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}


def raw_request(body: dict[str, Any], path: str = "/v1/chat/completions") -> bytes:
    """A request as it travels, for tests that hold the socket themselves."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def events_of(text: str) -> list[Any]:
    """The payloads of server-sent events; fails on anything that is not framed as one."""
    assert text.endswith("\n\n")
    frames = text.removesuffix("\n\n").split("\n\n")
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    payloads = [frame.removeprefix("data: ") for frame in frames]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]
