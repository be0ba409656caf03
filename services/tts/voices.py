"""Finds the voice that a request means."""

from collections.abc import Iterable, Sequence

from services.kit.errors import InvalidInput, NotFound
from services.tts.engine import Voice

MAX_NAME_CHARACTERS = 64
"""Of a name, in an error."""
NAMED_AT_MOST = 20


def speaks(voice: Voice, language: str) -> bool:
    """Whether a voice speaks a language: "en" is any English, "en-GB" is just that."""
    own, asked = voice.language.lower(), language.replace("_", "-").lower()
    return own == asked or own.startswith(f"{asked}-")


class Voices:
    """The voices of an engine, of which the first of a language is its default."""

    def __init__(self, voices: Sequence[Voice], default_language: str) -> None:
        self.all = tuple(voices)
        self._by_id = {voice.id: voice for voice in voices}
        self._default_language = default_language

    def of(self, language: str) -> list[Voice]:
        """Those of a language; all for an empty one."""
        return [voice for voice in self.all if not language or speaks(voice, language)]

    def is_default(self, voice: Voice) -> bool:
        return next(other for other in self.all if other.language == voice.language) is voice

    def pick(self, voice_id: str, language: str) -> Voice:
        """Raises NotFound for an unknown voice or language, InvalidInput for a voice of another language."""
        if voice_id:
            voice = self._by_id.get(voice_id)
            if voice is None:
                known = _some(self._by_id)
                raise NotFound(f"no voice {voice_id[:MAX_NAME_CHARACTERS]!r} here; there are {known}")
            if language and not speaks(voice, language):
                raise InvalidInput(
                    f"the voice {voice_id!r} speaks {voice.language}, not {language[:MAX_NAME_CHARACTERS]!r}"
                )
            return voice
        # Rather the voice of a neighbouring country than none.
        for wanted in (language or self._default_language, (language or self._default_language)[:2]):
            if of_language := self.of(wanted):
                return of_language[0]
        known = _some({voice.language for voice in self.all})
        raise NotFound(
            f"no voice speaks {(language or self._default_language)[:MAX_NAME_CHARACTERS]!r}; there is {known}"
        )


def _some(names: Iterable[str]) -> str:
    """An error has no room for the hundreds of speakers that a model may have."""
    known = sorted(names)
    more = f" and {len(known) - NAMED_AT_MOST} more" if len(known) > NAMED_AT_MOST else ""
    return ", ".join(known[:NAMED_AT_MOST]) + more
