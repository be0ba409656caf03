"""One conversation with the voice service: what is said goes up, its events come down, in order, until both end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Protocol

from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.cli.talking.players import Player
from services.kit.relay import relay

MAX_WAITING_MESSAGES = 256
REPORT_S = 0.2
"""How often the service is told how much has been heard."""
QUIET_S = 1.5
"""Without an event after the last turn, nothing more is to come."""


class Display(Protocol):
    """Tells the user what happens."""

    def show(self, event: pb.ConverseResponse) -> None:
        """Each event, in order."""

    def invite(self, idle: str) -> None:
        """What is shown from here on while nothing is under way."""


class Conversation:
    """Used once, by one task."""

    def __init__(
        self, voice: "rpc.VoiceServiceAsyncStub", session: pb.Session, player: Player, display: Display
    ) -> None:
        self._voice = voice
        self._player = player
        self._display = display
        self._messages: asyncio.Queue[pb.ConverseRequest | None] = asyncio.Queue(MAX_WAITING_MESSAGES)
        self._messages.put_nowait(pb.ConverseRequest(session=session))
        self._speaking: set[str] = set()
        """Utterances that are not understood yet."""
        self._responding: set[str] = set()
        self._changed_s = time.monotonic()
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Of the next response, or of the refusal of one."""
        self.failures = 0
        """Responses that failed, and events that were refused."""
        self.understood = 0
        """Utterances that were heard as words."""

    async def run(self, talk: Callable[["Conversation"], Awaitable[None]]) -> None:
        """Returns when `talk` has, and the response that was under way has come to its end.

        Raises:
            AioRpcError: the service refused or failed.
            Exception: whatever `talk` raised.
        """

        async def talking() -> None:
            await talk(self)
            await self._messages.put(None)

        tasks = [asyncio.create_task(talking()), asyncio.create_task(self._report())]
        call = self._voice.Converse()
        try:
            async with contextlib.aclosing(relay(call, self._sent(tasks))) as events:
                async for event in events:
                    self._take(event)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def say(self, audio: bytes) -> None:
        """Some audio in the session's format; waits while the service takes none."""
        await self._messages.put(pb.ConverseRequest(audio=audio))

    def invite(self, idle: str) -> None:
        """Tells the person what to do while nothing is under way."""
        self._display.invite(idle)

    async def interrupt(self) -> None:
        """Ends the answer that is under way or still heard, if one is."""
        self._player.stop()
        if self._responding:
            await self._messages.put(pb.ConverseRequest(cancel_response=pb.CancelResponse()))

    async def end_turn(self) -> None:
        """What was said is to be answered now. Returns at once."""
        self._answered = asyncio.get_running_loop().create_future()
        await self._messages.put(pb.ConverseRequest(commit_audio=pb.CommitAudio()))
        await self._messages.put(pb.ConverseRequest(create_response=pb.CreateResponse()))

    async def ask(self, text: str) -> None:
        """A typed question. Returns when its answer is complete, or refused."""
        self._answered = asyncio.get_running_loop().create_future()
        message = pb.Message(role=pb.Item.USER, content=[pb.Content(text=text)])
        await self._messages.put(pb.ConverseRequest(create_item=pb.CreateItem(item=pb.Item(message=message))))
        await self._messages.put(pb.ConverseRequest(create_response=pb.CreateResponse()))
        await self._answered

    async def answered(self) -> None:
        """Until the answer to the last turn is complete, or refused."""
        await self._answered

    def is_quiet(self) -> bool:
        """Whether nothing is under way, and nothing has happened for a while."""
        return not self._speaking and not self._responding and time.monotonic() - self._changed_s > QUIET_S

    async def _sent(self, tasks: list[asyncio.Task[None]]) -> AsyncGenerator[pb.ConverseRequest]:
        getting = asyncio.create_task(self._messages.get())
        try:
            while True:
                await asyncio.wait({getting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in tasks if task.done()]:
                    tasks.remove(task)
                    task.result()  # what failed there fails the conversation
                if getting.done():
                    message = getting.result()
                    if message is None:
                        return
                    yield message
                    getting = asyncio.create_task(self._messages.get())
        finally:
            getting.cancel()

    def _take(self, event: pb.ConverseResponse) -> None:
        self._display.show(event)
        kind = event.WhichOneof("event")
        match kind:
            case "audio_delta":
                self._player.play(event.audio_delta.item_id, event.audio_delta.audio)
            case "playback_control":
                if event.playback_control.action == pb.PlaybackControl.STOP:
                    self._player.stop()
                else:
                    self._player.duck(event.playback_control.action == pb.PlaybackControl.DUCK)
            case "speech_started":
                self._player.stop()
                self._speaking.add(event.speech_started.item_id)
            case "transcript_completed" | "transcript_failed":
                self._speaking.discard(getattr(event, kind).item_id)
                self.understood += bool(event.transcript_completed.text)
            case "response_created":
                self._responding.add(event.response_created.id)
            case "response_done":
                self._responding.discard(event.response_done.id)
                self._end_answer(failed=event.response_done.status == pb.ResponseState.FAILED)
            case "error":
                self._end_answer(failed=True)
        self._changed_s = time.monotonic()

    def _end_answer(self, *, failed: bool) -> None:
        self.failures += failed
        if not self._answered.done():
            self._answered.set_result(None)

    async def _report(self) -> None:
        told: Any = None
        while True:
            await asyncio.sleep(REPORT_S)
            if (heard := self._player.heard()) is not None and heard != told:
                told = heard
                item_id, played_ms, ended = heard
                report = pb.Playback(item_id=item_id, played_ms=played_ms, ended=ended)
                await self._messages.put(pb.ConverseRequest(playback=report))
