"""The turns that are spoken, as items of the conversation: told when they begin, end, and are written down."""

from collections.abc import Callable
from dataclasses import dataclass

from ledge.voice.v1 import voice_pb2 as pb

from services.voice.conversation import Conversation
from services.voice.conversing.outbox import Outbox
from services.voice.conversing.output_items import new_id
from services.voice.conversing.timings import Clock, HeardTimes
from services.voice.turns import effects as do
from services.voice.turns.effects import Effect


@dataclass(slots=True)
class SpokenTurn:
    """What the machine's numbers do not tell of a turn."""

    item_id: str
    times: HeardTimes
    language: str = ""


class SpokenTurns:
    """Belongs to the floor of one session."""

    def __init__(self, outbox: Outbox, conversation: Conversation, clock: Clock, padding_ms: Callable[[], int]) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._clock = clock
        self._padding_ms = padding_ms
        self._turns: dict[int, SpokenTurn] = {}
        self._audio_ms: Callable[[], float] = lambda: 0.0
        self._committed_ms = 0.0
        self.heard: SpokenTurn | None = None
        """The one that was written down last."""

    def measures_audio(self, audio_ms: Callable[[], float]) -> None:
        """Tells how to know how much audio has come."""
        self._audio_ms = audio_ms

    @property
    def buffered_ms(self) -> float:
        """Audio that came since the last turn."""
        return max(0.0, self._audio_ms() - self._committed_ms)

    def forget_audio(self) -> None:
        """What has come by now belongs to no turn."""
        self._committed_ms = self._audio_ms()

    def turn(self, number: int) -> SpokenTurn:
        """By the machine's number."""
        if number not in self._turns:
            self._turns[number] = SpokenTurn(new_id("item"), HeardTimes(self._clock()))
        return self._turns[number]

    async def perform(self, effect: Effect) -> None:
        """Those effects that tell of turns."""
        match effect:
            case do.TellSpeechStarted(number, offset_ms):
                begun_ms = max(0, offset_ms - self._padding_ms())
                started = pb.SpeechStarted(audio_start_ms=begun_ms, item_id=self.turn(number).item_id)
                await self._outbox.put(pb.ConverseResponse(speech_started=started))
            case do.TellSpeechStopped(number, offset_ms):
                stopped = pb.SpeechStopped(audio_end_ms=offset_ms, item_id=self.turn(number).item_id)
                await self._outbox.put(pb.ConverseResponse(speech_stopped=stopped))
            case do.CommitTurn(number):
                await self._commit(self.turn(number))
            case do.TellTranscript(number, text, discarded):
                await self._transcribed(self.turn(number), text, discarded)
                del self._turns[number]
            case do.ForgetTurn(number):
                if self._turns.pop(number, None) is not None:
                    self.forget_audio()
            case do.TellIdle(number):
                idle = pb.IdleTimeout(
                    item_id=self.turn(number).item_id,
                    audio_start_ms=round(self._committed_ms),
                    audio_end_ms=round(self._audio_ms()),
                )
                await self._outbox.put(pb.ConverseResponse(idle_timeout=idle))

    async def _commit(self, turn: SpokenTurn) -> None:
        turn.times.endpoint_s = self._clock()
        turn.times.audio_ms = self.buffered_ms
        self.forget_audio()
        message = pb.Message(role=pb.Item.USER, content=[pb.Content(input_audio_transcript="")])
        item = pb.Item(id=turn.item_id, status=pb.Item.IN_PROGRESS, message=message)
        previous = self._conversation.add(item)
        committed = pb.AudioCommitted(previous_item_id=previous, item_id=item.id)
        await self._outbox.put(pb.ConverseResponse(audio_committed=committed))
        await self._outbox.put(pb.ConverseResponse(item_added=pb.ItemAdded(previous_item_id=previous, item=item)))

    async def _transcribed(self, turn: SpokenTurn, text: str, discarded: int) -> None:
        conversation = self._conversation
        turn.times.discarded = discarded
        self.heard = turn
        if not conversation.has(turn.item_id):
            return
        item = conversation.get(turn.item_id)
        item.message.content[0].input_audio_transcript = text
        item.status = pb.Item.COMPLETED
        completed = pb.TranscriptCompleted(
            item_id=turn.item_id,
            content_index=0,
            text=text,
            language=turn.language,
            duration_ms=round(turn.times.audio_ms),
        )
        await self._outbox.put(pb.ConverseResponse(transcript_completed=completed))
        done = pb.ItemAdded(previous_item_id=conversation.previous(item.id), item=item)
        await self._outbox.put(pb.ConverseResponse(item_done=done))
        for dropped in conversation.crowded_out():
            await self._outbox.put(pb.ConverseResponse(item_deleted=pb.ItemDeleted(item_id=dropped)))
