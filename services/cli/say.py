"""`ledge say`: text spoken, into a file or to the ear, while it is still being written where it comes by a pipe."""

import asyncio
import os
import stat
import sys
import wave
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from services.cli.local.config import LocalRunConfig
from services.cli.playback import find_player, play
from services.cli.service_channel import service_channel
from services.kit.errors import EngineFailed, InvalidInput

ENCODINGS = {
    ".wav": audio_pb2.WAV,
    ".mp3": audio_pb2.MP3,
    ".opus": audio_pb2.OGG_OPUS,
    ".ogg": audio_pb2.OGG_OPUS,
    ".flac": audio_pb2.FLAC,
    ".pcm": audio_pb2.PCM_S16LE,
    ".raw": audio_pb2.PCM_S16LE,
    ".ulaw": audio_pb2.MULAW,
    ".alaw": audio_pb2.ALAW,
}
MESSAGE_CHARACTERS = 10_000
PIECE_BYTES = 4096


def command(
    text: Annotated[list[str] | None, typer.Argument(help="What to say; none: standard input.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help=f"A file, its format by its ending: {' '.join(ENCODINGS)}; - for a pipe."),
    ] = None,
    voice: Annotated[str, typer.Option(help="Who speaks: see `ledge voices`.", show_default="the default")] = "",
    language: Annotated[str, typer.Option(help="BCP-47, where no voice is chosen.", show_default="the default")] = "",
    rate: Annotated[float, typer.Option(min=0.25, max=4.0, help="How fast; 2 takes half the time.")] = 1.0,
    sample_rate_hz: Annotated[
        int, typer.Option("--sample-rate", min=0, max=48_000, help="Samples a second.", show_default="the voice's")
    ] = 0,
    ssml: Annotated[bool, typer.Option("--ssml", help="The text is a <speak> element.")] = False,
    address: Annotated[str | None, typer.Option(help="Of the tts service.", show_default="the suite's")] = None,
) -> None:
    """Say a text, or what comes by a pipe while it comes: `ledge ask --bare … | ledge say`."""
    if not text and sys.stdin.isatty():
        raise InvalidInput("say what to say: `ledge say TEXT`, or a pipe")
    speech = pb.Speech(voice=voice, language=language, rate=rate, sample_rate_hz=sample_rate_hz)
    player = "" if output else find_player()
    if output is not None:
        speech.encoding = _encoding(output)
    pieces = _text(" ".join(text)) if text else _written()
    asyncio.run(_say(speech, pieces, output, player, ssml=ssml, address=address))


def _encoding(output: Path) -> "audio_pb2.Encoding":
    if output == Path("-"):
        return audio_pb2.WAV
    if output.suffix.lower() not in ENCODINGS:
        raise InvalidInput(f"{output}: a file ends in {', '.join(ENCODINGS)}")
    return ENCODINGS[output.suffix.lower()]


async def _say(
    speech: pb.Speech, text: AsyncIterator[str], output: Path | None, player: str, *, ssml: bool, address: str | None
) -> None:
    async with service_channel("tts", pb.DESCRIPTOR, LocalRunConfig.read(), address) as channel:
        stub = rpc.TtsServiceStub(channel)
        if ssml or speech.encoding == audio_pb2.FLAC:
            response = await stub.Synthesize(await _whole(speech, text, ssml=ssml))
            if output is None:
                await play(player, response.sample_rate_hz, _once(response.audio))
                return
            with _opened(output) as file:
                file.write(response.audio)
            return
        spoken = _Spoken(stub, speech, text)
        if output is None:
            await play(player, await spoken.rate_hz(), spoken.pieces())
        elif speech.encoding == audio_pb2.WAV and not _is_stream(output):
            speech.encoding = audio_pb2.PCM_S16LE
            rate_hz = await spoken.rate_hz()
            # A file can be told its length in the end, as a stream cannot.
            with _opened(output) as file, wave.open(file, "wb") as wav:
                wav.setparams((1, 2, rate_hz, 0, "NONE", ""))
                async for piece in spoken.pieces():
                    wav.writeframes(piece)
        else:
            with _opened(output) as file:
                async for piece in spoken.pieces():
                    file.write(piece)
                    file.flush()


class _Spoken:
    """One stream of audio, of which the first message tells the form."""

    def __init__(self, stub: "rpc.TtsServiceAsyncStub", speech: pb.Speech, text: AsyncIterator[str]) -> None:
        self._stub = stub
        self._speech = speech
        self._text = text
        self._call: Any = None
        self._first: Any = None

    async def rate_hz(self) -> int:
        self._call = self._call or self._stub.SynthesizeStream(self._requests())
        self._first = self._first or await anext(aiter(self._call), None)
        if self._first is None:
            raise EngineFailed("the speech ended before it began")
        return int(self._first.format.sample_rate_hz)

    async def pieces(self) -> AsyncIterator[bytes]:
        await self.rate_hz()
        yield self._first.audio
        async for response in self._call:
            yield response.audio

    async def _requests(self) -> AsyncIterator[pb.SynthesizeStreamRequest]:
        yield pb.SynthesizeStreamRequest(config=self._speech)
        async for piece in self._text:
            for start in range(0, len(piece), MESSAGE_CHARACTERS):
                yield pb.SynthesizeStreamRequest(text=piece[start : start + MESSAGE_CHARACTERS])


async def _whole(speech: pb.Speech, text: AsyncIterator[str], *, ssml: bool) -> pb.SynthesizeRequest:
    whole = "".join([piece async for piece in text])
    return pb.SynthesizeRequest(speech=speech, input=pb.Input(ssml=whole) if ssml else pb.Input(text=whole))


async def _text(text: str) -> AsyncIterator[str]:
    yield text


async def _once(audio: bytes) -> AsyncIterator[bytes]:
    yield audio


async def _written() -> AsyncIterator[str]:
    """What comes on standard input, as it comes."""
    decoder = getincrementaldecoder("utf-8")(errors="replace")
    kind = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        yield sys.stdin.buffer.read().decode(errors="replace")
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while piece := await reader.read(PIECE_BYTES):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _is_stream(output: Path) -> bool:
    """Whether it is the standard output, a device or a pipe."""
    return output == Path("-") or (output.exists() and not output.is_file())


@contextmanager
def _opened(output: Path) -> Any:
    """A file that is there when it is whole; a device or a pipe is written to as it is, and stays one."""
    is_stream = _is_stream(output)
    unfinished = output if is_stream else output.with_name(f".{output.name}.part")
    try:
        with nullcontext(sys.stdout.buffer) if output == Path("-") else unfinished.open("wb") as file:
            yield file
        if not is_stream:
            unfinished.replace(output)
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror}") from error
    finally:
        if not is_stream:
            unfinished.unlink(missing_ok=True)
