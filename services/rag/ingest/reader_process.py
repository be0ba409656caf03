"""A process that reads documents, so that one that crashes, hangs or eats memory takes nothing else down.

`python -m services.rag.ingest.reader_process MEMORY_BYTES MAX_CHARACTERS LANGUAGE`; started and ended by `readers.py`.

    parent ──► {"name", "media_type"}   bytes   bytes   …   (empty)
    child  ──► {"media_type"}   {"chunks", "pages"}   …   {"end": true, "pages"}   or   {"rejected": why}
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from services.kit.errors import InvalidInput
from services.rag.document import Block
from services.rag.ingest.chunking import chunks
from services.rag.ingest.frames import LENGTH, chunk_to_json, frame_of
from services.rag.ingest.parsers import read
from services.rag.ingest.parsers.media_type import recognise

CHUNKS_IN_FRAME = 16
CHARACTERS_A_PAGE = 3000
_PR_SET_PDEATHSIG = 1
_NICENESS = 5


def main() -> None:
    memory_bytes, max_characters, language = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    _confine(memory_bytes)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):
        sink.write(frame_of({"ready": True}))
        sink.flush()
        while True:
            _serve(source, sink, max_characters, language)


def _confine(memory_bytes: int) -> None:
    """No more memory than agreed, no files written, no core dumps; ends with its parent; gives way to questions."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(_NICENESS)


def _serve(source: BinaryIO, sink: BinaryIO, max_characters: int, language: str) -> None:
    start = json.loads(_read_frame(source))
    content = bytearray()
    while part := _read_frame(source):
        content += part
    try:
        for message in _read(bytes(content), start, max_characters, language):
            sink.write(frame_of(message))
            sink.flush()
    except InvalidInput as error:
        sink.write(frame_of({"rejected": error.message}))
    except MemoryError:
        sink.write(frame_of({"rejected": "reading it needs more memory than a document may take"}))
    except RecursionError:
        sink.write(frame_of({"rejected": "it is nested too deeply"}))
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
        sink.write(frame_of({"failed": type(error).__name__, "where": where}))
    sink.flush()


def _read(content: bytes, start: dict[str, Any], max_characters: int, language: str) -> Iterator[dict[str, Any]]:
    media_type = recognise(content, start["name"], start["media_type"])
    yield {"media_type": media_type}
    reading = read(content, media_type)
    progress = _Progress(max_characters)
    batch = []
    count = 0
    for chunk in chunks(progress.counted(reading.blocks), language):
        batch.append(chunk_to_json(chunk))
        count += 1
        if len(batch) == CHUNKS_IN_FRAME:
            yield {"chunks": batch, "pages": progress.pages}
            batch = []
    if not count:
        raise InvalidInput("there is no text in it; if it is a scan, recognise its text (OCR) first")
    yield {"chunks": batch, "pages": progress.pages}
    yield {"end": True, "pages": progress.pages if reading.pages is None else reading.pages}


class _Progress:
    """Counts what has been read, and ends a document that unfolds to too much."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._characters = 0
        self._page = 0

    @property
    def pages(self) -> int:
        return self._page or -(-self._characters // CHARACTERS_A_PAGE)

    def counted(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            self._characters += len(block.text)
            self._page = max(self._page, block.page or 0)
            if self._characters > self._max_characters:
                raise InvalidInput(f"it holds more than {self._max_characters} characters of text")
            yield block


def _read_frame(source: BinaryIO) -> bytes:
    """Raises EOFError when the parent is gone."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    body = source.read(length)
    if len(body) < length:
        raise EOFError
    return body


if __name__ == "__main__":
    main()
