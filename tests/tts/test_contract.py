"""What every tts engine promises, over gRPC."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from services.tts.encoding import OPUS_RATES_HZ
from tests.kit.serving import failure_of
from tests.processes import ServiceProcess
from tests.tts.asking import level_db, pcm, read_file, say, say_ssml, say_stream

SENTENCE = "The pump house stands beside the old reservoir."
SHORT = "The pump house is tall."
"""Short enough to be one piece in a stream as well."""
LONG = f"{SENTENCE} {SENTENCE} It was built long ago, and it is still in use today."
Stub = rpc.TtsServiceStub


async def test_the_voices_and_the_model_are_told(stub: Stub) -> None:
    listed = await stub.ListVoices(pb.ListVoicesRequest())
    assert listed.models[0].id
    assert all(voice.licence and voice.language and voice.sample_rate_hz for voice in listed.voices)
    languages = {voice.language for voice in listed.voices}
    assert sum(voice.default_of_language for voice in listed.voices) == len(languages)
    english = await stub.ListVoices(pb.ListVoicesRequest(language="en"))
    assert {voice.language[:2] for voice in english.voices} == {"en"}


async def test_text_becomes_audio_of_the_voices_rate(stub: Stub) -> None:
    answer = await say(stub, SENTENCE)
    assert answer.encoding == audio_pb2.PCM_S16LE
    samples = pcm(answer.audio)
    assert abs(len(samples) / answer.sample_rate_hz - answer.duration_ms / 1000) < 0.002
    assert level_db(samples) > -30


async def test_every_voice_is_equally_loud(stub: Stub) -> None:
    voices = (await stub.ListVoices(pb.ListVoicesRequest())).voices
    levels = [level_db(pcm((await say(stub, SENTENCE, voice=voice.id)).audio)) for voice in voices]
    assert max(levels) - min(levels) < 2.5, levels


async def test_loudness_does_not_change_within_an_answer(stub: Stub) -> None:
    alone = level_db(pcm((await say(stub, SENTENCE)).audio))
    later = pcm((await say(stub, LONG)).audio)
    assert abs(level_db(later[: len(later) // 2]) - alone) < 1.5
    assert abs(level_db(later[len(later) // 2 :]) - alone) < 1.5


async def test_a_stream_is_the_same_audio_however_its_text_is_cut(stub: Stub) -> None:
    whole = b""
    for size in (len(LONG), 7, 1):
        pieces = [LONG[start : start + size] for start in range(0, len(LONG), size)]
        streamed = [response async for response in say_stream(stub, pieces)]
        assert streamed[0].format.sample_rate_hz == (await say(stub, "a")).sample_rate_hz
        assert not any(response.HasField("format") for response in streamed[1:])
        whole = whole or b"".join(response.audio for response in streamed)
        assert b"".join(response.audio for response in streamed) == whole
        assert max(len(response.audio) for response in streamed) <= streamed[0].format.sample_rate_hz // 5


async def test_audio_starts_while_the_text_is_still_being_written(stub: Stub) -> None:
    heard = asyncio.Event()

    async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
        yield pb.SynthesizeStreamRequest(config=pb.Speech())
        yield pb.SynthesizeStreamRequest(text="Good morning to you, said the ")
        await heard.wait()
        yield pb.SynthesizeStreamRequest(text="pump house.")

    responses = []
    async for response in stub.SynthesizeStream(requests()):
        responses.append(response)
        heard.set()
    assert len(responses) > 2


async def test_a_flush_speaks_what_waits(stub: Stub) -> None:
    heard = asyncio.Event()

    async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
        yield pb.SynthesizeStreamRequest(config=pb.Speech())
        yield pb.SynthesizeStreamRequest(text="Good")
        yield pb.SynthesizeStreamRequest(flush=pb.Flush())
        await heard.wait()

    async for _ in stub.SynthesizeStream(requests()):
        heard.set()
    assert heard.is_set()


async def test_word_times_follow_each_other_within_the_audio(stub: Stub) -> None:
    answer = await say(stub, LONG, word_times=True)
    assert [word.text.lower() for word in answer.words][:4] == ["the", "pump", "house", "stands"]
    times = [time for word in answer.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= answer.duration_ms
    streamed = [r async for r in say_stream(stub, [LONG], word_times=True)]
    assert [w.text for r in streamed for w in r.words] == [word.text for word in answer.words]
    assert not (await say(stub, SENTENCE)).words


@pytest.mark.parametrize(
    ("encoding", "rate_hz"),
    [
        (audio_pb2.WAV, 0),
        (audio_pb2.WAV, 48_000),
        (audio_pb2.FLAC, 22_050),
        (audio_pb2.OGG_OPUS, 24_000),
        (audio_pb2.MP3, 44_100),
    ],
)
async def test_files_hold_the_same_speech(stub: Stub, encoding: audio_pb2.Encoding.ValueType, rate_hz: int) -> None:
    raw = await say(stub, SENTENCE)
    answer = await say(stub, SENTENCE, encoding=encoding, sample_rate_hz=rate_hz)
    samples, read_hz = read_file(answer.audio)
    assert read_hz == answer.sample_rate_hz == (rate_hz or raw.sample_rate_hz)
    assert abs(len(samples) / read_hz - raw.duration_ms / 1000) < 0.1
    assert abs(level_db(samples) - level_db(pcm(raw.audio))) < 2


@pytest.mark.parametrize("encoding", [audio_pb2.MULAW, audio_pb2.ALAW])
async def test_telephones_get_a_byte_a_sample(stub: Stub, encoding: audio_pb2.Encoding.ValueType) -> None:
    answer = await say(stub, SHORT, encoding=encoding, sample_rate_hz=8000)
    assert abs(len(answer.audio) / 8000 - answer.duration_ms / 1000) < 0.002
    streamed = [r async for r in say_stream(stub, [SHORT], encoding=encoding, sample_rate_hz=8000)]
    assert abs(len(b"".join(r.audio for r in streamed)) - len(answer.audio)) < 80


async def test_opus_takes_the_next_rate_that_it_has(stub: Stub) -> None:
    voice = (await stub.ListVoices(pb.ListVoicesRequest())).voices[0]
    answer = await say(stub, SENTENCE, encoding=audio_pb2.OGG_OPUS)
    assert answer.sample_rate_hz == min(rate for rate in OPUS_RATES_HZ if rate >= voice.sample_rate_hz)


async def test_a_stream_of_wav_has_one_header(stub: Stub) -> None:
    streamed = [r async for r in say_stream(stub, [SHORT], encoding=audio_pb2.WAV)]
    audio = b"".join(response.audio for response in streamed)
    assert audio[:4] == b"RIFF"
    assert audio[44:] == (await say(stub, SHORT)).audio


@pytest.mark.parametrize("rate_hz", [0, 48_000])
@pytest.mark.parametrize("encoding", [audio_pb2.OGG_OPUS, audio_pb2.MP3])
async def test_compressed_streams_can_be_played_while_they_are_made(
    stub: Stub, encoding: audio_pb2.Encoding.ValueType, rate_hz: int
) -> None:
    raw = await say(stub, SHORT)
    streamed = [r async for r in say_stream(stub, [SHORT], encoding=encoding, sample_rate_hz=rate_hz)]
    samples, read_hz = read_file(b"".join(response.audio for response in streamed))
    assert read_hz == streamed[0].format.sample_rate_hz
    assert abs(len(samples) / read_hz - raw.duration_ms / 1000) < 0.15
    assert abs(level_db(samples) - level_db(pcm(raw.audio))) < 2
    # Every tenth of a second leaves when it is made: nothing waits for a page or a buffer to be full.
    assert len(streamed) >= raw.duration_ms // 100 - 1
    early = b"".join(response.audio for response in streamed[: len(streamed) // 2])
    assert len(read_file(early)[0]) > 0.25 * len(samples)


async def test_twice_the_rate_takes_half_the_time(stub: Stub) -> None:
    normal, fast, slow = [(await say(stub, SENTENCE, rate=rate)).duration_ms for rate in (1.0, 2.0, 0.5)]
    assert 0.4 < fast / normal < 0.65
    assert 1.6 < slow / normal < 2.2


async def test_a_break_is_silence(stub: Stub) -> None:
    parts = [f"<speak>{SENTENCE}{pause}{SENTENCE}</speak>" for pause in (" ", '<break time="1500ms"/>')]
    without, with_break = [(await say_ssml(stub, part)).duration_ms for part in parts]
    assert abs(with_break - without - 1500) < 400
    samples = pcm((await say_ssml(stub, '<speak>One<break time="2s"/>two</speak>')).audio)
    longest = max(len(run) for run in "".join("x" if abs(s) > 0.01 else " " for s in samples[::16]).split("x"))
    assert longest >= 1900


async def test_prosody_changes_loudness_and_pace(stub: Stub) -> None:
    plain = await say_ssml(stub, f"<speak>{SENTENCE}</speak>")
    quiet = await say_ssml(stub, f'<speak><prosody volume="-12dB" rate="50%">{SENTENCE}</prosody></speak>')
    assert quiet.duration_ms > 1.5 * plain.duration_ms
    assert 8 < level_db(pcm(plain.audio)) - level_db(pcm(quiet.audio)) < 16


async def test_what_is_not_there_is_told(stub: Stub) -> None:
    for fields in ({"voice": "nobody"}, {"language": "tlh"}, {"model": "other"}):
        assert (await failure_of(say(stub, SENTENCE, **fields))).code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "fields",
    [
        {"sample_rate_hz": 7999},
        {"sample_rate_hz": 192_000},
        {"encoding": 99},
        {"encoding": audio_pb2.OGG_OPUS, "sample_rate_hz": 22_050},
        {"encoding": audio_pb2.MP3, "sample_rate_hz": 23_456},
        {"rate": 0.0},
        {"rate": 5.0},
        {"rate": float("nan")},
        {"voice": "first", "language": "tlh"},
    ],
)
async def test_options_out_of_range_are_the_callers_fault(stub: Stub, fields: dict[str, object]) -> None:
    if fields.get("voice") == "first":
        fields = {**fields, "voice": (await stub.ListVoices(pb.ListVoicesRequest())).voices[0].id}
    assert (await failure_of(say(stub, SENTENCE, **fields))).code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", ["", "  \n", "a" * 20_001, "word " * 200_000])
async def test_no_text_and_too_much_are_the_callers_fault(stub: Stub, text: str) -> None:
    assert (await failure_of(say(stub, text))).code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", ["🎉🎉", "...", "```\ncode()\n```", "[1][2]"])
async def test_where_nothing_can_be_spoken_the_audio_is_empty(stub: Stub, text: str) -> None:
    answer = await say(stub, text)
    assert answer.audio == b""
    assert answer.duration_ms == 0
    (response,) = [r async for r in say_stream(stub, [text])]
    assert response.audio == b""
    assert response.format.sample_rate_hz


async def test_a_stream_begins_with_its_config_and_has_one(stub: Stub) -> None:
    async def only(*kinds: pb.SynthesizeStreamRequest) -> None:
        async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
            for kind in kinds:
                yield kind

        async for _ in stub.SynthesizeStream(requests()):
            pass

    config, text = pb.SynthesizeStreamRequest(config=pb.Speech()), pb.SynthesizeStreamRequest(text="Good day.")
    flac = pb.SynthesizeStreamRequest(config=pb.Speech(encoding=audio_pb2.FLAC))
    megabyte = pb.SynthesizeStreamRequest(text="word " * 200_000)
    for kinds in ((), (text,), (config, text, config), (flac, text), (config, megabyte)):
        assert (await failure_of(only(*kinds))).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_answer_larger_than_a_message_is_refused_and_named(stub: Stub) -> None:
    ssml = "<speak>" + "Word<break time='10s'/>" * 40 + "</speak>"
    failure = await failure_of(say_ssml(stub, ssml, sample_rate_hz=48_000))
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "SynthesizeStream" in str(failure.details())


async def test_a_caller_that_goes_away_leaves_its_place(stub: Stub, tts: ServiceProcess) -> None:
    endless = f"{SENTENCE} " * 300
    calls = [stub.Synthesize(pb.SynthesizeRequest(input=pb.Input(text=endless))) for _ in range(8)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    answer = await asyncio.wait_for(say(stub, SENTENCE), 5)
    assert level_db(pcm(answer.audio)) > -30


async def test_all_of_many_callers_get_their_own(stub: Stub) -> None:
    texts = [f"Reading number {number} of the {'north' if number % 2 else 'south'} meter." for number in range(32)]
    alone = [(await say(stub, text)).audio for text in texts]
    assert len(set(alone)) > 0.8 * len(texts)
    together = await asyncio.gather(*(say(stub, text) for text in texts * 2))
    assert [answer.audio for answer in together] == alone * 2
    assert np.isfinite(pcm(together[0].audio)).all()
