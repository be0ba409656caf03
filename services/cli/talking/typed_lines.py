"""Lines as they are typed, beside everything else that happens; a line that is never finished holds nothing up."""

import asyncio
import os
import threading
from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator

PIECE_BYTES = 4096
MAX_WAITING_PIECES = 16


async def typed_lines(descriptor: int = 0) -> AsyncGenerator[str]:
    """The lines of standard input, without their ends, until it ends.

    Read by a thread of its own that nobody waits for: a terminal made non-blocking would stay so for the shell, and
    an executor's thread would have to be waited for.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(MAX_WAITING_PIECES)

    def read() -> None:
        piece = b"-"
        while piece:
            room.acquire()
            try:
                piece = os.read(descriptor, PIECE_BYTES)
            except OSError:  # the terminal is gone
                piece = b""
            try:
                loop.call_soon_threadsafe(waiting.put_nowait, piece)
            except RuntimeError:  # the loop is gone
                return

    threading.Thread(target=read, daemon=True, name="typed-lines").start()
    decoder = getincrementaldecoder("utf-8")(errors="replace")
    unfinished = ""
    while piece := await waiting.get():
        room.release()
        *lines, unfinished = (unfinished + decoder.decode(piece)).split("\n")
        for line in lines:
            yield line.rstrip("\r")
    if unfinished:
        yield unfinished
