"""Translates what is being said while it is said: one translation at a time, of the latest; none after the end."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
from ledge.asr.v1 import asr_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import TooSlow


class PartialTranslations:
    """Of one stream. `translate` and `tell` are only called between `hear` and `end` of an utterance."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        translate: Callable[[str], Awaitable[str]],
        tell: Callable[[pb.TranslatedSpeech], None],
    ) -> None:
        self._group = group
        self._translate = translate
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._latest: pb.TranslatedSpeech | None = None
        self._stable = ""
        self._text = ""
        self._agreed = 0

    def hear(self, told: pb.TranslatedSpeech, partial: asr_pb2.Partial) -> None:
        """What has been said so far; what waits to be translated is forgotten for it.

        Args:
            told: which utterance this is.
        """
        told.source_text = partial.text
        # How much of the source is stable travels to `_work` in the field that tells it of the translation.
        told.stable_characters = partial.stable_characters
        self._latest = told
        if self._task is None:
            self._task = self._group.create_task(self._work())

    def end(self) -> None:
        """The utterance is over: its final follows, and nothing of it is told any more."""
        if self._task is not None:
            self._task.cancel()
        self._task, self._latest = None, None
        self._stable, self._text, self._agreed = "", "", 0

    async def _work(self) -> None:
        while self._latest is not None:
            told, self._latest = self._latest, None
            stable = told.source_text[: told.stable_characters].strip()
            if stable != self._stable:
                try:
                    text = await self._translate(stable)
                except (grpc.aio.AioRpcError, TooSlow):
                    # The final will fail as well, or do better.
                    break
                self._agreed = agreed_characters(self._text, text)
                self._stable, self._text = stable, text
            told.text, told.stable_characters = self._text, self._agreed
            self._tell(told)
        self._task = None


def agreed_characters(before: str, now: str) -> int:
    """How much of a translation, in whole words, the one before it has too."""
    agreed: list[str] = []
    for one, other in zip(before.split(" "), now.split(" "), strict=False):
        if one != other:
            break
        agreed.append(other)
    return len(" ".join(agreed))
