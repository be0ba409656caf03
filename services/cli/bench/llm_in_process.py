"""The baseline of `ledge bench llm`: the library called in a process of its own, with the service's own settings.

Reads one JSON object a line (`prompts`, `max_tokens`), answers with one line a round: tokens, seconds, first tokens.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from services.kit.config import read_config
from services.llm.config import LlmConfig
from services.llm.engine import Message, Role, Sampling
from services.llm.engines import openai_wire
from services.llm.engines.llamacpp import load_llamacpp


def main() -> None:
    """Loads as the service does, says `ready`, then serves rounds until its input ends."""
    engine = asyncio.run(load_llamacpp(read_config(LlmConfig)))
    server = engine.native.server
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(measure(server, asked["prompts"], asked["max_tokens"])), flush=True)


def measure(server: Any, prompts: Sequence[str], max_tokens: int) -> dict[str, Any]:
    """All prompts at once, a thread each, as the library's own users call it."""
    tokens: list[int] = []
    first_token_s: list[float] = []

    def call(prompt: str) -> None:
        message = openai_wire.message(Message(Role.USER, prompt), str)
        body = openai_wire.chat_request({"messages": [message]}, Sampling(temperature=0, max_tokens=max_tokens), None)
        began_s = time.perf_counter()
        silent = True

        def heard(chunk: dict[str, Any]) -> bool:
            nonlocal silent
            if silent and any(choice["delta"].get("content") for choice in chunk["choices"]):
                silent = False
                first_token_s.append(time.perf_counter() - began_s)
            if "usage" in chunk:
                tokens.append(chunk["usage"]["completion_tokens"])
            return False

        server.handle_chat_completions(json.loads(body), heard)

    threads = [threading.Thread(target=call, args=(prompt,)) for prompt in prompts]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"tokens": sum(tokens), "elapsed_s": time.perf_counter() - began_s, "first_token_s": first_token_s}


if __name__ == "__main__":
    main()
