"""Writes that survive a power cut, and one sentence that says what to do when the disk will not take them."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kit.errors import EngineFailed

MOVE_STORE = "set LEDGE_MODELS_DIR to a larger disk"
"""What helps where the store is written to."""


def check_free_space(folder: Path, needed_bytes: int, purpose: str, otherwise: str = MOVE_STORE) -> None:
    """Raises EngineFailed before anything is written that could not be finished.

    Args:
        otherwise: what helps besides making room.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise EngineFailed(
            f"{purpose} needs {readable(needed_bytes)} in {folder} and {readable(free_bytes)} are free: "
            f"free {readable(needed_bytes - free_bytes)}, or {otherwise}"
        )


@contextmanager
def writing_to(folder: Path, otherwise: str = MOVE_STORE) -> Iterator[None]:
    """Turns what the file system refuses into EngineFailed with the remedy.

    Args:
        otherwise: what helps besides making room, or correcting rights.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EngineFailed(
                f"the disk of {folder} is full: free some space, or {otherwise}, "
                "and run the same command again: it goes on where it stopped"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EngineFailed(
                f"{error.filename or folder} cannot be written ({error.strerror}): "
                f"correct its owner or mode, or {otherwise}"
            ) from None
        raise EngineFailed(f"{error.filename or folder}: {error.strerror or error}") from None


def replace_durably(temporary: Path, final: Path) -> None:
    """After a power cut `final` is the old file or the new one, never a part of either."""
    flush(temporary)
    temporary.replace(final)
    flush(final.parent)


def flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def readable(size_bytes: int) -> str:
    """1 234 567 → "1.2 MB"; powers of ten, as disks and downloads are counted."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
