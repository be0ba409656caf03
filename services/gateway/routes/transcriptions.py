"""`POST /v1/audio/transcriptions` and `/v1/audio/translations`: OpenAI's, for files."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from fastapi import APIRouter, Request
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from starlette.responses import JSONResponse, PlainTextResponse, Response

from services.gateway.audio_form import FORM, OPENAI_MODELS, AudioUploads, TranscriptionForm, recognition_of
from services.gateway.peers import Peers
from services.gateway.streaming import Ending, cancelled_after, event, event_stream, openai_failed, while_connected
from services.gateway.transcripts import as_json, as_subtitles, as_verbose_json
from services.kit.errors import EngineFailed, InvalidInput

router = APIRouter()
ENDING = Ending("", openai_failed)
"""The last event says by its type that it is the last."""


@router.post("/v1/audio/transcriptions", openapi_extra=FORM)
async def transcriptions(request: Request) -> Response:
    """What is said in an audio file."""
    return await _write_down(request, translate=False)


@router.post("/v1/audio/translations", openapi_extra=FORM)
async def translations(request: Request) -> Response:
    """The same in English, by models that can."""
    return await _write_down(request, translate=True)


async def _write_down(request: Request, *, translate: bool) -> Response:
    peers: Peers = request.app.state.peers
    uploads: AudioUploads = request.app.state.audio_uploads
    asr = peers.hearing()
    async with AsyncExitStack() as held:
        form, audio = await held.enter_async_context(uploads.receive(request))
        if translate and (form.stream or form.timestamp_granularities):
            raise InvalidInput("a translation is not streamed, and its words have no times of their own")
        named = peers.model(form.model)
        model = "" if named in OPENAI_MODELS else named
        call = pb.TranscribeRequest(
            audio=audio, recognition=await recognition_of(form, model, asr, translate=translate)
        )
        if form.stream:
            # From its first event on it is the stream that holds the file's place.
            return await event_stream(request, _events(asr, call, held), ENDING)
        transcript = await while_connected(request, asr.Transcribe(call))
    return _told(transcript, form, "translate" if translate else "transcribe")


def _told(response: pb.TranscribeResponse, form: TranscriptionForm, task: str) -> Response:
    match form.response_format:
        case "json":
            return JSONResponse(as_json(response))
        case "verbose_json":
            return JSONResponse(as_verbose_json(response, form, task))
        case "text":
            return PlainTextResponse(f"{response.text}\n")
        case subtitles:
            return PlainTextResponse(as_subtitles(response, subtitles))


async def _events(
    asr: "rpc.AsrServiceAsyncStub", call: pb.TranscribeRequest, held: AsyncExitStack
) -> AsyncGenerator[str, None]:
    """Each utterance as soon as it was heard to its end."""
    texts: list[str] = []
    ended = False
    stream = asr.TranscribeFile(pb.TranscribeFileRequest(transcribe=call))
    async with held.pop_all():
        with cancelled_after(stream):
            async for told in stream:
                if told.final.text:
                    delta = f" {told.final.text}" if texts else told.final.text
                    texts.append(told.final.text)
                    yield event({"type": "transcript.text.delta", "delta": delta})
                ended = ended or told.HasField("end")
    if not ended:
        raise EngineFailed("the transcript ended before it was done")
    yield event({"type": "transcript.text.done", "text": " ".join(texts)})
