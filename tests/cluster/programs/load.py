"""Runs in a pod: calls the gateway at a steady rate until a file appears, then prints what became of each call.

Of the kind `voice` is a typed turn of a conversation, at LEDGE_VOICE_ADDRESS as the gateway itself calls it, since the
pod speaks no WebSockets.

`python load.py SETTINGS` takes an object of JSON: gateway, rate_per_s, until (the file), retry_s, mix (kind → how many
of a round). It prints one object of JSON: calls by kind, latencies by kind in milliseconds (50th, 95th, 100th
percentile), tries, and the failures: kind, status, text, and when they began and ended (seconds since the epoch).
waited_for_a_core_s says how long this program was ready to run and did not: more than a little, and a rate that was not
reached tells of the machine. With retry_s 0 no call is tried again, so that each failure is one that a user sees; else
as the answer's Retry-After says, within so many seconds.
"""

import asyncio
import base64
import contextlib
import json
import os
import random
import struct
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import grpc
import httpx
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.kit.client import Channel, open_channel
from services.kit.errors import from_rpc

WRITERS = 2
"""Documents that are sent at a time: who takes many in waits for one before the next."""
MAX_FAILURES = 400
MAX_TEXT = 600
WAV_HEADER = struct.pack(
    "<4sI4s4sIHHIIHH4sI",
    *(b"RIFF", 16036, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data", 16000),
)
SILENCE = WAV_HEADER + bytes(16000)
MODEL = "smollm2-135m-instruct"
REQUESTS: dict[str, dict[str, Any]] = {
    "embedding": {
        "url": "/v1/embeddings",
        "json": {"model": "all-minilm-l6-v2", "input": "How tall is the pump house?"},
    },
    "reranking": {
        "url": "/v1/ranking",
        "json": {"model": "all-minilm-l6-v2", "query": {"text": "height"}, "passages": [{"text": "It is tall."}]},
    },
    "gateway": {"url": "/v1/version"},
    "retrieval": {"url": "/v1/search", "json": {"query": "How deep is borehole 2?", "reranker_top_k": 2}},
    "rag": {
        "url": "/v1/chat/completions",
        "json": {"model": "ledge-rag", "messages": [{"role": "user", "content": "How deep is borehole 2?"}]},
    },
    "llm": {
        "url": "/v1/chat/completions",
        "json": {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 4,
        },
    },
    "translation": {"url": "/translate", "json": {"q": "Good morning.", "source": "en", "target": "es"}},
    "tts": {"url": "/v1/audio/speech", "json": {"model": "tts-1", "input": "Good morning.", "voice": "alloy"}},
    "asr": {
        "url": "/v1/audio/transcriptions",
        "data": {"model": "whisper-1"},
        "files": {"file": ("silence.wav", SILENCE, "audio/wav")},
    },
    "writing": {"url": "/v1/documents", "data": {"data": json.dumps({"blocking": True})}},
}
TIMEOUT_S = 60.0


class Load:
    """One run."""

    def __init__(self, client: httpx.AsyncClient, voice: Any, retry_s: float, model: str = MODEL) -> None:
        self._client = client
        self._voice = voice
        self._model = model
        self._retry_s = retry_s
        self._writers = asyncio.Semaphore(WRITERS)
        self.took_ms: dict[str, list[float]] = {}
        self.failures: list[dict[str, Any]] = []
        self.failed = 0
        self.tries = 0

    async def call(self, kind: str) -> None:
        async with self._writers if kind == "writing" else contextlib.nullcontext():
            await self._call(kind)

    async def _call(self, kind: str) -> None:
        began_s = time.time()
        while True:
            self.tries += 1
            status, text, again_s = await self._try(kind)
            ended_s = time.time()
            if (
                status == 200
                or (status < 500 and status not in (0, 429))
                or ended_s + again_s > began_s + self._retry_s
            ):
                break
            await asyncio.sleep(again_s)
        if status == 200:
            self.took_ms.setdefault(kind, []).append((ended_s - began_s) * 1000)
            return
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append({"kind": kind, "status": status, "text": text, "began_s": began_s, "ended_s": ended_s})

    async def _try(self, kind: str) -> tuple[int, str, float]:
        """The status, 0 where there was no answer; what was said; when to try again."""
        if kind == "voice":
            return await self._converse()
        request = dict(REQUESTS[kind])
        if kind == "writing":
            # Never the same, or nothing would be written.
            text = f"Round {uuid.uuid4().hex}: all is well."
            request["files"] = {"documents": (f"round-{self.tries % 8}.txt", text.encode())}
        method = "POST" if len(request) > 1 else "GET"
        try:
            answer = await self._client.request(method, **request)
        except httpx.HTTPError as error:
            return 0, f"{type(error).__name__} {error}", 0.2
        status = answer.status_code
        if kind == "writing" and status == 200 and len(answer.json()["documents"]) != 1:
            status = 500
        return status, answer.text[:MAX_TEXT] if status != 200 else "", _again_s(answer)

    async def _converse(self) -> tuple[int, str, float]:
        status, text = 0, "the conversation ended without an answer"
        try:
            turn = iter(typed_turn(self._model))
            async for event in self._voice.Converse(turn, timeout=TIMEOUT_S, wait_for_ready=True):
                fault = event.error if event.HasField("error") else event.response_done.error
                if fault.message:
                    return (
                        (400 if fault.type == "invalid_request_error" else 503),
                        json.dumps(_told(fault.message)),
                        0.5,
                    )
                if event.HasField("response_done"):
                    status, text = 200, ""
        except grpc.aio.AioRpcError as error:
            known = from_rpc(error)
            return known.http, json.dumps(_told(known.message)), known.retry_after_s or 0.5
        return status, text, 0.5


def typed_turn(model: str) -> list[pb.ConverseRequest]:
    content = [pb.Content(text="Say hello.")]
    return [
        pb.ConverseRequest(session=pb.Session(model=model, speak=False, max_output_tokens=4)),
        pb.ConverseRequest(
            create_item=pb.CreateItem(item=pb.Item(message=pb.Message(role=pb.Item.USER, content=content)))
        ),
        pb.ConverseRequest(create_response=pb.CreateResponse()),
    ]


def _told(message: str) -> dict[str, Any]:
    """An error, in the shape that the gateway tells one in."""
    return {"error": {"message": message}}


def _again_s(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else 0.5


def _waited_for_a_core_s() -> float | None:
    """Since this thread began; None where the kernel does not count it."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return None


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {str(each): round(ordered[min(len(ordered) - 1, len(ordered) * each // 100)], 1) for each in (50, 95, 100)}


async def main(settings: dict[str, Any]) -> None:
    turns = [kind for kind, count in settings["mix"].items() for _ in range(count)]
    # Mixed, and the same in every run.
    random.Random(7).shuffle(turns)
    key = os.environ.get("LEDGE_API_KEY", "")
    rate_per_s, end = settings["rate_per_s"], Path(settings["until"])
    # A connection that the server means to close may be closed as a request is on its way, and HTTP has no answer to
    # that but to try again: none is kept, as a balancer in front of the gateway keeps none to a pod that leaves.
    limits = httpx.Limits(max_keepalive_connections=0)
    bare = open_channel(os.environ.get("LEDGE_VOICE_ADDRESS", ""), contracts=(pb.DESCRIPTOR,), health_watched=True)
    async with (
        Channel(bare, key or None, cap_s=None, slack_s=0) as channel,
        httpx.AsyncClient(
            base_url=settings["gateway"],
            timeout=TIMEOUT_S,
            limits=limits,
            headers={"authorization": f"Bearer {key}"} if key else {},
        ) as client,
    ):
        load = Load(client, rpc.VoiceServiceStub(channel), settings["retry_s"])
        async with asyncio.TaskGroup() as calls:
            began_s, number = time.monotonic(), 0
            waited_s = _waited_for_a_core_s()
            while not end.exists():
                calls.create_task(load.call(turns[number % len(turns)]))
                number += 1
                await asyncio.sleep(max(0.0, began_s + number / rate_per_s - time.monotonic()))
            lasted_s = time.monotonic() - began_s
            waited_now_s = _waited_for_a_core_s()
    everything = [each for values in load.took_ms.values() for each in values]
    result = {
        "calls": number,
        "tries": load.tries,
        "failed": load.failed,
        "failures": load.failures,
        "lasted_s": round(lasted_s, 1),
        "waited_for_a_core_s": None if waited_s is None or waited_now_s is None else round(waited_now_s - waited_s, 1),
        "ms": _percentiles(everything) if everything else {},
        "ms_by_kind": {kind: _percentiles(values) for kind, values in load.took_ms.items()},
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    asyncio.run(main(json.loads(base64.b64decode(sys.argv[1]))))
