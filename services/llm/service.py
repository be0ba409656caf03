"""LlmService over gRPC: checks the request, waits for a slot, asks the engine, packs the answer."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc
from ledge.model.v1 import model_pb2

from services.kit.errors import InvalidInput
from services.llm import metrics, reply
from services.llm.admission import Admission
from services.llm.choices import generate
from services.llm.engine import Engine, Job, Piece, Scorer, Usage
from services.llm.length import Lengths, guessed
from services.llm.request import (
    chat_jobs,
    check_model,
    check_tokenized,
    complete_jobs,
    named,
    priority_of,
    read_messages,
    read_token_ids,
)
from services.llm.verifying import Verifying


class LlmService(rpc.LlmServiceServicer):
    """Answers every call of the contract for one engine; also VerifierService where the engine is a Scorer."""

    def __init__(self, engine: Engine, max_waiting: int, lengths: Lengths | None = None) -> None:
        self._engine = engine
        self._lengths = lengths
        self._model = engine.model
        self._admission = Admission(engine.slots, max_waiting)
        metrics.OTHER_NAMES.model, metrics.OTHER_NAMES.slots = self._model.id, engine.slots

    def mount(self, server: Any) -> None:
        rpc.add_LlmServiceServicer_to_server(self, server)
        if isinstance(self._engine, Scorer):
            rpc.add_VerifierServiceServicer_to_server(Verifying(self._engine, self._model), server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return [reply.model_info(self._model), *reply.adapter_infos(self._model)]

    async def close(self) -> None:
        await self._engine.close()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=self.models())

    async def Chat(self, request: pb.ChatRequest, context: Any) -> pb.ChatResponse:
        answers = await self._answers(guessed(chat_jobs(request, self._model), self._lengths), priority_of(request))
        return pb.ChatResponse(
            id=_new_id("chatcmpl"),
            model=named(request.model, self._model),
            choices=[reply.chat_choice(index, pieces) for index, pieces in enumerate(answers)],
            usage=reply.usage(reply.together([_usage(pieces) for pieces in answers])),
        )

    async def ChatStream(self, request: pb.ChatStreamRequest, context: Any) -> AsyncIterator[pb.ChatStreamResponse]:
        jobs = guessed(chat_jobs(request.chat, self._model), self._lengths)
        answer_id, model = _new_id("chatcmpl"), named(request.chat.model, self._model)
        usages: list[Usage] = []
        async with aclosing(generate(self._engine, self._admission, jobs, priority_of(request.chat))) as pieces:
            async for index, piece in pieces:
                event = pb.ChatStreamResponse(id=answer_id, model=model, index=index, delta=piece.text)
                if piece.tool_calls:
                    event.tool_calls.extend(reply.tool_call_deltas(piece.tool_calls))
                self._end(event, piece, usages, len(jobs))
                yield event

    async def Complete(self, request: pb.CompleteRequest, context: Any) -> pb.CompleteResponse:
        jobs = guessed(complete_jobs(request, self._model), self._lengths)
        before = await self._echo(request)
        answers = await self._answers(jobs, priority_of(request))
        return pb.CompleteResponse(
            id=_new_id("cmpl"),
            model=named(request.model, self._model),
            choices=[reply.complete_choice(index, pieces, before) for index, pieces in enumerate(answers)],
            usage=reply.usage(reply.together([_usage(pieces) for pieces in answers])),
        )

    async def CompleteStream(
        self, request: pb.CompleteStreamRequest, context: Any
    ) -> AsyncIterator[pb.CompleteStreamResponse]:
        jobs = guessed(complete_jobs(request.complete, self._model), self._lengths)
        answer_id, model = _new_id("cmpl"), named(request.complete.model, self._model)
        unechoed = dict.fromkeys(range(len(jobs)), await self._echo(request.complete))
        usages: list[Usage] = []
        async with aclosing(generate(self._engine, self._admission, jobs, priority_of(request.complete))) as pieces:
            async for index, piece in pieces:
                text = unechoed.pop(index, "") + piece.text
                event = pb.CompleteStreamResponse(id=answer_id, model=model, index=index, delta=text)
                self._end(event, piece, usages, len(jobs))
                yield event

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:
        check_model(request.model, self._model)
        match request.WhichOneof("input"):
            case "text":
                check_tokenized(request.text)
                token_ids = await self._engine.tokenize(request.text, add_special_tokens=request.add_special_tokens)
            case "messages":
                messages = read_messages(request.messages.messages)
                check_tokenized(*(message.content for message in messages))
                token_ids = await self._engine.tokenize_chat(messages)
            case _:
                raise InvalidInput("nothing to tokenize: set text or messages")
        return pb.TokenizeResponse(
            token_ids=token_ids,
            max_context_tokens=self._model.max_context_tokens,
            vocabulary_sha256=self._model.vocabulary_sha256,
            end_token_ids=self._model.end_token_ids,
        )

    async def Detokenize(self, request: pb.DetokenizeRequest, context: Any) -> pb.DetokenizeResponse:
        check_model(request.model, self._model)
        return pb.DetokenizeResponse(text=await self._engine.detokenize(read_token_ids(request.token_ids, self._model)))

    async def _answers(self, jobs: Sequence[Job], priority: int) -> list[list[Piece]]:
        answers: list[list[Piece]] = [[] for _ in jobs]
        async with aclosing(generate(self._engine, self._admission, jobs, priority)) as pieces:
            async for index, piece in pieces:
                answers[index].append(piece)
        return answers

    async def _echo(self, request: pb.CompleteRequest) -> str:
        if not request.echo:
            return ""
        return request.prompt or await self._engine.detokenize(request.token_ids.ids)

    def _end(
        self,
        event: pb.ChatStreamResponse | pb.CompleteStreamResponse,
        piece: Piece,
        usages: list[Usage],
        choices: int,
    ) -> None:
        """What both streams have besides text; the last event of the last choice tells the usage of all."""
        if piece.logprobs:
            event.logprobs.extend(reply.logprobs(piece.logprobs))
        if piece.finish is not None and piece.usage is not None:
            event.finish_reason = reply.FINISHES[piece.finish]
            usages.append(piece.usage)
            if len(usages) == choices:
                event.usage.CopyFrom(reply.usage(reply.together(usages)))


def _usage(pieces: Sequence[Piece]) -> Usage:
    return pieces[-1].usage or Usage(0, 0)


def _new_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex}"
