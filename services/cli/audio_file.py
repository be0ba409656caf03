"""An audio file as somebody names it, or standard input: read whole, and no more of it than can be sent."""

import sys
from pathlib import Path

from services.kit.errors import InvalidInput

MAX_AUDIO_BYTES = 64 * 2**20
"""What travels in one message."""
STANDARD_STREAM = Path("-")
"""As commands are told of it."""


def audio_bytes(file: Path, too_large: str) -> bytes:
    """The bytes of a file of audio; `-` is standard input.

    Args:
        too_large: what to do about a file that has more than MAX_AUDIO_BYTES.

    Raises:
        InvalidInput: names the file, and what is wrong with it.
    """
    try:
        if file == STANDARD_STREAM:
            audio = sys.stdin.buffer.read(MAX_AUDIO_BYTES + 1)
        else:
            with file.open("rb") as opened:
                audio = opened.read(MAX_AUDIO_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror or error}") from error
    if not audio:
        raise InvalidInput(f"{name_of(file)} is empty: there is no audio in it")
    if len(audio) > MAX_AUDIO_BYTES:
        raise InvalidInput(f"{name_of(file)} has more than {MAX_AUDIO_BYTES // 2**20} MiB: {too_large}")
    return audio


def name_of(file: Path) -> str:
    """What a file is called in a sentence."""
    return "standard input" if file == STANDARD_STREAM else str(file)
