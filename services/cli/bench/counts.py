"""Options like `--callers 1,4,16`: how many of something at a time, each measured in turn."""

from services.kit.errors import InvalidInput

MOST = 1024


def counts(option: str, text: str, most: int = MOST) -> list[int]:
    """Raises InvalidInput for anything but whole numbers of 1 to `most`, separated by commas."""
    try:
        wanted = [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"{option} is a list of numbers like 1,16, not {text!r}") from None
    if not all(0 < count <= most for count in wanted):
        raise InvalidInput(f"{option}: each is 1 to {most}")
    return wanted
