"""The baseline of `ledge bench llm`: the library called in a process of its own, with the service's own settings.

Reads one JSON object a line (`prompts`, `max_tokens`), answers with one line a round: tokens, seconds, first tokens.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.kit.config import read_config
from services.llm.config import LlmConfig
from services.llm.engine import Message, Role, Sampling
from services.llm.engines import openai_wire

WARM_UP_TOKENS = 4
"""Of the round before each round that counts: caches hold what the other side left there, and threads sleep."""


def main() -> None:
    """Loads as the service does, says `ready`, then serves rounds until its input ends."""
    # Here, because other benches read this module where llama.cpp is not installed.
    from services.llm.engines.llamacpp import load_llamacpp

    engine = asyncio.run(load_llamacpp(read_config(LlmConfig)))
    server = engine.native.server
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(measure(server, asked["prompts"], asked["max_tokens"])), flush=True)


def measure(server: Any, prompts: Sequence[str], max_tokens: int) -> dict[str, Any]:
    """All prompts at once, a thread each, as the library's own users call it."""
    _together(server, prompts, WARM_UP_TOKENS)
    began_s = time.perf_counter()
    answers = _together(server, prompts, max_tokens)
    return {
        "elapsed_s": time.perf_counter() - began_s,
        "tokens": sum(tokens for tokens, _ in answers),
        "first_token_s": [first_s for _, first_s in answers],
    }


def _together(server: Any, prompts: Sequence[str], max_tokens: int) -> list[tuple[int, float]]:
    with ThreadPoolExecutor(len(prompts)) as threads:
        return list(threads.map(lambda prompt: _answer(server, prompt, max_tokens), prompts))


def _answer(server: Any, prompt: str, max_tokens: int) -> tuple[int, float]:
    """Tokens, and seconds to the first."""
    message = openai_wire.message(Message(Role.USER, prompt), str)
    body = openai_wire.chat_request({"messages": [message]}, Sampling(temperature=0, max_tokens=max_tokens), None)
    began_s = time.perf_counter()
    first_s = 0.0
    tokens = 0

    def heard(chunk: dict[str, Any]) -> bool:
        nonlocal first_s, tokens
        if not first_s and any(choice["delta"].get("content") for choice in chunk["choices"]):
            first_s = time.perf_counter() - began_s
        if "usage" in chunk:
            tokens = chunk["usage"]["completion_tokens"]
        return False

    server.handle_chat_completions(json.loads(body), heard)
    return tokens, first_s


if __name__ == "__main__":
    main()
