"""How a service and its worker processes talk: frames over pipes. The worker's side, which imports little on purpose.

length of the header, length of the payload, header in JSON, payload
"""

import json
import os
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

Header = dict[str, Any]
LENGTHS = struct.Struct("<II")


def frame(header: Header, payload: bytes) -> bytes:
    told = json.dumps(header).encode()
    return LENGTHS.pack(len(told), len(payload)) + told + payload


def serve_calls(handle: Callable[[Header, bytes], tuple[Header, bytes]]) -> None:
    """The life of a worker: answers calls until its input ends. What `handle` raises fails that call only.

    What the library prints goes to the log, since standard output carries the answers.
    """
    source: BinaryIO = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while len(lengths := source.read(LENGTHS.size)) == LENGTHS.size:
        header_bytes, payload_bytes = LENGTHS.unpack(lengths)
        header, payload = json.loads(source.read(header_bytes)), source.read(payload_bytes)
        try:
            answer = ({}, b"") if header.get("ready") else handle(header, payload)
        except Exception as error:
            # The type alone: a message may quote what was said.
            answer = ({"failed": type(error).__name__}, b"")
        answers.write(frame(*answer))
        answers.flush()
