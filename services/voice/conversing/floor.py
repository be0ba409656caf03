"""Who has the floor: takes the machine's steps and does what they ask for, one after the other.

Each task of a session that has something to say comes here with the session's lock; nothing happens beside it.
"""

import asyncio
import logging

from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import EngineFailed
from services.voice import metrics
from services.voice.answering.pieces import Question
from services.voice.conversing.output_items import new_id
from services.voice.conversing.reply import Reply
from services.voice.conversing.spoken_turns import SpokenTurns
from services.voice.conversing.surroundings import Listeners, Surroundings, Wanted
from services.voice.conversing.timings import Clock, HeardTimes, ReplyTimes
from services.voice.faults import Fault
from services.voice.speaking.voices import primary
from services.voice.turns import effects as do
from services.voice.turns import inputs as on
from services.voice.turns.effects import Effect, Refusal
from services.voice.turns.inputs import Input, Rules, Timer
from services.voice.turns.machine import step
from services.voice.turns.standing import Machine

log = logging.getLogger("ledge.voice")
REFUSALS = {
    Refusal.ACTIVE_RESPONSE: "a response is under way already",
    Refusal.NO_RESPONSE: "no response is under way",
}
WORDS_TIMEOUT_S = 15.0
SOON_MS = 500
RECENT_CHARACTERS = 120
"""Some seconds: what was spoken longer ago does not come back as an echo."""


