"""One response, from the question to its last event.

    answerer ──pieces──► Reply ──text──► Speaking ──audio──► Player ──► client
                           └──────────── events ───────────────────────►

A reply that is begun before its turn has ended is held: its events wait here, its audio in the player, until `release`.
`conclude` tells the end, once, whatever it is; nothing is told before `release` or after `conclude`.
"""

import asyncio
import contextlib
import logging

import grpc
from ledge.tts.v1 import tts_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import LedgeError
from services.kit.telemetry import tracer
from services.voice import metrics
from services.voice.answering import pieces
from services.voice.answering.pieces import Question
from services.voice.conversing.output_items import OutputItems
from services.voice.conversing.surroundings import Listeners, Surroundings
from services.voice.conversing.timings import ReplyTimes
from services.voice.faults import told
from services.voice.speaking.player import Player
from services.voice.speaking.spoken_words import SpokenWords
from services.voice.speaking.synthesis import Speaking, pcm_bytes_per_ms, sample_bytes
from services.voice.speaking.voices import speech_of

log = logging.getLogger("ledge.voice")
MAX_ANSWER_CHARACTERS = 100_000


class Reply:
    """Used by its own task and by the one that holds the session's floor."""

    def __init__(
        self,
        around: Surroundings,
        question: Question,
        response: pb.ResponseState,
        times: ReplyTimes,
        listeners: Listeners,
    ) -> None:
        self._around = around
        self._question = question
        self.response = response
        self.times = times
        self._listeners = listeners
        self._held: list[pb.ConverseResponse] | None = []
        self._released = asyncio.Event()
        self._concluded = False
        self.spoken = SpokenWords()
        self._items = OutputItems(response, self._tell)
        self._speech: tts_pb2.Speech | None = None
        self._player: Player | None = None
        self._speaking: Speaking | None = None
        self._hurries = response.out_of_band
        self._degraded: list[str] = []
        self._characters = 0
        self._outcome: tuple[pb.ResponseState.Status, str, pb.Error | None] = (pb.ResponseState.COMPLETED, "", None)
        self._task = asyncio.create_task(self._run())

    @property
    def item_id(self) -> str:
        """Of what is spoken; empty before there is any."""
        return self._items.message_id

    @property
    def language(self) -> str:
        """Of what it answers; empty where that is not known."""
        return self._question.language

    @property
    def heard_ms(self) -> float:
        return self._player.heard_ms() if self._player is not None else 0.0

    @property
    def sounds(self) -> bool:
        """Whether any audio was sent."""
        return self._player is not None and self._player.began

    async def release(self) -> None:
        """Lets the client know of it, and hear it."""
        created = pb.ConverseResponse(response_created=self.response)
        await self._around.outbox.put(created)
        while self._held:
            await self._pass(self._held.pop(0))
        self._held = None
        self._released.set()
        self.start()

    def start(self) -> None:
        """Lets it sound, from where it was heard last."""
        if self._player is not None and self._released.is_set():
            self._player.start()

    def halt(self) -> None:
        if self._player is not None:
            self._player.halt()

    def hurry(self) -> None:
        """Nobody can interrupt any more."""
        self._hurries = True
        if self._player is not None:
            self._player.hurry()

    def report(self, heard_ms: float, ended: bool) -> None:
        if self._player is not None:
            self._player.report(heard_ms, ended)

    async def aclose(self) -> None:
        """Ends all its work."""
        if self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._speaking is not None:
            await self._speaking.aclose()
        if self._player is not None:
            await self._player.aclose()

    async def conclude(self) -> None:
        """Tells how it ended by itself."""
        await self._conclude(*self._outcome)

    async def cut(self, reason: str) -> None:
        """Ends it now; of what was spoken the history keeps what was heard."""
        await self.aclose()
        self._drop_audio()
        await self._conclude(pb.ResponseState.CANCELLED, reason, None)
        await self.truncate()

    async def truncate(self) -> None:
        """The history keeps what was heard."""
        item_id, heard_ms = self.item_id, round(self.heard_ms)
        if self._speech is None or not self._around.conversation.has(item_id):
            return
        if self._around.conversation.truncate(item_id, 0, heard_ms):
            cut = pb.ItemTruncated(item_id=item_id, content_index=0, audio_end_ms=heard_ms)
            await self._around.outbox.put(pb.ConverseResponse(item_truncated=cut))

    def _drop_audio(self) -> None:
        """What waits to be sent would be heard too late."""
        response_id = self.response.id
        self._around.outbox.drop(
            lambda event: event.HasField("audio_delta") and event.audio_delta.response_id == response_id
        )

    async def _run(self) -> None:
        try:
            with tracer().start_as_current_span("voice/response", record_exception=False):
                await self._answer()
        except (grpc.aio.AioRpcError, LedgeError, TimeoutError) as error:
            self._outcome = (pb.ResponseState.FAILED, "", told(error))
        except Exception as error:
            log.error("unexpected error", exc_info=error)
            self._outcome = (pb.ResponseState.FAILED, "", told(error))
        await self._released.wait()
        player = self._player
        plays_on = player is not None and player.began and player.unheard_ms > 0
        await self._listeners.ended(plays_on)
        if plays_on and player is not None:
            await player.played_out()
            await self._listeners.played_out()

    async def _answer(self) -> None:
        async with contextlib.aclosing(self._around.answerer(self._question)) as coming:
            async for piece in coming:
                await self._take(piece)
        if self._speaking is not None and self._player is not None:
            await self._speaking.finish()
            if self._speaking.failed:
                self._degraded.append("tts")
            await self._released.wait()
            await self._player.drain()

    async def _take(self, piece: pieces.Piece) -> None:
        response = self.response
        match piece:
            case pieces.Text(text):
                await self._say(text)
            case pieces.Cited(citation):
                await self._items.open_message()
                cited = pb.Citation(response_id=response.id, item_id=self.item_id, citation=citation)
                await self._tell(pb.ConverseResponse(citation=cited))
            case pieces.Judged(verdict):
                judged = pb.Verdict(response_id=response.id, item_id=self.item_id, verdict=verdict)
                await self._tell(pb.ConverseResponse(verdict=judged))
            case pieces.Stepped(step):
                self.times.steps.append(step)
            case pieces.Retrieved():
                self.times.retrieval_s = self.times.clock()
            case pieces.Calls():
                await self._items.call(piece)
            case pieces.SpokenIn(language, translated_from):
                response.translated_from = translated_from
                await self._prepare(language)
            case pieces.Done():
                await self._items.close_calls()
                response.usage.input_tokens = piece.input_tokens
                response.usage.output_tokens = piece.output_tokens
                response.usage.cached_input_tokens = piece.cached_tokens
                self._degraded += piece.degraded
                if piece.is_cut:
                    self._outcome = (pb.ResponseState.INCOMPLETE, "max_output_tokens", None)

    async def _say(self, text: str) -> None:
        text = text[: MAX_ANSWER_CHARACTERS - self._characters]
        if not text:
            return
        self._characters += len(text)
        if self.times.first_text_s is None:
            self.times.first_text_s = self.times.clock()
        if self._speech is None:
            await self._prepare(self._question.language)
        self.spoken.text += text
        await self._items.add_text(text)
        if self._speaking is not None:
            self._speaking.say(text)

    async def _prepare(self, language: str) -> None:
        """A voice to speak with, where it is to be spoken."""
        if not self.response.speak or self._speech is not None:
            return
        around = self._around
        speech, degraded = await speech_of(around.peers, self._question.settings.speaking, language)
        self._degraded += degraded
        self._speech = speech
        self.response.voice = speech.voice
        ahead_ms = float("inf") if self._hurries else around.ahead_ms
        self._player = Player(
            pcm_bytes_per_ms(speech), sample_bytes(speech), ahead_ms, self._send_audio, self.times.clock
        )
        self._speaking = Speaking(
            around.peers, speech, self._player, self.spoken, around.speech_timeout_s, by_clause=around.by_clause
        )
        self.start()

    async def _send_audio(self, audio: bytes, offset_ms: int) -> None:
        first = self.times.first_audio_s is None
        delta = pb.AudioDelta(
            response_id=self.response.id,
            item_id=self.item_id,
            output_index=self._items.message_index,
            audio=audio,
            offset_ms=offset_ms,
        )
        await self._around.outbox.put(pb.ConverseResponse(audio_delta=delta))
        if first:
            self.times.first_audio_s = self.times.clock()
            await self._around.outbox.put(pb.ConverseResponse(timings=self.times.told(self.response.id)))
            await self._listeners.audio_began()

    async def _tell(self, event: pb.ConverseResponse) -> None:
        if self._held is not None:
            self._held.append(event)
        else:
            await self._pass(event)

    async def _pass(self, event: pb.ConverseResponse) -> None:
        """What is of no conversation is told as output alone."""
        if event.HasField("item_added") or event.HasField("item_done"):
            if self.response.out_of_band:
                return
            if event.HasField("item_added"):
                item = self._items.item(event.item_added.item.id)
                event.item_added.previous_item_id = self._around.conversation.add(item)
                self._around.conversation.keep_spoken(item.id, self.spoken)
            elif self._around.conversation.has(event.item_done.item.id):
                event.item_done.previous_item_id = self._around.conversation.previous(event.item_done.item.id)
        await self._around.outbox.put(event)

    async def _conclude(self, status: "pb.ResponseState.Status", reason: str, error: pb.Error | None) -> None:
        if self._concluded:
            return
        self._concluded = True
        complete = status == pb.ResponseState.COMPLETED
        await self._items.close(complete, has_audio=self._player is not None)
        response, times = self.response, self.times
        times.done_s = times.clock()
        if times.heard is not None:
            response.usage.input_audio_ms = round(times.heard.audio_ms)
        if self._player is not None:
            response.usage.output_audio_ms = round(self._player.made_ms)
        response.status, response.reason = status, reason
        if error is not None:
            response.error.CopyFrom(error)
        response.degraded.extend(dict.fromkeys(self._degraded))
        response.output.extend(self._items.all())
        await self._around.outbox.put(pb.ConverseResponse(timings=times.told(response.id)))
        await self._around.outbox.put(pb.ConverseResponse(response_done=response))
        metrics.RESPONSES.labels(pb.ResponseState.Status.Name(status).lower()).inc()
        times.count()
