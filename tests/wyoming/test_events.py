"""What the protocol's own client gets: transcripts, audio, answers and information, in the protocol's order."""

from typing import Any

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from tests.asr.asking import pcm, speech
from tests.processes import ServiceProcess
from tests.riva.asking import TWO_UTTERANCES
from tests.wyoming.asking import FORMAT, audio_events, error_of, read_until, send, types
from tests.wyoming.conftest import NOWHERE, a_door, client_of

HEARD = "one two three four"
AUDIO = ["audio-start", "audio-chunk", "audio-stop"]
TEXT = "one two three. four five six. seven eight nine."


def spoken(events: list[Event]) -> bytes:
    return b"".join(event.payload or b"" for event in events)


async def test_describe_tells_what_is_behind_the_door(client: AsyncTcpClient) -> None:
    await send(client, SelectProgram("ledge"), Describe())
    told = Info.from_event((await read_until(client, "info"))[-1])
    (recognition,), (synthesis,) = told.asr, told.tts
    assert [(model.name, model.languages) for model in recognition.models] == [("scripted", ["en-US", "es-ES"])]
    assert (synthesis.voices[0].name, synthesis.voices[0].languages) == ("tone", ["en-US"])
    assert {voice.name for voice in synthesis.voices} == {"tone", "loud-tone", "tono"}
    assert recognition.supports_transcript_streaming
    assert synthesis.supports_synthesize_streaming
    assert recognition.installed
    assert told.handle == []


async def test_a_ping_is_answered_with_its_text(client: AsyncTcpClient) -> None:
    await send(client, Ping("here?"), Ping())
    assert Pong.from_event((await read_until(client, "pong"))[-1]).text == "here?"
    assert Pong.from_event((await read_until(client, "pong"))[-1]).text is None


async def test_audio_becomes_a_transcript_in_the_protocols_order(client: AsyncTcpClient) -> None:
    await send(client, Transcribe(language="en"), *audio_events(pcm(speech("capital"))))
    events = await read_until(client, "transcript-stop")
    assert types(events) == ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]
    transcript = Transcript.from_event(events[-2])
    assert (transcript.text, transcript.language) == (HEARD, "en-US")


async def test_utterances_stream_while_the_client_still_sends(client: AsyncTcpClient) -> None:
    start, *chunks, stop = audio_events(TWO_UTTERANCES)
    await send(client, start, *chunks)
    begun = await read_until(client, "transcript-chunk")
    await send(client, stop)
    ended = await read_until(client, "transcript-stop")
    chunk_texts = [event.data["text"] for event in [*begun, *ended] if event.type == "transcript-chunk"]
    assert len(chunk_texts) == 2
    assert "".join(chunk_texts) == Transcript.from_event(ended[-2]).text == "one two three four five one two three four"


async def test_a_connection_serves_one_request_after_another(client: AsyncTcpClient) -> None:
    for language, said in (("es", "uno dos tres cuatro"), (None, HEARD)):
        await send(client, Transcribe(language=language), *audio_events(pcm(speech("capital"))))
        assert Transcript.from_event((await read_until(client, "transcript-stop"))[-2]).text == said
    await send(client, Synthesize("one two three."), Synthesize("four."))
    first, second = [await read_until(client, "audio-stop") for _ in range(2)]
    assert len(spoken(first)) > len(spoken(second)) > 0


async def test_silence_is_an_empty_transcript(client: AsyncTcpClient) -> None:
    for audio in (b"", bytes(64_000)):
        await send(client, Transcribe(), *audio_events(audio))
        events = await read_until(client, "transcript-stop")
        assert types(events) == ["transcript-start", "transcript", "transcript-stop"]
        assert Transcript.from_event(events[-2]).text == ""


async def test_words_that_are_likely_are_heeded_or_left_out(client: AsyncTcpClient) -> None:
    asked = Transcribe(transcript_names=["Ledge", "x" * 65, " "], transcript_terms=["word"] * 200)
    await send(client, asked, *audio_events(pcm(speech("capital"))))
    # The scripted engine hears the words that it is told to expect.
    heard = Transcript.from_event((await read_until(client, "transcript-stop"))[-2]).text or ""
    assert set(heard.split()) == {"Ledge", "word"}


async def test_text_becomes_audio(client: AsyncTcpClient) -> None:
    await send(client, Synthesize(TEXT))
    events = await read_until(client, "audio-stop")
    assert types(events) == AUDIO
    assert (events[0].data["rate"], events[0].data["width"], events[0].data["channels"]) == (16_000, 2, 1)
    seconds = len(spoken(events)) / 32_000
    assert 0.9 <= seconds <= 1.5
    stamps = [AudioChunk.from_event(event).timestamp for event in events[1:-1]]
    assert stamps == sorted(stamps)  # type: ignore[type-var]