class Floor:
    """Belongs to one session."""

    def __init__(self, around: Surroundings, settings: pb.Session, rules: Rules, clock: Clock) -> None:
        self._around = around
        self.settings = settings
        self._clock = clock
        self._machine = Machine(rules=rules)
        self._lock = asyncio.Lock()
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies: dict[int, Reply] = {}
        self._wanted: Wanted | None = None
        self._last_language = ""
        self.turns = SpokenTurns(
            around.outbox, around.conversation, clock, lambda: self.settings.turn_detection.prefix_padding_ms
        )
        self._is_hurried = False
        self._turn_settled = asyncio.Event()

    @property
    def lock(self) -> asyncio.Lock:
        return self._lock

    @property
    def machine(self) -> Machine:
        return self._machine

    def turn_item(self) -> str:
        """Id of the item that the open turn will be; empty where none is open."""
        turn = self._machine.turn
        return self.turns.turn(turn.number).item_id if turn is not None else ""

    def noted(self, speech_ended_s: float | None = None, transcript_s: float | None = None, language: str = "") -> None:
        """What was found out of the open turn."""
        turn = self._machine.turn
        if turn is None:
            return
        known = self.turns.turn(turn.number)
        if speech_ended_s is not None:
            known.times.speech_ended_s = speech_ended_s
        if transcript_s is not None:
            known.times.transcript_s = transcript_s
        if language:
            known.language = language

    def recently_spoken(self) -> str:
        """What was heard of the answer that is spoken, and what is about to be."""
        sounding = (reply for reply in self._replies.values() if reply.sounds)
        heard = (reply.spoken.until(round(reply.heard_ms) + SOON_MS) for reply in sounding)
        return " ".join(heard)[-RECENT_CHARACTERS:]

    def was_begun_in_another(self, language: str) -> bool:
        """Whether an answer that nobody was told of goes by another language than this, which was found out later."""
        answer = self._machine.answer
        if answer is None or answer.is_told or self.settings.language:
            return False
        known = self._around.document_language
        return (primary(self._replies[answer.epoch].language) or known) != (primary(language) or known)

    def reply_to(self, response_id: str) -> Reply | None:
        return next((reply for reply in self._replies.values() if reply.response.id == response_id), None)

    def reply_with(self, item_id: str) -> Reply | None:
        """The one that speaks an item."""
        return next((reply for reply in self._replies.values() if reply.item_id == item_id), None)

    async def happens(self, event: Input) -> None:
        """Holds the lock already. Raises Fault for what the client must not ask now."""
        self._machine, effects = step(self._machine, event, self._now_ms())
        refusals = [effect.refusal for effect in effects if isinstance(effect, do.Refuse)]
        try:
            for effect in effects:
                await self._perform(effect)
        except Exception as error:
            # Half a step leaves a session in which nothing can be relied on.
            log.error("unexpected error", exc_info=error)
            self._around.outbox.close(EngineFailed("the conversation failed; begin another"))
            return
        if self._machine.turn is None:
            self._turn_settled.set()
        for refusal in refusals:
            raise Fault(refusal.value, REFUSALS[refusal])

    async def says(self, event: Input) -> None:
        """The same, for who does not hold the lock."""
        async with self._lock:
            await self.happens(event)

    async def want(self, wanted: Wanted) -> None:
        """Begins a response that the client asked for. Raises Fault."""
        before = self._wanted
        self._wanted = wanted
        try:
            await self.happens(on.ResponseWanted())
        except Fault:
            self._wanted = before
            raise

    async def stop(self) -> None:
        """The client does not play the answer any more."""
        await self.happens(on.ResponseUnwanted())

    def hurry(self) -> None:
        """Nobody can interrupt any more."""
        self._is_hurried = True
        for reply in self._replies.values():
            reply.hurry()

    async def words_are_there(self) -> None:
        """Waits while the words of a turn that the client has ended are awaited; not for ever."""
        try:
            async with asyncio.timeout(WORDS_TIMEOUT_S):
                while self._machine.turn is not None and self._machine.turn.is_ended:
                    self._turn_settled.clear()
                    await self._turn_settled.wait()
        except TimeoutError:
            await self.says(on.TurnLost())

    async def aclose(self) -> None:
        """Ends everything."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(reply.aclose() for reply in self._replies.values()), return_exceptions=True)
        self._replies.clear()

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case do.ShowState(state, previous):
                changed = pb.StateChanged(state=state.name, previous=previous.name)
                await self._tell(pb.ConverseResponse(state_changed=changed))
            case (
                do.TellSpeechStarted()
                | do.TellSpeechStopped()
                | do.CommitTurn()
                | do.TellTranscript()
                | do.ForgetTurn()
                | do.TellIdle()
            ):
                await self.turns.perform(effect)
            case do.SetTimer(timer, serial, after_ms):
                self._set_timer(timer, serial, after_ms)
            case do.Close():
                self._around.outbox.close()
            case _:
                await self._perform_of_answer(effect)

    async def _perform_of_answer(self, effect: Effect) -> None:
        match effect:
            case do.Begin(epoch, text):
                await self._begin(epoch, text)
            case do.Release(epoch):
                reply = self._replies[epoch]
                reply.times.speculative = True
                reply.times.heard = self._turn_heard()
                metrics.SPECULATIONS.labels("right").inc()
                await reply.release()
            case do.Discard(epoch):
                metrics.SPECULATIONS.labels("discarded").inc()
                await self._replies.pop(epoch).aclose()
            case do.EndResponse(epoch, reason):
                if reason == "turn_detected":
                    metrics.INTERRUPTIONS.labels("speech").inc()
                await self._replies.pop(epoch).cut(reason)
            case do.CompleteResponse(epoch):
                await self._replies[epoch].conclude()
            case do.CutShort(epoch):
                reply = self._replies.pop(epoch)
                await reply.aclose()
                await reply.truncate()
            case do.Retire(epoch):
                await self._replies.pop(epoch).aclose()
            case do.Duck(epoch):
                reply = self._replies[epoch]
                if reply.sounds:
                    await self._control(pb.PlaybackControl.DUCK, reply)
                else:
                    reply.halt()
            case do.Halt(epoch):
                reply = self._replies[epoch]
                reply.halt()
                if reply.sounds:
                    await self._control(pb.PlaybackControl.STOP, reply)
            case do.Resume(epoch):
                reply = self._replies[epoch]
                metrics.INTERRUPTIONS.labels("false_alarm").inc()
                if reply.sounds:
                    await self._control(pb.PlaybackControl.RESUME, reply)
                reply.start()

    async def _begin(self, epoch: int, text: str | None) -> None:
        """A reply: to a turn that may not have ended, or to the conversation as it stands."""
        items = list(self._around.conversation.items())
        wanted: Wanted | None = None
        heard: HeardTimes | None = None
        if text is not None:
            content = pb.Content(input_audio_transcript=text)
            items.append(pb.Item(message=pb.Message(role=pb.Item.USER, content=[content])))
            language = self.turns.turn(self._machine.turn.number).language if self._machine.turn else ""
            # Of what is still spoken the language is not known: mostly it is that of the turn before.
            language = language or self._last_language
        else:
            wanted, self._wanted = self._wanted, None
            if wanted is not None and wanted.items is not None:
                items = wanted.items
            heard = self._turn_heard()
            language = self._last_language
        reply = self.reply(Wanted(pb.CreateResponse(), self.settings) if wanted is None else wanted, items, language,
                           self._listeners(epoch))  # fmt: skip
        self._replies[epoch] = reply
        if self._is_hurried:
            reply.hurry()
        if text is None:
            reply.times.heard = heard
            await reply.release()

    def reply(self, wanted: Wanted, items: list[pb.Item], language: str, listeners: Listeners) -> Reply:
        """A new one, held back."""
        request, settings = wanted.request, wanted.settings
        response = pb.ResponseState(
            id=new_id("resp"),
            status=pb.ResponseState.IN_PROGRESS,
            metadata=request.metadata,
            out_of_band=request.out_of_band,
            speak=settings.speak,
            voice=settings.speaking.voice,
            max_output_tokens=settings.max_output_tokens,
        )
        question = Question(tuple(items), settings, settings.language or language)
        times = ReplyTimes(self._clock(), self._clock)
        return Reply(self._around, question, response, times, listeners)

    def _turn_heard(self) -> HeardTimes | None:
        """The times of the turn that is answered; None where it was not spoken."""
        heard, self.turns.heard = self.turns.heard, None
        if heard is None:
            return None
        self._last_language = heard.language or self._last_language
        return heard.times if heard.item_id == self._around.conversation.last else None

    def _listeners(self, epoch: int) -> Listeners:
        return Listeners(
            audio_began=lambda: self.says(on.AudioBegan(epoch)),
            ended=lambda plays_on: self.says(on.AnswerEnded(epoch, plays_on)),
            played_out=lambda: self.says(on.PlayedOut(epoch)),
        )

    def _set_timer(self, timer: Timer, serial: int, after_ms: int) -> None:
        if timer in self._timers:
            self._timers[timer].cancel()

        def ring() -> None:
            task = asyncio.create_task(self.says(on.TimedOut(timer, serial)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._timers[timer] = asyncio.get_running_loop().call_later(after_ms / 1000, ring)

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)

    async def _control(self, action: "pb.PlaybackControl.Action", reply: Reply) -> None:
        control = pb.PlaybackControl(action=action, item_id=reply.item_id)
        await self._tell(pb.ConverseResponse(playback_control=control))

    async def _tell(self, event: pb.ConverseResponse) -> None:
        await self._around.outbox.put(event)
