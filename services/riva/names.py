"""Which of Ledge's models and voices a client means by Riva's names."""

import logging
from collections.abc import Collection, Sequence
from typing import Any

from ledge.tts.v1 import tts_pb2

from services.kit.errors import NotFound

log = logging.getLogger("ledge.riva")
MAX_NAME_CHARACTERS = 96
"""Of a name, in an error or a warning."""
GENDERS = {"female": tts_pb2.Voice.FEMALE, "male": tts_pb2.Voice.MALE}
"""As they stand in the names of NVIDIA's voices, the longer word first."""


class Warnings:
    """What a call did otherwise than it was asked to; sent before the first answer as metadata `ledge-warning`."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._told: list[str] = []
        self._sent = False

    def add(self, warning: str) -> None:
        if warning not in self._told:
            self._told.append(warning)

    async def send(self) -> None:
        """To be called before an answer; what is added later is not told."""
        if self._told and not self._sent:
            text = "; ".join(self._told).encode("ascii", "backslashreplace").decode()
            self._sent = True
            await self._context.send_initial_metadata((("ledge-warning", text),))
        self._sent = True


class Names:
    """Finds what is meant: a name that is served, an alias, or (unless strict) what the service chooses."""

    def __init__(self, models: dict[str, str], voices: dict[str, str], strict: bool) -> None:
        self._models = models
        self._voices = voices
        self._strict = strict

    def model(self, asked: str, served: Collection[str], warnings: Warnings) -> str:
        """A model's id; empty where the service chooses."""
        name = self._models.get(asked.lower(), asked)
        if not name:
            return ""
        for model in served:
            if model.lower() == name.lower():
                return model
        return self._unknown("model", asked, sorted(served), "", warnings)

    def voice(
        self, asked: str, language: str, listed: tts_pb2.ListVoicesResponse, warnings: Warnings
    ) -> tuple[str, str]:
        """A voice's id, empty where the service chooses, and the language to ask it for.

        `model.voice` is how Riva's clients write one. A voice that is named speaks its own language: clients have a
        language for a default.
        """
        name = self._voices.get(asked.lower(), asked)
        if not name:
            return "", language
        models = {model.id.lower() for model in listed.models}
        model, _, subvoice = name.lower().rpartition(".")
        for voice in listed.voices:
            if voice.id.lower() in (name.lower(), subvoice if model in models else ""):
                if self._strict or _speaks(voice, language):
                    return voice.id, language
                warnings.add(f"the voice {voice.id!r} speaks {voice.language}")
                return voice.id, voice.language
        ids = [voice.id for voice in listed.voices]
        return self._unknown("voice", asked, ids, _of_gender(name, language, listed.voices), warnings), language

    def _unknown(self, kind: str, asked: str, served: Sequence[str], instead: str, warnings: Warnings) -> str:
        told = asked[:MAX_NAME_CHARACTERS]
        if self._strict:
            raise NotFound(f"no {kind} {told!r} here; there is {', '.join(served) or 'none'}")
        log.info("a name that is not served", extra={"kind": kind, "asked": told})
        warnings.add(f"no {kind} {told!r} here; {instead or 'the default'} is taken")
        return instead


def _of_gender(name: str, language: str, voices: Sequence[tts_pb2.Voice]) -> str:
    """The first voice of the language that has the gender in a name such as `English-US.Female-1`."""
    for word, gender in GENDERS.items():
        if word in name.lower():
            fitting = (voice.id for voice in voices if voice.gender == gender and _speaks(voice, language))
            return next(fitting, "")
    return ""


def _speaks(voice: tts_pb2.Voice, language: str) -> bool:
    return not language or voice.language.lower().startswith(language.lower())
