"""Reads a whole file of bounded size, or says in one sentence why it cannot."""

from pathlib import Path

from services.kit.errors import InvalidInput, NotFound


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Raises NotFound where there is no such file, and InvalidInput where it cannot be read or is larger than that."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise InvalidInput(f"{path} is larger than {max_bytes} bytes")
    return content
