"""What begins a list item on a printed page."""

import re

BULLETS = "•‣◦▪▫■□●○–—-*·►▶➢✓✔\uf0b7\uf0a7"

_MARKER = re.compile(rf"(?:[{re.escape(BULLETS)}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivx]{{1,5}})[.)])")


def is_marker(text: str) -> bool:
    return _MARKER.fullmatch(text) is not None


def marker_of(first_word: str) -> str:
    """The marker as it is written in text: `-` for a bullet, else as it stands; empty: none."""
    if not is_marker(first_word):
        return ""
    return "-" if first_word in BULLETS else first_word
