"""Refuses zip bombs: looks into a package's directory before anything in it is unpacked."""

import io
import zipfile

from services.kit.errors import InvalidInput

MAX_ENTRIES = 10_000
MAX_UNPACKED_BYTES = 256 * 2**20
MAX_RATIO = 200
"""Unpacked to packed size of one entry. Word's XML comes to 30."""
_SMALL_BYTES = 2**20


def check_package(content: bytes) -> None:
    """Checks sizes as the directory states them; `zipfile` never unpacks more than that.

    Raises:
        InvalidInput: it is damaged, protected, or unfolds to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            entries = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise InvalidInput("the file is damaged: its directory cannot be read") from None
    if any(entry.flag_bits & 1 for entry in entries):
        raise InvalidInput("the document is protected by a password")
    if len(entries) > MAX_ENTRIES:
        raise InvalidInput(f"it holds more than {MAX_ENTRIES} parts")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise InvalidInput(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    for entry in entries:
        if entry.file_size > _SMALL_BYTES and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise InvalidInput(f"a part of it unpacks to more than {MAX_RATIO} times its size: a zip bomb?")
