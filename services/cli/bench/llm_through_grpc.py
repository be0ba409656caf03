"""Calls of an llm service over gRPC: how fast the tokens come, and when the first one does."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.cli.bench.llm_in_process import WARM_UP_TOKENS
from services.kit.client import open_channel
from services.kit.errors import from_rpc

TOPICS = (
    "rivers", "pumps", "bridges", "clocks", "bread", "glass", "ships", "maps",
    "wells", "storms", "gardens", "engines", "paper", "salt", "towers", "roads",
)  # fmt: skip


@dataclass
class Measured:
    """All rounds of one side."""

    tokens_per_s: list[float] = field(default_factory=list)
    first_token_ms: list[float] = field(default_factory=list)
    answer_tokens: list[float] = field(default_factory=list)
    """The mean of each round."""

    def add(self, tokens: int, elapsed_s: float, first_token_s: Sequence[float]) -> None:
        self.answer_tokens.append(tokens / len(first_token_s))
        self.tokens_per_s.append(tokens / elapsed_s)
        self.first_token_ms.append(statistics.median(first_token_s) * 1000)


def prompts(count: int) -> list[str]:
    """As many different ones."""
    return [f"Write a long story about {TOPICS[place % len(TOPICS)]} and the number {place}." for place in range(count)]


async def workload(address: str, asked: Sequence[str], rounds: Sequence[Measured]) -> dict[str, Any]:
    """What `ledge plan --measured` must know of these rounds: the model, and its tokens of a prompt and an answer."""
    async with open_channel(address) as channel:
        stub = rpc.LlmServiceStub(channel)
        try:
            models = (await stub.ListModels(pb.ListModelsRequest())).models
            read = [await stub.Tokenize(pb.TokenizeRequest(messages=_messages(prompt))) for prompt in asked]
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
    answers = [tokens for measured in rounds for tokens in measured.answer_tokens]
    return {
        "model": models[0].id,
        "engine": models[0].engine,
        "prompt_tokens": round(statistics.mean(len(told.token_ids) for told in read)),
        "answer_tokens": round(statistics.mean(answers)),
    }


async def through_grpc(address: str, asked: Sequence[str], max_tokens: int) -> tuple[int, float, list[float]]:
    """Tokens, seconds from the first call to the last end, seconds to each call's first token."""
    async with open_channel(address) as channel:
        await channel.channel_ready()
        stub = rpc.LlmServiceStub(channel)
        try:
            await asyncio.gather(*(_answer(stub, prompt, WARM_UP_TOKENS) for prompt in asked))
            began_s = time.perf_counter()
            answers = await asyncio.gather(*(_answer(stub, prompt, max_tokens) for prompt in asked))
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        elapsed_s = time.perf_counter() - began_s
    return sum(tokens for tokens, _ in answers), elapsed_s, [first_s for _, first_s in answers]


async def _answer(stub: Any, prompt: str, max_tokens: int) -> tuple[int, float]:
    request = pb.ChatStreamRequest(
        chat=pb.ChatRequest(
            messages=_messages(prompt).messages,
            sampling=pb.Sampling(temperature=0, max_tokens=max_tokens),
        )
    )
    began_s = time.perf_counter()
    first_s = 0.0
    tokens = 0
    async for event in stub.ChatStream(request):
        if not first_s and event.delta:
            first_s = time.perf_counter() - began_s
        tokens = event.usage.completion_tokens
    return tokens, first_s


def _messages(prompt: str) -> pb.MessageList:
    return pb.MessageList(messages=[pb.Message(role=pb.Message.USER, content=prompt)])
