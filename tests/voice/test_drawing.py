"""The page about voice draws the machine as the machine does."""

import inspect
from pathlib import Path

from services.voice.turns import machine

PAGE = Path(__file__).parent.parent.parent / "docs" / "voice.md"


def test_the_page_holds_the_drawing_of_the_machine() -> None:
    lines = inspect.getsource(machine).splitlines()
    begin = next(number for number, line in enumerate(lines) if "pause (soft end)" in line)
    end = next(number for number, line in enumerate(lines) if line.strip().startswith("CLOSING"))
    assert end - begin > 8
    assert "\n".join(lines[begin : end + 1]) in PAGE.read_text()
