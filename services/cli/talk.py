"""`ledge talk`: a conversation in a terminal, by microphone, from a recorded question, or typed."""

import asyncio
import contextlib
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from ledge.audio.v1 import audio_pb2
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.cli.audio_file import STANDARD_STREAM
from services.cli.local.config import LocalRunConfig
from services.cli.service_channel import service_channel
from services.cli.talking.conversation import Conversation
from services.cli.talking.devices import Microphone, microphone, speaker
from services.cli.talking.displays import People, Programs
from services.cli.talking.players import NoPlayer, Player, recorder
from services.cli.talking.spoken_file import SpokenFile, read_spoken_file
from services.cli.talking.typed_lines import typed_lines
from services.cli.terminal import open_console
from services.kit.errors import InvalidInput

TO_BEGIN, TO_END = "press Enter, then speak", "speak now, and press Enter when you are done"


def command(
    file: Annotated[
        Path | None,
        typer.Option(
            help="A recorded question, sent as if it were spoken now: WAV, FLAC, Ogg, MP3…; - for standard input."
        ),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Type the questions, one a line (or pipe them in); answers are read.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A WAV file for the answers, instead of the speaker.")
    ] = None,
    mute: Annotated[bool, typer.Option("--mute", help="Answers are only read.")] = False,
    push_to_talk: Annotated[
        bool, typer.Option("--push-to-talk", help="Enter begins what you say, and Enter ends it.")
    ] = False,
    language: Annotated[
        str, typer.Option(help="What you speak, and want to hear (BCP-47: en, es-MX…).", show_default="what is heard")
    ] = "",
    model: Annotated[
        str, typer.Option(help="Who answers: ledge-rag, from documents, or a chat model.", show_default="ledge-rag")
    ] = "",
    collection: Annotated[list[str] | None, typer.Option(help="Where to look; may be given more than once.")] = None,
    voice: Annotated[str, typer.Option(help="Who speaks: see `ledge voices`.", show_default="the default")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
    address: Annotated[str | None, typer.Option(help="Of the voice service.", show_default="the suite's")] = None,
) -> None:
    """Talk with your documents, by microphone and speaker. Ctrl-C ends the conversation.

    Speak whenever you like, also into an answer. Without headphones the microphone hears the answer: then take
    --push-to-talk. Where there is no microphone: --text, or --file.
    """
    if text and (file is not None or push_to_talk):
        raise InvalidInput("--text goes with neither --file nor --push-to-talk")
    if mute and output is not None:
        raise InvalidInput("--mute and -o contradict each other")
    if output == STANDARD_STREAM:
        raise InvalidInput("-o takes a file: what is said and answered is written to standard output")
    speaks = not mute and (not text or output is not None)
    session = pb.Session(
        model=model or None,
        language=language or None,
        speak=speaks,
        transcription=pb.Transcription(partials=True),
        turn_detection=pb.TurnDetection(kind=pb.TurnDetection.MANUAL if push_to_talk else pb.TurnDetection.SERVER),
        speaking=pb.Speaking(voice=voice),
        documents=pb.Documents(collections=collection or ()),
    )
    recorded = read_spoken_file(file) if file is not None else None
    talk = _talk(session, recorded, output, address, typed=text, speaks=speaks, push=push_to_talk, as_json=as_json)
    # By microphone there is no other way to end it.
    ends = contextlib.nullcontext() if text or recorded else contextlib.suppress(KeyboardInterrupt)
    with ends:
        if asyncio.run(talk):
            raise typer.Exit(1)


async def _talk(
    session: pb.Session,
    recorded: SpokenFile | None,
    output: Path | None,
    address: str | None,
    *,
    typed: bool,
    speaks: bool,
    push: bool,
    as_json: bool,
) -> int:
    """How many answers failed."""
    display = Programs() if as_json else People(open_console(), typed=typed)
    with ExitStack() as stack:
        stack.callback(display.close)
        heard = stack.enter_context(microphone()) if recorded is None and not typed else None
        player = _player(stack, output, speaks=speaks)
        rate_hz = recorded.rate_hz if recorded else heard.rate_hz if heard else 0
        if rate_hz:
            session.input_format.CopyFrom(audio_pb2.RawFormat(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=rate_hz))
        async with service_channel("voice", pb.DESCRIPTOR, LocalRunConfig.read(), address) as channel:
            conversation = Conversation(rpc.VoiceServiceStub(channel), session, player, display)
            if heard is not None:
                await conversation.run(lambda talk: _by_microphone(talk, heard, push=push))
            elif recorded is not None:
                await conversation.run(lambda talk: _by_file(talk, recorded, push=push))
                if not conversation.understood:
                    raise InvalidInput(f"no words were heard in {recorded.name}")
            else:
                await conversation.run(_by_keyboard)
            return conversation.failures


def _player(stack: ExitStack, output: Path | None, *, speaks: bool) -> Player:
    if output is not None:
        return stack.enter_context(recorder(output))
    return stack.enter_context(speaker()) if speaks else NoPlayer()


async def _by_keyboard(conversation: Conversation) -> None:
    async for line in typed_lines():
        if line.strip():
            await conversation.ask(line.strip())


async def _by_file(conversation: Conversation, recorded: SpokenFile, *, push: bool) -> None:
    async for piece in recorded.pieces((lambda: True) if push else conversation.is_quiet):
        await conversation.say(piece)
    if push:
        await conversation.end_turn()
        await conversation.answered()


async def _by_microphone(conversation: Conversation, heard: Microphone, *, push: bool) -> None:
    """Without an end of its own; where a key is pushed, the end of standard input is one."""
    if not push:
        async for piece in heard.pieces():
            await conversation.say(piece)
        return
    lines = typed_lines()
    pushed = False
    conversation.invite(TO_BEGIN)
    entered = asyncio.ensure_future(anext(lines, None))
    try:
        async for piece in heard.pieces():
            if entered.done():
                if entered.result() is None:
                    return
                entered = asyncio.ensure_future(anext(lines, None))
                pushed = not pushed
                conversation.invite(TO_END if pushed else TO_BEGIN)
                await (conversation.interrupt() if pushed else conversation.end_turn())
            if pushed:
                await conversation.say(piece)
    finally:
        entered.cancel()
