"""Speaks one answer: text goes in as it is written, audio and the times of its words come out.

Where `tts` fails the text goes on without sound, and `failed` says so.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

import grpc
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2

from services.kit.errors import LedgeError
from services.kit.relay import relay
from services.voice.faults import known_error
from services.voice.peers import Peers
from services.voice.speaking.player import Player
from services.voice.speaking.spoken_words import SpokenWords

log = logging.getLogger("ledge.voice")
MAX_PIECE_CHARACTERS = 4000
MOST_UNSPOKEN_CHARACTERS = 1000
"""No clause is so long: whoever has got so much owes speech, though more text may come."""
_END = None


class Speaking:
    """Used by the task of one response. `aclose` ends it."""

    def __init__(
        self,
        peers: Peers,
        speech: tts_pb2.Speech,
        player: Player,
        spoken: SpokenWords,
        patience_s: float,
        *,
        by_clause: bool,
    ) -> None:
        self._peers = peers
        self._speech = speech
        self._player = player
        self._spoken = spoken
        self._patience_s = patience_s
        self._by_clause = by_clause
        self._unspoken_characters = 0
        self._is_finished = False
        self._overdue: asyncio.Timeout | None = None
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        """Bounded by the length of an answer."""
        self._task = asyncio.create_task(self._speak())
        self.failed = False

    def say(self, text: str) -> None:
        """More of the answer, cut anywhere."""
        for start in range(0, len(text), MAX_PIECE_CHARACTERS):
            self._texts.put_nowait(text[start : start + MAX_PIECE_CHARACTERS])

    async def finish(self) -> None:
        """That was all; waits until all of it has its audio."""
        self._texts.put_nowait(_END)
        await self._task
        self._spoken.is_whole = not self.failed

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _speak(self) -> None:
        try:
            if self._by_clause:
                await self._by_clauses()
            else:
                await self._at_once()
        except (grpc.aio.AioRpcError, LedgeError, TimeoutError) as error:
            self.failed = True
            log.warning("an answer cannot be spoken", extra={"code": known_error(error).reason})

    async def _by_clauses(self) -> None:
        call = self._peers.tts_streams.SynthesizeStream()
        async with contextlib.aclosing(relay(call, self._messages())) as answers:
            while (answer := await self._next(answers)) is not None:
                for word in answer.words:
                    self._spoken.add_word(word.text, word.start_ms)
                if answer.audio:
                    await self._add(answer.audio)

    async def _next(
        self, answers: AsyncGenerator[tts_pb2.SynthesizeStreamResponse]
    ) -> tts_pb2.SynthesizeStreamResponse | None:
        """Raises TimeoutError where speech is owed for too long; what the player does not take yet is not owed."""
        try:
            async with asyncio.timeout(self._patience_s if self._owes_speech else None) as self._overdue:
                answer = await anext(answers, None)
        finally:
            self._overdue = None
        self._unspoken_characters = 0
        return answer

    @property
    def _owes_speech(self) -> bool:
        return self._is_finished or self._unspoken_characters > MOST_UNSPOKEN_CHARACTERS

    def _watch(self) -> None:
        if self._owes_speech and self._overdue is not None and self._overdue.when() is None:
            self._overdue.reschedule(asyncio.get_running_loop().time() + self._patience_s)

    async def _at_once(self) -> None:
        text = ""
        while (piece := await self._texts.get()) is not _END:
            text += piece
        if not text.strip():
            return
        request = tts_pb2.SynthesizeRequest(speech=self._speech, input=tts_pb2.Input(text=text))
        async with asyncio.timeout(self._patience_s):
            answer = await self._peers.tts.Synthesize(request)
        for word in answer.words:
            self._spoken.add_word(word.text, word.start_ms)
        await self._add(answer.audio)

    async def _add(self, audio: bytes) -> None:
        self._spoken.length_ms += round(len(audio) / pcm_bytes_per_ms(self._speech))
        await self._player.add(audio)

    async def _messages(self) -> AsyncGenerator[tts_pb2.SynthesizeStreamRequest]:
        yield tts_pb2.SynthesizeStreamRequest(config=self._speech)
        while (text := await self._texts.get()) is not _END:
            self._unspoken_characters += len(text)
            self._watch()
            yield tts_pb2.SynthesizeStreamRequest(text=text)
        self._is_finished = True
        self._watch()


def sample_bytes(speech: tts_pb2.Speech) -> int:
    return 2 if speech.encoding == audio_pb2.PCM_S16LE else 1


def pcm_bytes_per_ms(speech: tts_pb2.Speech) -> float:
    return sample_bytes(speech) * speech.sample_rate_hz / 1000
