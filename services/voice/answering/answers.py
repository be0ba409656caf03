"""Who answers: the documents, a chat model, or a chat model that may call functions first; in which language."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import NotFound, TooSlow, step
from services.voice.answering.chat_model import from_chat_model
from services.voice.answering.documents import from_documents
from services.voice.answering.in_language import in_language
from services.voice.answering.pieces import Calls, Piece, Question
from services.voice.config import VoiceConfig
from services.voice.faults import Fault
from services.voice.peers import Peers


class Answers:
    """Shared by the responses of a session; holds nothing of them."""

    def __init__(self, peers: Peers, config: VoiceConfig) -> None:
        self._peers = peers
        self._config = config

    async def check_model(self, model: str) -> None:
        """Raises NotFound for one that nobody serves."""
        if model == self._config.rag_model:
            return
        known: list[str] = []
        if self._peers.has_llm:
            with step("llm"):
                known = [served.id for served in (await self._peers.models.get()).models]
        if model not in known:
            there = ", ".join([self._config.rag_model, *known])
            raise NotFound(f"no model {model[:64]!r} here; there is {there}")

    async def check_hotwords(self, settings: pb.Session) -> None:
        """Raises Fault where they are given and nobody listens for any."""
        if not settings.transcription.hotwords:
            return
        with contextlib.suppress(grpc.aio.AioRpcError):
            models = (await self._peers.asr_models.get()).models
            if models and not any(model.hotwords for model in models):
                raise Fault("invalid_value", "the model that hears takes no hotwords", "session.transcription.hotwords")

    async def check_voice(self, settings: pb.Session, param: str = "session.speaking.voice") -> None:
        """Raises Fault for one that nobody speaks with."""
        voice = settings.speaking.voice
        if not voice:
            return
        with contextlib.suppress(grpc.aio.AioRpcError):
            known = [each.id for each in (await self._peers.voices.get()).voices]
            if voice not in known:
                raise Fault("invalid_value", f"no voice {voice[:64]!r} here; there is {', '.join(known)}", param)

    async def answer(self, question: Question) -> AsyncGenerator[Piece, None]:
        """The pieces of an answer, as they come. Raises TooSlow where none does for long."""
        settings = question.settings
        if settings.model != self._config.rag_model:
            pieces = from_chat_model(self._peers, question, settings.model)
        elif question.items and question.items[-1].WhichOneof("kind") == "function_call_output":
            # Documents know nothing of what a function told.
            pieces = from_chat_model(self._peers, question, "")
        elif settings.tools.tools and settings.tool_choice.mode != pb.ToolChoice.NONE:
            pieces = self._calls_or_documents(question)
        else:
            pieces = self._documents(question)
        async with aclosing(pieces):
            while (piece := await self._next(pieces)) is not None:
                yield piece

    async def _next(self, pieces: AsyncGenerator[Piece, None]) -> Piece | None:
        try:
            async with asyncio.timeout(self._config.answer_timeout_s):
                return await anext(pieces, None)
        except TimeoutError:
            raise TooSlow(f"nothing came of the answer for {self._config.answer_timeout_s:g} seconds") from None

    async def _calls_or_documents(self, question: Question) -> AsyncGenerator[Piece, None]:
        """A model is asked for a call first; where it makes none, the documents answer."""
        called = False
        async with aclosing(from_chat_model(self._peers, question, "")) as pieces:
            async for piece in pieces:
                if isinstance(piece, Calls):
                    called = True
                if called:
                    yield piece
        if not called:
            async with aclosing(self._documents(question)) as pieces:
                async for piece in pieces:
                    yield piece

    def _documents(self, question: Question) -> AsyncGenerator[Piece, None]:
        return in_language(
            self._peers,
            question,
            self._config.document_language,
            lambda text: from_documents(self._peers, question, text),
        )
