"""One conversation: reads what the client sends, hears, and tells what happens, until the stream ends.

requests ──► Session ──audio──► Hearing ──► asr
                │                  │ what was said
                └──events──► Floor ◄┘──► machine ──► replies ──► rag, llm, translation, tts
responses ◄── Outbox ◄─────────┘
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import InvalidInput
from services.voice.answering.answers import Answers
from services.voice.config import VoiceConfig
from services.voice.conversation import Conversation
from services.voice.conversing.client_events import ClientEvents
from services.voice.conversing.floor import Floor
from services.voice.conversing.outbox import Outbox
from services.voice.conversing.output_items import new_id
from services.voice.conversing.settings import first_settings, rules_of
from services.voice.conversing.surroundings import Surroundings
from services.voice.faults import Fault, told
from services.voice.hearing import ears as sounds
from services.voice.hearing.ears import Hearing, Sound
from services.voice.hearing.words import finished, worth
from services.voice.peers import Peers
from services.voice.turns import inputs as on
from services.voice.turns.inputs import Words

log = logging.getLogger("ledge.voice")
MAX_EVENT_ID_CHARACTERS = 512


class Session:
    """Used once. Closing `responses` frees everything, also in the services below."""

    def __init__(self, peers: Peers, config: VoiceConfig) -> None:
        self._peers = peers
        self._config = config

    async def responses(self, requests: AsyncIterator[pb.ConverseRequest]) -> AsyncGenerator[pb.ConverseResponse]:
        """Everything that is told, in order.

        Raises:
            LedgeError: the session cannot begin, or cannot go on.
        """
        first = await anext(requests, None)
        if first is None or first.WhichOneof("event") != "session":
            raise InvalidInput("a stream begins with its session")
        answers = Answers(self._peers, self._config)
        settings = first_settings(first.session, self._config)
        await answers.check_model(settings.model)
        await answers.check_hotwords(settings)
        await answers.check_voice(settings)
        outbox = Outbox(self._config.client_timeout_s, _cancelling(asyncio.current_task()))
        conversation = Conversation(self._config.max_items, self._config.max_conversation_characters)
        around = Surroundings(
            peers=self._peers,
            outbox=outbox,
            conversation=conversation,
            answerer=answers.answer,
            document_language=self._config.document_language,
            speech_timeout_s=self._config.speech_timeout_s,
            ahead_ms=self._config.ahead_ms,
            by_clause=self._config.clause_streaming,
        )
        self._floor = Floor(around, settings, rules_of(settings, self._config), time.monotonic)
        self._outbox = outbox
        self._hearing = Hearing(
            self._peers, settings, self._config.soft_end_ms, self._config.hearing_timeout_s, self._sounds
        )
        self._floor.turns.measures_audio(lambda: self._hearing.fed_ms)
        self._events = ClientEvents(self._floor, self._hearing, around, answers, self._config)
        state = pb.SessionState(id=new_id("sess"), session=settings)
        await outbox.put(pb.ConverseResponse(session_created=state))
        self._events.session_id = state.id
        reading = asyncio.create_task(self._read(requests))
        try:
            async with asyncio.timeout(self._config.session_timeout_s), contextlib.aclosing(outbox.events()) as events:
                async for event in events:
                    yield event
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await self._floor.aclose()
            await self._events.aclose()
            await self._hearing.aclose()

    async def _read(self, requests: AsyncIterator[pb.ConverseRequest]) -> None:
        try:
            async for request in requests:
                try:
                    if len(request.event_id) > MAX_EVENT_ID_CHARACTERS:
                        raise Fault("invalid_value", f"event_id has more than {MAX_EVENT_ID_CHARACTERS} characters")
                    await self._events.take(request)
                except Fault as fault:
                    error = told(fault, request.event_id[:MAX_EVENT_ID_CHARACTERS])
                    await self._outbox.put(pb.ConverseResponse(error=error))
            await self._floor.says(on.InputEnded())
            self._events.hurry()
            await self._hearing.finish()
        except Exception as error:
            self._outbox.close(error)

    async def _sounds(self, sound: Sound) -> None:
        """What is heard, one sound after the other."""
        floor = self._floor
        async with floor.lock:
            match sound:
                case sounds.Began(offset_ms):
                    await floor.happens(on.SpeechBegan(offset_ms))
                case sounds.GoesOn(until_ms):
                    await floor.happens(on.SpeechGoesOn(until_ms))
                case sounds.Partly():
                    await self._partly(sound)
                case sounds.Paused(offset_ms, silent_ms):
                    floor.noted(speech_ended_s=time.monotonic() - silent_ms / 1000)
                    await floor.happens(on.SpeechPaused(offset_ms, silent_ms))
                case sounds.Uttered(text, language):
                    floor.noted(transcript_s=time.monotonic(), language=language)
                    words = worth(text, language, floor.recently_spoken())
                    changes = floor.was_begun_in_another(language)
                    await floor.happens(on.Heard(text, words, finished(text, language), changes))
                case sounds.WhollyHeard():
                    await floor.happens(on.TurnHeard())
                case sounds.Deaf(error):
                    await self._deaf(error)
                case sounds.Finished():
                    await floor.happens(on.AllHeard())

    async def _partly(self, partial: sounds.Partly) -> None:
        floor = self._floor
        language, spoken = floor.settings.language, floor.recently_spoken()
        # The first words of a partial result are often others a moment later; a nod is told by them all the same.
        words = worth(partial.text[: partial.stable_characters], language, spoken)
        if words is Words.NONE:
            words = worth(partial.text, language, spoken)
            words = Words.NONE if words in (Words.SPEECH, Words.WORD) else words
        await floor.happens(on.PartlyHeard(words, partial.text, finished(partial.text, language)))
        turn = floor.machine.turn
        if turn is None or turn.is_pending or not floor.settings.transcription.partials:
            return
        before = f"{turn.text} " if turn.texts else ""
        told_so_far = pb.TranscriptPartial(
            item_id=floor.turn_item(),
            text=before + partial.text,
            stable_characters=len(before) + partial.stable_characters,
        )
        await self._outbox.put(pb.ConverseResponse(transcript_partial=told_so_far))

    async def _deaf(self, error: Exception) -> None:
        """What was being said is lost; the session goes on, and listens again."""
        floor = self._floor
        log.warning("nobody hears the session", extra={"reason": type(error).__name__})
        failure = told(error)
        turn = floor.machine.turn
        if turn is not None and turn.is_ended:
            failed = pb.TranscriptFailed(item_id=floor.turn_item(), content_index=0, error=failure)
            await self._outbox.put(pb.ConverseResponse(transcript_failed=failed))
        await self._outbox.put(pb.ConverseResponse(error=failure))
        await floor.happens(on.TurnLost())
        if floor.machine.is_ending:
            await floor.happens(on.AllHeard())


def _cancelling(task: asyncio.Task[None] | None) -> Callable[[], None]:
    """Ends the call whose message nobody takes: it waits where no exception of ours reaches it."""

    def cancel() -> None:
        if task is not None:
            task.cancel()

    return cancel
