"""The pool of reader processes: a document goes in as a file, its chunks come out as they are read.

A process that dies, hangs, or is left in mid-document is killed and replaced; the document is rejected.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, BinaryIO

from services.kit.errors import EngineFailed, InvalidInput
from services.rag.document import Chunk
from services.rag.ingest.frames import CONTENT_BYTES, LENGTH, MAX_FRAME_BYTES, chunk_from_json, frame, frame_of

log = logging.getLogger("ledge.rag")
START_TIMEOUT_S = 60.0
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "TMPDIR", "HOME")
"""Passed on. Keys and addresses stay out of a process that reads strangers' files."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a reader hands over at a time."""

    chunks: tuple[Chunk, ...]
    pages: int
    """Pages read so far."""
    media_type: str


class Readers:
    """A bounded pool; share one among all ingests of an event loop. Documents wait for a free process.

    Args:
        count: processes at a time.
        memory_bytes: address space of each.
        max_characters: most text that a document may unfold to.
        timeout_s: longest silence of a process at work.
        language: ISO 639 code; whose rules cut sentences.
    """

    def __init__(self, count: int, memory_bytes: int, max_characters: int, timeout_s: float, language: str) -> None:
        self._arguments = (str(memory_bytes), str(max_characters), language)
        self._timeout_s = timeout_s
        self._idle: asyncio.Queue[asyncio.subprocess.Process | None] = asyncio.Queue()
        self._running: set[asyncio.subprocess.Process] = set()
        for _ in range(count):
            self._idle.put_nowait(None)

    async def prime(self) -> None:
        """Starts one process, so that the first document finds it ready."""
        process = await self._idle.get()
        self._idle.put_nowait(process or await self._start())

    async def read(self, file: BinaryIO, name: str, media_type: str) -> AsyncGenerator[Part]:
        """The chunks of a document, in order; the last part may be empty and tells all pages.

        Raises:
            InvalidInput: it cannot be read; says why.
        """
        process = await self._idle.get()
        finished = False
        try:
            if process is None or process.returncode is not None:
                process = None
                process = await self._start()
            async with contextlib.aclosing(self._converse(process, file, name, media_type)) as parts:
                async for part in parts:
                    yield part
            finished = True
        except InvalidInput as error:
            finished = not isinstance(error, _Lost)
            raise
        finally:
            if not finished and process is not None:
                self._kill(process)
                process = None
            self._idle.put_nowait(process)

    async def _converse(
        self, process: asyncio.subprocess.Process, file: BinaryIO, name: str, media_type: str
    ) -> AsyncGenerator[Part]:
        sending = asyncio.create_task(self._send(process, file, name, media_type))
        try:
            while True:
                message = await _receive(process, self._timeout_s)
                if "rejected" in message:
                    raise InvalidInput(str(message["rejected"]))
                if "failed" in message:
                    log.error("reader failed", extra={"exception": message["failed"], "where": message.get("where")})
                    raise InvalidInput("it cannot be read; it may be damaged")
                media_type = str(message.get("media_type", media_type))
                yield Part(
                    tuple(map(chunk_from_json, message.get("chunks", ()))), int(message.get("pages", 0)), media_type
                )
                if "end" in message:
                    return
        except (ValueError, TypeError, KeyError) as error:
            raise _Lost("it cannot be read; it may be damaged") from error
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, process: asyncio.subprocess.Process, file: BinaryIO, name: str, media_type: str) -> None:
        if process.stdin is None:
            raise EngineFailed("a reader process has no input")
        process.stdin.write(frame_of({"name": name, "media_type": media_type}))
        file.seek(0)
        with contextlib.suppress(ConnectionError):  # it died: the receiving side tells
            while part := file.read(CONTENT_BYTES):
                process.stdin.write(frame(part))
                await process.stdin.drain()
            process.stdin.write(frame(b""))
            await process.stdin.drain()

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.rag.ingest.reader_process",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
        )
        self._running.add(process)
        try:
            await _receive(process, START_TIMEOUT_S)
        except _Lost:
            self._kill(process)
            raise EngineFailed(
                "the process that reads documents does not start; LEDGE_PARSER_MEMORY_BYTES too small?"
            ) from None
        except BaseException:
            self._kill(process)
            raise
        return process

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self._running.discard(process)

    async def close(self) -> None:
        for process in list(self._running):
            self._kill(process)
            await process.wait()


class _Lost(InvalidInput):
    """The process is of no more use."""


async def _receive(process: asyncio.subprocess.Process, timeout_s: float) -> dict[str, Any]:
    """The next message. Raises _Lost when there is none, and ValueError for what is no message."""
    if process.stdout is None:
        raise EngineFailed("a reader process has no output")
    try:
        async with asyncio.timeout(timeout_s):
            (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
            if length > MAX_FRAME_BYTES:
                raise ValueError("a frame is too long")
            message: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
            return message
    except TimeoutError:
        raise _Lost(f"reading it took more than {timeout_s:g} s without coming further") from None
    except asyncio.IncompleteReadError:
        raise _Lost("the process that read it ended: it is damaged, or needs too much memory") from None
