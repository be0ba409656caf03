"""A question in, an answer from the documents out, streamed; marks of citations, which nobody wants to hear, left out.

transcript                                                  (the client)
      handled-start → handled-chunk… → handled → handled-stop
      not-handled                                           (the documents do not tell)
"""

import re

from ledge.rag.v1 import rag_pb2
from wyoming import handle
from wyoming.event import Event

from services.wyoming.peers import Peers
from services.wyoming.requests import Transcript
from services.wyoming.served_request import served
from services.wyoming.wire import Wire

MARK = re.compile(r"\s*\[\d+\]")
UNFINISHED_MARK = re.compile(r"\s*(\[\d{0,4})?$")
NO_ANSWER = (rag_pb2.Verdict.NO_SUPPORT, rag_pb2.Verdict.BLOCKED)


class Answering:
    """One question."""

    def __init__(self, wire: Wire, peers: Peers, asked: Transcript, collections: tuple[str, ...]) -> None:
        self._wire = wire
        self._peers = peers
        self._asked = asked
        self._collections = collections

    def is_open(self) -> bool:
        return False

    async def take(self, event: Event) -> bool:
        return False

    async def run(self) -> None:
        context = self._asked.context
        async with served("handle"):
            request = rag_pb2.AnswerRequest(
                question=self._asked.text, collections=self._collections, language=self._asked.language or ""
            )
            text = WithoutMarks()
            begun = silent = False
            done = rag_pb2.Done()
            call = self._peers.rag.Answer(request)
            try:
                async for event in call:
                    match event.WhichOneof("event"):
                        case "verdict":
                            silent = silent or event.verdict.kind in NO_ANSWER
                        case "token" if not silent and (piece := text.add(event.token.text)):
                            if not begun:
                                await self._wire.write(handle.HandledStart(context=context))
                                begun = True
                            await self._wire.write(handle.HandledChunk(piece))
                        case "done":
                            done = event.done
            finally:
                call.cancel()
            whole = MARK.sub("", done.answer).strip()
            if not begun and not done.answered and done.route != rag_pb2.NEITHER:
                await self._wire.write(handle.NotHandled(whole, context=context))
                return
            if not begun:
                await self._wire.write(handle.HandledStart(context=context))
            if rest := text.finish():
                await self._wire.write(handle.HandledChunk(rest))
            await self._wire.write(handle.Handled(whole, context=context))
            await self._wire.write(handle.HandledStop())


class WithoutMarks:
    """Pieces of text without marks, which may be cut anywhere."""

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str) -> str:
        text = MARK.sub("", self._held + piece)
        unfinished = UNFINISHED_MARK.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._held = text[end:]
        return text[:end]

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held.rstrip()
