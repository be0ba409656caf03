"""A deterministic engine without weights: it hears a numeral in every half second of an utterance.

Where hotwords are given it hears those, one after the other, so that a test decides what is said. Where no language is
named it takes for Spanish what has a letter that English lacks.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Model, Options, Samples, Utterance, Word

NUMERALS = {
    "en": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "es": ("uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez"),
}
WORD_S = 0.5


class Scripted:
    """Any number of utterances at a time; English and Spanish."""

    model = Model(
        id="scripted",
        engine="scripted",
        languages=("en-US", "es-ES"),
        detects_language=True,
        hotwords=True,
        translates=True,
    )

    def __init__(self, delay_ms: float = 0.0) -> None:
        self._delay_s = delay_ms / 1000

    def session(self, options: Options, *, live: bool) -> "_Session":
        detected = "en-US" if "".join(options.hotwords).isascii() else "es-ES"
        language = options.language or detected
        return _Session(language, tuple(options.hotwords) or NUMERALS[language[:2]], self._delay_s)

    async def close(self) -> None:
        """Holds nothing."""


class _Session:
    def __init__(self, language: str, said: Sequence[str], delay_s: float) -> None:
        self._language = language
        self._said = said
        self._delay_s = delay_s

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Utterance]:
        yield _Counted(self._language, self._said, self._delay_s)


class _Counted:
    def __init__(self, language: str, said: Sequence[str], delay_s: float) -> None:
        self._language = language
        self._said = said
        self._delay_s = delay_s
        self._heard_samples = 0

    async def feed(self, samples: Samples) -> None:
        self._heard_samples += len(samples)

    async def partial(self) -> str | None:
        return " ".join(word.text for word in self._words())

    def pause(self) -> None:
        """Needs no early start."""

    def resume(self) -> None:
        """Nothing was begun."""

    async def finish(self) -> Hypothesis:
        words = self._words()
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        return Hypothesis(" ".join(word.text for word in words), self._language, words, confidence=1.0)

    def _words(self) -> list[Word]:
        count = int(self._heard_samples / SAMPLE_RATE_HZ / WORD_S)
        return [
            Word(self._said[number % len(self._said)], number * WORD_S, (number + 1) * WORD_S, 1.0)
            for number in range(count)
        ]
