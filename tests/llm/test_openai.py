"""Servers that are busy, slow, broken or gone, seen through the engine `openai`: a tiny HTTP server plays them all."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from ledge.llm.v1 import llm_pb2 as pb

from services.kit.errors import DETAILS_KEY, retry_delay_s
from tests.llm.conftest import Served, chat, connected, refused, stream, until
from tests.processes import ServiceProcess

KEY = "upstream-key-that-no-log-may-hold"
MODELS = {"object": "list", "data": [{"id": "big", "max_model_len": 4096}]}


def event(text: str = "", **choice: Any) -> str:
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}, **choice}]}) + "\n\n"


END = event(finish_reason="stop")
USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
DONE = "data: [DONE]\n\n"
WHOLE = [event("Hello"), event(" there"), END, USAGE, DONE]


@dataclass
class Server:
    """Answers each chat with the next of its replies: a status with headers and a body, or the events of a stream."""

    replies: list[Any]
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        self.keys.append(lines.get("authorization", ""))
        body = await reader.readexactly(int(lines.get("content-length", 0)))
        if head.startswith("get"):
            return self._whole(writer, 200, {}, json.dumps(MODELS))
        self.bodies.append(json.loads(body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, tuple):
            return self._whole(writer, *reply)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for part in reply:
            if part is None:
                # Says nothing more, until the reader has gone.
                await reader.read()
                self.hung_up.set()
                return False
            writer.write(part.encode())
            await writer.drain()
        return False

    def _whole(self, writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: str) -> bool:
        told = {"content-length": str(len(body.encode())), "content-type": "application/json", **headers}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"{head}\r\n{body}".encode())
        return True


@asynccontextmanager
async def behind(*replies: Any, key: str = "", **settings: str) -> AsyncIterator[tuple[Server, Any, ServiceProcess]]:
    """The server, a stub of the llm service before it, and that service."""
    server = Server(list(replies))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    process = ServiceProcess(
        "llm",
        {
            "LEDGE_ENGINE": "openai",
            "LEDGE_UPSTREAM_URL": f"http://127.0.0.1:{server.port}/v1",
            "LEDGE_UPSTREAM_API_KEY": key,
            **settings,
        },
    )
    try:
        await asyncio.to_thread(process.wait_ready)
        async with connected(Served("openai", process)) as llm:
            yield server, llm, process
    finally:
        await asyncio.to_thread(process.close)
        listening.close()


def error(status: int, message: str, **headers: str) -> tuple[int, dict[str, str], str]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, told, json.dumps({"error": {"message": message, "type": "x", "code": status}})


async def test_an_answer_comes_with_its_usage_and_the_servers_context() -> None:
    async with behind(WHOLE) as (server, llm, _):
        answer = await llm.Chat(chat("Hello."))
        assert answer.choices[0].message.content == "Hello there"
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 2)
        assert server.bodies[0]["model"] == "big"
        assert server.bodies[0]["max_tokens"] == 8


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (error(400, "the prompt has 9000 tokens"), grpc.StatusCode.INVALID_ARGUMENT, "9000 tokens"),
        (error(404, "no such model"), grpc.StatusCode.NOT_FOUND, "no such model"),
        (error(401, "bad key"), grpc.StatusCode.INTERNAL, "LEDGE_UPSTREAM_API_KEY"),
        (error(500, "CUDA out of memory at 0x7f"), grpc.StatusCode.INTERNAL, "status 500"),
        (error(503, "loading"), grpc.StatusCode.UNAVAILABLE, "loading"),
        (error(504, "slow"), grpc.StatusCode.DEADLINE_EXCEEDED, "ran out of time"),
        ((200, {}, "no event at all"), grpc.StatusCode.INTERNAL, "broke the answer off"),
        ((500, {}, "<html>" * 100), grpc.StatusCode.INTERNAL, "status 500"),
        (["data: {]\n\n"], grpc.StatusCode.INTERNAL, "no JSON"),
        (['data: {"choices": [7]}\n\n'], grpc.StatusCode.INTERNAL, "not OpenAI's"),
        ([event("Hel"), 'data: {"error": {"message": "x", "code": 400}}\n\n'], grpc.StatusCode.INVALID_ARGUMENT, "x"),
        ([event("Hel")], grpc.StatusCode.INTERNAL, "broke the answer off"),
        ([event("Hel"), DONE], grpc.StatusCode.INTERNAL, "broke the answer off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_server_says_is_passed_on(reply: Any, code: grpc.StatusCode, words: str) -> None:
    async with behind(reply, LEDGE_UPSTREAM_RETRIES="0") as (_, llm, _process):
        for call in (llm.Chat(chat("Hello.")), llm.ChatStream(stream("Hello."))):
            told = await refused(call)
            assert told.code() is code
            assert words in told.details()


async def test_a_busy_server_is_asked_again_after_a_short_wait() -> None:
    async with behind(error(429, "busy", retry_after="0.2"), error(503, "busy"), WHOLE) as (server, llm, _):
        began_s = time.monotonic()
        answer = await llm.Chat(chat("Hello."))
        assert answer.choices[0].message.content == "Hello there"
        assert len(server.bodies) == 3
        assert time.monotonic() - began_s >= 0.2


async def test_a_server_that_wants_a_long_rest_is_not_asked_again_and_its_delay_is_told() -> None:
    async with behind(error(429, "come back later", retry_after="30")) as (server, llm, _):
        told = await refused(llm.Chat(chat("Hello.")))
        assert told.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert DETAILS_KEY in dict(told.trailing_metadata())
        assert retry_delay_s(told.trailing_metadata()) == 30
        assert len(server.bodies) == 1


async def test_nothing_is_tried_again_after_the_first_token() -> None:
    async with behind([event("Hel")], WHOLE) as (server, llm, _):
        assert (await refused(llm.ChatStream(stream("Hello.")))).code() is grpc.StatusCode.INTERNAL
        assert len(server.bodies) == 1


async def test_a_server_that_falls_silent_is_too_slow() -> None:
    for reply in ([event("Hel"), None], [None]):
        async with behind(reply, LEDGE_UPSTREAM_TIMEOUT_S="0.3") as (_, llm, _process):
            told = await refused(llm.Chat(chat("Hello.")))
            assert told.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert "0.3 s" in told.details()


async def test_a_cancelled_call_hangs_up_on_the_server() -> None:
    async with behind([event("Hel"), None]) as (server, llm, process):
        call = llm.ChatStream(stream("Hello."))
        assert (await call.read()).delta == "Hel"
        call.cancel()
        async with asyncio.timeout(10):
            await server.hung_up.wait()
        await until(process.ops_url, "ledge_llm_slots_busy", 0)


@pytest.mark.parametrize("place", ["variable", "file"])
async def test_the_key_is_sent_and_never_logged(place: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    settings = {"LEDGE_UPSTREAM_API_KEY_FILE": str(file)} if place == "file" else {"LEDGE_UPSTREAM_API_KEY": KEY}
    async with behind(error(401, "bad key"), **settings) as (server, llm, process):
        told = await refused(llm.Chat(chat("Hello.")))
        assert set(server.keys) == {f"bearer {KEY}"}
        assert KEY not in told.details()
        assert KEY not in str(process.log)


async def test_no_more_requests_than_slots_are_open_at_a_time() -> None:
    async with behind([event("Hel"), None], LEDGE_SLOTS="2", LEDGE_QUEUE_CALLS="1") as (server, llm, process):
        calls = [llm.ChatStream(stream("Hello.")) for _ in range(2)]
        for call in calls:
            await call.read()
        waiting = llm.ChatStream(stream("Hello."))
        await until(process.ops_url, 'ledge_queue_cost{queue="llm"}', 1)
        assert (await refused(llm.Chat(chat("Hello.")))).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(server.bodies) == 2
        for call in (*calls, waiting):
            call.cancel()


@pytest.mark.parametrize(
    ("dialect", "field", "value"),
    [("vllm", "top_k", 5), ("sglang", "min_p", 0.25), ("ledge", "repetition_penalty", 1.5), ("openai", "seed", 3)],
)
async def test_a_dialect_takes_what_it_knows(dialect: str, field: str, value: float) -> None:
    async with behind(WHOLE, LEDGE_UPSTREAM_DIALECT=dialect) as (server, llm, _):
        sampling = pb.Sampling(temperature=0, **{field: value})  # type: ignore[arg-type]
        await llm.Chat(chat("Hello.", sampling=sampling))
        assert server.bodies[0][field] == value


@pytest.mark.parametrize(
    ("constraint", "dialect", "sent"),
    [
        (pb.Constraint(regex="a+"), "vllm", {"structured_outputs": {"regex": "a+"}}),
        (pb.Constraint(regex="a+"), "sglang", {"regex": "a+"}),
        (pb.Constraint(grammar='root ::= "a"'), "ledge", {"guided_grammar": 'root ::= "a"'}),
    ],
    ids=["vllm", "sglang", "ledge"],
)
async def test_a_constraint_is_told_in_the_servers_way(
    constraint: pb.Constraint, dialect: str, sent: dict[str, Any]
) -> None:
    async with behind(WHOLE, LEDGE_UPSTREAM_DIALECT=dialect) as (server, llm, _):
        await llm.Chat(chat("Hello.", constraint=constraint))
        assert sent.items() <= server.bodies[0].items()


async def test_what_a_server_would_ignore_is_refused() -> None:
    async with behind(WHOLE) as (server, llm, _):
        for request in (
            chat("Hello.", sampling=pb.Sampling(top_k=5)),
            chat("Hello.", constraint=pb.Constraint(regex="a+")),
        ):
            told = await refused(llm.Chat(request))
            assert told.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "LEDGE_UPSTREAM_DIALECT" in told.details()
        assert not server.bodies


async def test_tokens_are_told_by_vllm_and_refused_for_others() -> None:
    async with behind((200, {}, '{"tokens": [3, 4], "count": 2}'), LEDGE_UPSTREAM_DIALECT="vllm") as (server, llm, _):
        assert list((await llm.Tokenize(pb.TokenizeRequest(text="a b"))).token_ids) == [3, 4]
        assert server.bodies[0] == {"model": "big", "prompt": "a b", "add_special_tokens": False}
    async with behind(WHOLE) as (_, llm, _process):
        told = await refused(llm.Tokenize(pb.TokenizeRequest(text="a b")))
        assert told.code() is grpc.StatusCode.INVALID_ARGUMENT
