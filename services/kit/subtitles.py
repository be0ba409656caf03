"""Subtitles of what was said, as SubRip and WebVTT: short enough to read, timed by words where words have times."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

MAX_CHARACTERS = 84
"""Two lines of 42, as broadcasters have them."""
MAX_MS = 7000


@dataclass(frozen=True, slots=True)
class Cue:
    """Some words, with when they are said."""

    text: str
    start_ms: int
    end_ms: int


def cues(said: Cue, words: Sequence[Cue]) -> Iterator[Cue]:
    """An utterance in pieces that a reader can follow; whole where its words have no times."""
    piece: list[Cue] = []
    for word in words:
        if piece and not _fits(piece, word):
            yield _joined(piece)
            piece = []
        piece.append(word)
    if piece:
        yield _joined(piece)
    elif said.text:
        yield said


def srt(subtitles: Iterable[Cue]) -> str:
    """SubRip."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_one_line(cue.text)}\n\n"
        for number, cue in enumerate(subtitles, 1)
    )


def vtt(subtitles: Iterable[Cue]) -> str:
    """WebVTT."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escaped(_one_line(cue.text))}\n\n"
        for cue in subtitles
    )


def _fits(piece: Sequence[Cue], word: Cue) -> bool:
    characters = sum(len(one.text) + 1 for one in piece) + len(word.text)
    return characters <= MAX_CHARACTERS and word.end_ms - piece[0].start_ms <= MAX_MS


def _joined(piece: Sequence[Cue]) -> Cue:
    return Cue(" ".join(word.text for word in piece), piece[0].start_ms, piece[-1].end_ms)


def _clock(at_ms: int, point: str) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
