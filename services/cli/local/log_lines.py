"""What services write to their logs, read back for people: JSON lines, and whatever a library wrote between them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TAIL_BYTES = 256 * 1024


@dataclass(frozen=True)
class LogLine:
    """One line; a library's own line is all event."""

    text: str
    time: str = ""
    level: str = ""
    event: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    def readable(self) -> str:
        """For human eyes: time, level, event, then the rest as key=value."""
        if not self.time:
            return self.text
        clock = self.time.partition("T")[2].rstrip("Z")
        rest = " ".join(f"{key}={value}" for key, value in self.fields.items() if key not in ("stack", "service"))
        return f"{clock} {self.level:7} {self.event} {rest}".rstrip()


def parse(text: str) -> LogLine:
    text = text.rstrip("\n")
    try:
        entry = json.loads(text)
        time, level, event = entry.pop("time"), entry.pop("level"), entry.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return LogLine(text, event=text)
    return LogLine(text, str(time), str(level), str(event), entry)


def tail(path: Path, since_bytes: int = 0) -> list[LogLine]:
    """The last lines of a log, oldest first; empty where there is none.

    Args:
        since_bytes: what lies before this place in the file is left out.
    """
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            # A file shorter than that was rotated.
            begin = max(size - TAIL_BYTES, since_bytes if since_bytes <= size else 0, 0)
            log.seek(begin)
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    # The first one is cut where the tail begins inside a line.
    cut = begin not in (0, since_bytes)
    return [parse(line) for line in (lines[1:] if cut else lines)]


def last_error(path: Path, since_bytes: int = 0) -> LogLine | None:
    """The last line that tells of an error; a bad configuration is told in plain text."""
    for line in reversed(tail(path, since_bytes)):
        if line.level in ("error", "critical") or line.event.startswith("bad configuration:"):
            return line
    return None


def last_words(path: Path, since_bytes: int = 0) -> str:
    """Why a service ended, as far as its log tells: its last error, else its last line."""
    error = last_error(path, since_bytes)
    if error is not None:
        exception = error.fields.get("exception")
        return f"{error.event} ({exception})" if exception else error.event
    events = [line.event.strip() for line in tail(path, since_bytes) if line.event.strip()]
    return events[-1] if events else "it left no word in its log"
