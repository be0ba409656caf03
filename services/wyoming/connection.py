"""One client: reads its events, begins what they ask for, and ends all of it when the client is gone.

         ┌────────────── an event that begins something, ping, describe ─┐
         ▼                                                               │
READ ──► IDLE ──begins──► BUSY (one activity; its events go to it) ──ends┘
         │ silent for idle_timeout_s, draining        │ the client is gone, or asks for something else
         ▼                                            ▼ before it has sent all of this: cancelled
       CLOSED ◄───────────────── an error, told ──────┘
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from wyoming import asr, audio, info, ping, tts
from wyoming.error import Error
from wyoming.event import Event

from services.kit.errors import LedgeError
from services.wyoming.activity import Activity
from services.wyoming.answering import Answering
from services.wyoming.config import WyomingConfig
from services.wyoming.hearing import Hearing
from services.wyoming.information import information
from services.wyoming.peers import Peers
from services.wyoming.requests import AudioFormat, Ping, Synthesize, SynthesizeStart, Transcribe, Transcript, data_of
from services.wyoming.served_request import served
from services.wyoming.speaking import Speaking
from services.wyoming.wire import Gone, Wire

LINGER_S = 2.0


class Connection:
    """One client of the door; `run` serves it to its end."""

    def __init__(self, wire: Wire, peers: Peers, config: WyomingConfig, draining: asyncio.Event) -> None:
        self._wire = wire
        self._peers = peers
        self._config = config
        self._draining = draining
        self._asked = Transcribe()
        self._activity: Activity | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        linger_s = 0.0
        try:
            await self._serve()
        except Gone:
            pass
        except LedgeError as error:
            linger_s = LINGER_S
            await self._tell(error)
        finally:
            await self._end_activity()
            await self._wire.close(linger_s=linger_s)

    async def _serve(self) -> None:
        draining = asyncio.create_task(self._draining.wait())
        reading = asyncio.create_task(self._wire.read())
        try:
            while True:
                waits: set[asyncio.Task[Any]] = {reading, *([self._task] if self._task else [draining])}
                timeout_s = None if self._task else self._config.idle_timeout_s
                done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if self._task in done:
                    await self._activity_ended()
                elif reading in done:
                    event = reading.result()
                    reading = asyncio.create_task(self._wire.read())
                    await self._take(event)
                else:
                    return
        finally:
            for task in (draining, reading):
                task.cancel()
            await asyncio.gather(draining, reading, return_exceptions=True)

    async def _activity_ended(self) -> None:
        task, self._task, self._activity = self._task, None, None
        if task is not None:
            await task

    async def _take(self, event: Event) -> None:
        if ping.Ping.is_type(event.type):
            await self._wire.write(ping.Pong(data_of(event, Ping).text))
        elif not await self._taken_by_activity(event):
            await self._begin(event)

    async def _taken_by_activity(self, event: Event) -> bool:
        """Lets the activity take an event, unless it ends meanwhile: nobody reads what is left in its inbox."""
        if self._activity is None or self._task is None:
            return False
        taking = asyncio.ensure_future(self._activity.take(event))
        try:
            await asyncio.wait((taking, self._task), return_when=asyncio.FIRST_COMPLETED)
            return await taking if taking.done() else True
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _begin(self, event: Event) -> None:
        """Begins what an event asks for; one that is not known is dropped, as the protocol says."""
        match event.type:
            case kind if asr.Transcribe.is_type(kind):
                await self._make_way()
                self._asked = data_of(event, Transcribe)
            case kind if audio.AudioStart.is_type(kind) or audio.AudioChunk.is_type(kind):
                await self._make_way()
                hearing = Hearing(self._wire, self._peers, self._asked, data_of(event, AudioFormat))
                self._asked = Transcribe()
                self._run(hearing, hearing.run())
                await self._taken_by_activity(event)
            case kind if tts.Synthesize.is_type(kind):
                await self._make_way()
                speaking = Speaking(self._wire, self._peers, data_of(event, Synthesize))
                self._run(speaking, speaking.run())
            case kind if tts.SynthesizeStart.is_type(kind):
                await self._make_way()
                speaking = Speaking(self._wire, self._peers, data_of(event, SynthesizeStart))
                self._run(speaking, speaking.run())
            case kind if asr.Transcript.is_type(kind):
                await self._make_way()
                asked = data_of(event, Transcript)
                answering = Answering(self._wire, self._peers, asked, self._config.collections)
                self._run(answering, answering.run())
            case kind if info.Describe.is_type(kind):
                await self._make_way()
                async with served("describe"):
                    await self._wire.write(await information(self._peers))
            case _:
                pass

    def _run(self, activity: Activity, running: Coroutine[Any, Any, None]) -> None:
        self._activity, self._task = activity, asyncio.create_task(running)

    async def _make_way(self) -> None:
        """Lets what the client has asked for as a whole be done; ends what it has not finished asking."""
        if self._activity is not None and self._task is not None:
            if self._activity.is_open():
                await self._end_activity()
            else:
                await asyncio.wait([self._task])
                await self._activity_ended()

    async def _end_activity(self) -> None:
        task, self._task, self._activity = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, error: LedgeError) -> None:
        with contextlib.suppress(Gone):
            await self._wire.write(Error(error.message, code=error.reason))