async def test_ssml_becomes_audio(client: AsyncTcpClient) -> None:
    await send(client, Synthesize('<speak>one<break time="1s"/>two</speak>', text_format="ssml"))
    events = await read_until(client, "audio-stop")
    assert types(events) == AUDIO
    assert len(spoken(events)) > 32_000


async def test_a_longer_text_than_a_call_takes_is_spoken_whole(client: AsyncTcpClient) -> None:
    words = 3000
    await send(client, Synthesize("eight " * words + "."))
    assert len(spoken(await read_until(client, "audio-stop"))) >= words * 3200 * 0.99


async def test_text_is_spoken_while_it_is_written(client: AsyncTcpClient) -> None:
    await send(client, SynthesizeStart(), SynthesizeChunk("one two three. fo"))
    begun = await read_until(client, "audio-chunk")
    # The whole text once more, for servers that do not stream: it must not be spoken twice.
    await send(client, SynthesizeChunk("ur five six."), Synthesize("one two three. four five six."), SynthesizeStop())
    ended = await read_until(client, "synthesize-stopped")
    assert types([*begun, *ended]) == [*AUDIO, "synthesize-stopped"]
    assert 0.6 <= len(spoken([*begun, *ended])) / 32_000 <= 1.1


async def test_ssml_is_spoken_when_it_is_whole(client: AsyncTcpClient) -> None:
    await send(
        client, SynthesizeStart(text_format="ssml"), SynthesizeChunk("<speak>one "), SynthesizeChunk("two</speak>")
    )
    await send(client, SynthesizeStop())
    events = await read_until(client, "synthesize-stopped")
    assert types(events) == [*AUDIO, "synthesize-stopped"]


@pytest.mark.parametrize(
    ("voice", "same_as"), [(SynthesizeVoice(name="tono"), "es"), (SynthesizeVoice(language="es"), "tono")]
)
async def test_voices_go_by_name_or_language(client: AsyncTcpClient, voice: SynthesizeVoice, same_as: str) -> None:
    await send(client, Synthesize("uno dos.", voice=voice))
    assert spoken(await read_until(client, "audio-stop"))


async def test_nothing_to_speak_is_audio_without_length(client: AsyncTcpClient) -> None:
    await send(client, Synthesize("🙂"))
    assert types(await read_until(client, "audio-stop")) == ["audio-start", "audio-stop"]


async def test_events_that_are_not_known_are_dropped(client: AsyncTcpClient) -> None:
    for kind in ("detect", "recognize", "run-satellite", "timer-started", "of-tomorrow"):
        await client.write_event(Event(kind, {"any": ["thing"]}, b"bytes"))
    await send(client, AudioStop(), SynthesizeStop(), Ping("still here"))
    assert types(await read_until(client, "pong")) == ["pong"]


@pytest.mark.parametrize(
    ("events", "code", "told"),
    [
        ([Transcribe(name="whisper-huge"), *audio_events(bytes(3200))], "NOT_FOUND", "whisper-huge"),
        ([Transcribe(language="tlh"), *audio_events(bytes(3200))], "INVALID_INPUT", "tlh"),
        ([AudioStart(192_000, 2, 1), AudioChunk(192_000, 2, 1, bytes(3200))], "INVALID_INPUT", "192000"),
        ([AudioStart(16_000, 3, 1)], "INVALID_INPUT", "3 bytes"),
        ([AudioStart(**FORMAT), AudioChunk(8000, 2, 1, bytes(320))], "INVALID_INPUT", "format"),
        ([Synthesize("")], "INVALID_INPUT", "no text"),
        ([Synthesize("one", voice=SynthesizeVoice(name="hal"))], "NOT_FOUND", "hal"),
        ([Synthesize("one", voice=SynthesizeVoice(language="tlh"))], "NOT_FOUND", "tlh"),
        ([Synthesize("one", text_format="rtf")], "INVALID_INPUT", "rtf"),
        ([Synthesize("<speak>one", text_format="ssml")], "INVALID_INPUT", ""),
        ([Synthesize("one"), Transcript("what?")], "NOT_READY", "cannot be reached"),
    ],
)
async def test_what_cannot_be_done_is_told_as_an_error(
    client: AsyncTcpClient, events: list[Any], code: str, told: str
) -> None:
    await send(client, *events)
    error = await error_of(client)
    assert (error.code, told in error.text) == (code, True), error


async def test_what_cannot_be_reached_is_left_out_of_the_information(tts: ServiceProcess) -> None:
    with a_door(NOWHERE, tts.address) as door:
        async with client_of(door) as client:
            await send(client, Describe())
            told = Info.from_event((await read_until(client, "info"))[-1])
            assert (len(told.asr), len(told.tts), len(told.handle)) == (0, 1, 0)
