"""Runs in a pod: streams an answer that takes some ten seconds, as fast as the model is just now.

`python stream.py GATEWAY MODEL` prints `first token`, then `ended CHUNKS FINISH_REASON SECONDS`, or `broken …` where it
stops before its end.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

LASTS_S = 12
HEADERS = {"authorization": f"Bearer {os.environ.get('LEDGE_API_KEY', '')}"}


def main(gateway: str, model: str) -> None:
    began_s = time.monotonic()
    tokens = sum(1 for _ in streamed(gateway, model, 32))
    max_tokens = int(min(1500, max(32, LASTS_S * tokens / (time.monotonic() - began_s))))
    chunks, finish, began_s = 0, "none", 0.0
    for choice in streamed(gateway, model, max_tokens):
        finish = choice.get("finish_reason") or finish
        chunks += 1
        if not began_s:
            began_s = time.monotonic()
            _tell("first token")
    _tell(f"{'broken' if finish == 'none' else 'ended'} {chunks} {finish} {time.monotonic() - began_s:.2f}")


def streamed(gateway: str, model: str, max_tokens: int) -> Iterator[dict[str, Any]]:
    body = {
        "model": model,
        "stream": True,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "Tell a long story about a lighthouse keeper and the sea."}],
    }
    with httpx.stream("POST", f"{gateway}/v1/chat/completions", json=body, headers=HEADERS, timeout=120) as answer:
        for line in answer.iter_lines():
            data = line.removeprefix("data: ").strip()
            if data.startswith("{"):
                yield from json.loads(data).get("choices", ())


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:3])
