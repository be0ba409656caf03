"""`ledge transcribe`: what is said in an audio file, written down as it is recognised."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc

from services.cli.audio_file import audio_bytes
from services.cli.local.config import LocalRunConfig
from services.cli.service_channel import service_channel
from services.cli.terminal import printable
from services.kit.errors import EngineFailed
from services.kit.subtitles import Cue, cues, srt, vtt


class FormatChoice(StrEnum):
    """How the transcript is written."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"


def command(
    file: Annotated[Path, typer.Argument(help="WAV, FLAC, Ogg, MP3, AIFF…; - for standard input.", show_default=False)],
    language: Annotated[str, typer.Option(help="What is spoken (BCP-47: en, es-MX…).", show_default="detected")] = "",
    words: Annotated[bool, typer.Option("--words", help="Tell when each word is said.")] = False,
    form: Annotated[FormatChoice, typer.Option("--format", help="How to write it.")] = FormatChoice.text,
    translate: Annotated[bool, typer.Option("--translate", help="Write English; only models that can.")] = False,
    hotword: Annotated[
        list[str] | None, typer.Option(help="A name that is likely; may be given more than once.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Of the asr service.", show_default="the suite's")] = None,
) -> None:
    """Write down what is said in a file: text, JSON, or subtitles."""
    recognition = pb.Recognition(
        language=language,
        task=pb.Recognition.TRANSLATE if translate else pb.Recognition.TRANSCRIBE,
        word_times=words or form in (FormatChoice.srt, FormatChoice.vtt),
        hotwords=hotword or (),
    )
    call = pb.TranscribeRequest(
        audio=audio_bytes(file, "compress it first, as FLAC or Opus, or cut it"), recognition=recognition
    )
    heard: list[pb.Utterance] = []
    end = asyncio.run(_transcribe(call, heard, address, aloud=form is FormatChoice.text, words=words))
    match form:
        case FormatChoice.json:
            typer.echo(json.dumps(_to_json(heard, end), ensure_ascii=False, indent=1))
        case FormatChoice.srt | FormatChoice.vtt:
            subtitles = [cue for one in heard for cue in _cues(one)]
            typer.echo(printable(srt(subtitles) if form is FormatChoice.srt else vtt(subtitles)), nl=False)


async def _transcribe(
    call: pb.TranscribeRequest, heard: list[pb.Utterance], address: str | None, *, aloud: bool, words: bool
) -> pb.End:
    """Gathers the utterances in `heard`; tells each one as it comes where that is wanted."""
    async with service_channel("asr", pb.DESCRIPTOR, LocalRunConfig.read(), address) as channel:
        stream = rpc.AsrServiceStub(channel).TranscribeFile(pb.TranscribeFileRequest(transcribe=call))
        async for told in stream:
            if told.HasField("end"):
                return told.end
            if told.final.text:
                heard.append(told.final)
                if aloud:
                    _write(told.final, words)
    raise EngineFailed("the transcript ended before it was done")


def _write(utterance: pb.Utterance, words: bool) -> None:
    lines = [printable(utterance.text)]
    if words:
        lines += [f"{_seconds(one.start_ms)} {_seconds(one.end_ms)}  {printable(one.text)}" for one in utterance.words]
    typer.echo("\n".join(lines))


def _seconds(at_ms: int) -> str:
    return f"{at_ms / 1000:9.2f}"


def _cues(utterance: pb.Utterance) -> list[Cue]:
    whole = Cue(utterance.text, utterance.start_ms, utterance.end_ms)
    return list(cues(whole, [Cue(word.text, word.start_ms, word.end_ms) for word in utterance.words]))


def _to_json(heard: list[pb.Utterance], end: pb.End) -> dict[str, Any]:
    return {
        "text": " ".join(utterance.text for utterance in heard),
        "language": end.language,
        "duration_ms": end.duration_ms,
        "model": end.model,
        "utterances": [
            {
                **_timed(utterance),
                "language": utterance.language,
                **({"words": [_timed(word) for word in utterance.words]} if utterance.words else {}),
            }
            for utterance in heard
        ],
    }


def _timed(said: pb.Utterance | pb.Word) -> dict[str, Any]:
    told = {"text": said.text, "start_ms": said.start_ms, "end_ms": said.end_ms}
    return told | ({"confidence": round(said.confidence, 4)} if said.HasField("confidence") else {})
