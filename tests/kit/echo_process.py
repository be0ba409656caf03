"""A worker that does what it is told: answers, fails, dies, prints, or waits for a file to be there."""

import os
import time
from pathlib import Path
from typing import Any

from services.kit.worker_calls import serve_calls


def handle(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    match header["do"]:
        case "fail":
            raise KeyError("what was said")
        case "die":
            os._exit(3)
        case "print":
            print("a library's words", flush=True)  # noqa: T201 - must not disturb the answers
        case "wait":
            while not Path(header["file"]).exists():
                time.sleep(0.005)
        case "hang":
            time.sleep(3600)
    return {"pid": os.getpid()}, payload


if __name__ == "__main__":
    serve_calls(handle)
