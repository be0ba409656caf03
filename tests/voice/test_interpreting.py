"""TranslateSpeech: speech of one language in, text and speech of another out, while the speaker talks."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from ledge.audio.v1 import audio_pb2
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.kit.errors import retry_delay_s
from services.tts.engines.scripted import TONE_MS, pitch_hz
from tests.asr.asking import PCM_16K, pcm, silence, speech
from tests.processes import ServiceProcess, service
from tests.translation.conftest import need_apertium

ENGLISH = {"source_language": "en", "target_language": "es", "input_format": PCM_16K}
TWO_UTTERANCES = pcm(speech("capital")) + pcm(silence(1.5)) + pcm(speech("window")) + pcm(silence(0.2))
NOWHERE = "127.0.0.1:1"
RATE_HZ = 24_000
FREED_S = 0.2
MANY = 40
"""Utterances, whose audio in and out has some 10 MB."""


@pytest.fixture(scope="module")
def peers() -> Iterator[dict[str, ServiceProcess]]:
    with (
        service("asr", LEDGE_ENGINE="scripted") as asr,
        service("tts", LEDGE_ENGINE="scripted") as tts,
        service("translation", LEDGE_ENGINE="scripted") as translation,
    ):
        yield {"asr": asr, "tts": tts, "translation": translation}


def addresses(peers: dict[str, ServiceProcess]) -> dict[str, str]:
    return {f"LEDGE_{name.upper()}_ADDRESS": peer.address for name, peer in peers.items()}


@pytest.fixture(scope="module")
def voice(peers: dict[str, ServiceProcess]) -> Iterator[ServiceProcess]:
    with service("voice", **addresses(peers)) as running:
        yield running


@pytest.fixture
async def stub(voice: ServiceProcess) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(voice.address) as channel:
        yield rpc.VoiceServiceStub(channel)


async def requests(audio: bytes, piece_bytes: int = 3200, **config: Any) -> AsyncIterator[pb.TranslateSpeechRequest]:
    yield pb.TranslateSpeechRequest(config=pb.TranslateSpeechConfig(**{**ENGLISH, **config}))
    for start in range(0, len(audio), piece_bytes):
        yield pb.TranslateSpeechRequest(audio=audio[start : start + piece_bytes])


async def told(stub: Any, audio: bytes, **config: Any) -> list[pb.TranslateSpeechResponse]:
    return [response async for response in stub.TranslateSpeech(requests(audio, **config))]


def of(responses: list[pb.TranslateSpeechResponse], kind: str) -> list[Any]:
    return [getattr(response, kind) for response in responses if response.WhichOneof("event") == kind]


def spoken_words(audio: bytes, words: list[str], rate_hz: int = RATE_HZ) -> list[str]:
    """What of these words is heard, in order: the scripted voice has a pitch for each."""
    samples = np.frombuffer(audio, "<i2").astype(np.float32)
    size = rate_hz * TONE_MS // 1000 // 2
    heard: list[str] = []
    for start in range(0, len(samples) - size, size // 2):
        piece = samples[start : start + size]
        if np.abs(piece).max() < 500:
            heard.append("")
            continue
        loudest_hz = float(np.argmax(np.abs(np.fft.rfft(piece * np.hanning(size), rate_hz))))
        heard += [word for word in words if abs(pitch_hz(word) - loudest_hz) < 12]
    changed = [word for before, word in zip(["", *heard], heard, strict=False) if word != before]
    return [word for word in changed if word]


async def rest(call: Any) -> list[pb.TranslateSpeechResponse]:
    responses = []
    while (response := await call.read()) is not grpc.aio.EOF:
        responses.append(response)
    return responses


async def refusal(stub: Any, audio: bytes = b"", **config: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await told(stub, audio, **config)
    return refused.value


async def test_each_utterance_is_told_with_its_translation_in_order(stub: Any) -> None:
    responses = await told(stub, TWO_UTTERANCES)
    finals = of(responses, "final")
    assert [(final.index, final.source_language, final.language) for final in finals] == [
        (0, "en", "es"),
        (1, "en", "es"),
    ]
    assert [final.source_text.split()[:3] for final in finals] == [["one", "two", "three"]] * 2
    assert [final.text.split()[:3] for final in finals] == [["uno", "dos", "tres"]] * 2
    assert all(final.stable_characters == len(final.text) and final.start_ms < final.end_ms for final in finals)
    assert [response.WhichOneof("event") for response in responses] == [
        *["speech_started", "speech_stopped", "final"] * 2,
        "end",
    ]
    assert [event.item_id for event in of(responses, "speech_started")] == ["0", "1"]
    assert responses[-1].end.utterances == 2
    assert responses[-1].end.heard_ms == len(TWO_UTTERANCES) // 32


async def test_while_the_speaker_talks_what_is_stable_is_translated(stub: Any) -> None:
    call = stub.TranslateSpeech()
    await call.write(pb.TranslateSpeechRequest(config=pb.TranslateSpeechConfig(**ENGLISH, partials=True)))
    heard: list[Any] = []
    audio = pcm(speech("meeting"))
    for start in range(0, len(audio), 16_000):
        await call.write(pb.TranslateSpeechRequest(audio=audio[start : start + 16_000]))
    while not any(response.partial.text for response in heard):
        heard.append(await call.read())
    await call.done_writing()
    heard += await rest(call)
    partials = of(heard, "partial")
    assert all(partial.index == 0 and partial.language == "es" for partial in partials)
    (final,) = of(heard, "final")
    for partial in partials:
        assert final.source_text.startswith(partial.source_text)
        assert final.text.startswith(partial.text)
        assert partial.stable_characters <= len(partial.text)
    order = [response.WhichOneof("event") for response in heard]
    assert "partial" not in order[order.index("speech_stopped") :]


async def test_without_being_asked_for_no_partial_results_come(stub: Any) -> None:
    assert of(await told(stub, TWO_UTTERANCES), "partial") == []


async def test_translations_are_spoken_utterance_by_utterance(stub: Any) -> None:
    responses = await told(stub, TWO_UTTERANCES, speak=True)
    audio = of(responses, "audio")
    assert {(piece.encoding, piece.sample_rate_hz) for piece in audio} == {(audio_pb2.PCM_S16LE, RATE_HZ)}
    assert all(len(piece.audio) <= RATE_HZ // 10 * 2 for piece in audio)
    assert [piece.index for piece in audio] == sorted(piece.index for piece in audio)
    for final in of(responses, "final"):
        spoken = b"".join(piece.audio for piece in audio if piece.index == final.index)
        assert spoken_words(spoken, final.text.split()) == final.text.split()
    order = [(response.WhichOneof("event"), response.audio.index) for response in responses]
    assert order.index(("final", 0)) < order.index(("audio", 0))
    assert responses[-1].WhichOneof("event") == "end"


@pytest.mark.parametrize(("encoding", "rate_hz", "sample_bytes"), [("MULAW", 8000, 1), ("PCM_S16LE", 16_000, 2)])
async def test_the_audio_is_in_the_form_asked_for(stub: Any, encoding: str, rate_hz: int, sample_bytes: int) -> None:
    speaking = pb.Speaking(voice="tono", encoding=encoding, sample_rate_hz=rate_hz)
    pieces = of(await told(stub, pcm(speech("capital")), speak=True, speaking=speaking), "audio")
    assert {(piece.encoding, piece.sample_rate_hz) for piece in pieces} == {
        (audio_pb2.Encoding.Value(encoding), rate_hz)
    }
    spoken_s = sum(len(piece.audio) for piece in pieces) / sample_bytes / rate_hz
    assert 0.35 < spoken_s < 0.6, "four words, each a tenth of a second"


async def test_a_language_that_is_heard_is_the_source(stub: Any) -> None:
    (final,) = of(await told(stub, pcm(speech("capital")), source_language=""), "final")
    assert final.source_language == "en-US"
    assert final.text == "uno dos tres cuatro"


async def test_who_speaks_the_target_language_already_is_not_translated(stub: Any) -> None:
    (final,) = of(await told(stub, pcm(speech("capital")), source_language="", target_language="en-GB"), "final")
    assert (final.text, final.language, final.untranslated) == (final.source_text, "en-US", "")


async def test_what_is_said_in_a_language_without_a_pair_is_told_and_the_stream_goes_on(
    peers: dict[str, ServiceProcess], tmp_path: Path
) -> None:
    pytest.importorskip("sentencepiece")
    from services.cli.bench.random_translator import SHAPES, make_translator
    from services.cli.bench.random_whisper import make_catalogue

    made = tmp_path / "toy-de-es"
    make_translator(made, "marian", SHAPES["micro"])
    settings = make_catalogue(tmp_path, [made], "translation", "ctranslate2")
    settings |= {"LEDGE_ENGINE": "ctranslate2", "LEDGE_MODEL": made.name}
    with (
        service("translation", **settings) as german,
        service("voice", **addresses({**peers, "translation": german})) as running,
    ):
        async with grpc.aio.insecure_channel(running.address) as channel:
            stub = rpc.VoiceServiceStub(channel)
            responses = await told(stub, TWO_UTTERANCES, source_language="", speak=True)
            assert (await refusal(stub, source_language="en")).code() is grpc.StatusCode.NOT_FOUND
    finals = of(responses, "final")
    assert [(final.text, final.source_language) for final in finals] == [("", "en-US")] * 2
    assert all("en-US" in final.untranslated for final in finals)
    assert of(responses, "audio") == []


async def test_protected_terms_stay(stub: Any) -> None:
    (final,) = of(await told(stub, pcm(speech("capital")), protected_terms={"two": "zwei", "three": ""}), "final")
    assert final.text == "uno zwei three cuatro"


async def test_noise_without_words_is_a_final_without_words(stub: Any) -> None:
    said = speech("window")
    begins = int(np.argmax(np.abs(said) > 0.05))
    responses = await told(stub, pcm(said[begins : begins + 3200]), speak=True)
    assert [(final.source_text, final.text) for final in of(responses, "final")] == [("", "")]
    assert of(responses, "audio") == []


async def test_silence_is_told_as_nothing_but_its_end(stub: Any) -> None:
    (only,) = await told(stub, pcm(silence(1)))
    assert (only.end.heard_ms, only.end.utterances) == (1000, 0)


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ({"target_language": ""}, grpc.StatusCode.INVALID_ARGUMENT, "target_language"),
        ({"target_language": "tlh"}, grpc.StatusCode.NOT_FOUND, "tlh"),
        ({"source_language": "", "target_language": "tlh"}, grpc.StatusCode.NOT_FOUND, "tlh"),
        ({"source_language": "de"}, grpc.StatusCode.NOT_FOUND, "de"),
        ({"input_format": None}, grpc.StatusCode.INVALID_ARGUMENT, "sample rate"),
        ({"silence_ms": 20}, grpc.StatusCode.INVALID_ARGUMENT, "20 ms"),
        ({"transcription": pb.Transcription(model="whisper-9")}, grpc.StatusCode.NOT_FOUND, "whisper-9"),
        ({"speak": True, "speaking": pb.Speaking(voice="nobody")}, grpc.StatusCode.NOT_FOUND, "nobody"),
        ({"speak": True, "speaking": pb.Speaking(voice="tone")}, grpc.StatusCode.INVALID_ARGUMENT, "tone"),
        ({"speak": True, "speaking": pb.Speaking(encoding="MP3")}, grpc.StatusCode.INVALID_ARGUMENT, "PCM_S16LE"),
        ({"speak": True, "speaking": pb.Speaking(rate=9)}, grpc.StatusCode.INVALID_ARGUMENT, "rate"),
    ],
)
async def test_what_cannot_be_interpreted_is_refused_before_anything_is_said(
    stub: Any, config: dict[str, Any], code: grpc.StatusCode, said: str
) -> None:
    refused = await refusal(stub, **config)
    assert refused.code() is code
    assert said in (refused.details() or "")


async def test_a_stream_has_one_config_and_begins_with_it(stub: Any) -> None:
    config = pb.TranslateSpeechRequest(config=pb.TranslateSpeechConfig(**ENGLISH))

    async def of_these(*messages: pb.TranslateSpeechRequest) -> AsyncIterator[pb.TranslateSpeechRequest]:
        for message in messages:
            yield message

    for given in (of_these(), of_these(pb.TranslateSpeechRequest(audio=b"xx")), of_these(config, config)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in stub.TranslateSpeech(given):
                pass
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_streams_side_by_side_hear_and_say_only_their_own(stub: Any) -> None:
    lengths_ms = [900, 1400, 1900, 2400] * 3

    async def one(length_ms: int) -> None:
        said = np.tile(speech("meeting"), 2)[: 16 * length_ms]
        responses = await told(stub, pcm(said), speak=True)
        (final,) = of(responses, "final")
        words = final.text.split()
        assert len(words) == len(final.source_text.split())
        assert abs(len(words) * 500 - length_ms) < 800
        audio = b"".join(piece.audio for piece in of(responses, "audio"))
        assert spoken_words(audio, words) == words

    await asyncio.gather(*map(one, lengths_ms))


async def test_a_client_that_reads_late_loses_nothing(stub: Any) -> None:
    """More responses than the service keeps, and more audio than it has made before it is read."""
    call = stub.TranslateSpeech()
    speaking = pb.Speaking(rate=0.25, sample_rate_hz=48_000)
    config = pb.TranslateSpeechConfig(**ENGLISH, speak=True, speaking=speaking)
    await call.write(pb.TranslateSpeechRequest(config=config))
    for _ in range(MANY):
        await call.write(pb.TranslateSpeechRequest(audio=pcm(speech("capital")) + pcm(silence(0.8))))
    await call.done_writing()
    responses = await rest(call)
    finals, audio = of(responses, "final"), of(responses, "audio")
    assert [final.index for final in finals] == list(range(MANY))
    assert [piece.index for piece in audio] == sorted(piece.index for piece in audio)
    lengths = {index: sum(len(piece.audio) for piece in audio if piece.index == index) for index in range(MANY)}
    assert min(lengths.values()) == max(lengths.values()) > 48_000
    assert responses[-1].end.utterances == MANY


async def _endless() -> AsyncIterator[pb.TranslateSpeechRequest]:
    async for request in requests(pcm(speech("meeting")), partials=True, speak=True):
        yield request
    await asyncio.Event().wait()


async def test_a_client_that_vanishes_frees_its_place_here_and_below_within_200_ms(
    peers: dict[str, ServiceProcess],
) -> None:
    """There is one place, in voice and in asr, so that who is let in shows that both are free."""
    with (
        service("asr", LEDGE_ENGINE="scripted", LEDGE_MAX_STREAMS="1") as asr,
        service("voice", **addresses({**peers, "asr": asr}), LEDGE_MAX_INTERPRETATIONS="1") as narrow,
    ):
        async with grpc.aio.insecure_channel(narrow.address) as channel:
            stub = rpc.VoiceServiceStub(channel)
            vanished = stub.TranslateSpeech(_endless())
            assert (await vanished.read()).HasField("speech_started")
            refused = await refusal(stub)
            assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert retry_delay_s(refused.trailing_metadata())
            vanished.cancel()
            gone_s = time.monotonic()
            while await refused_for_now(stub):
                assert time.monotonic() - gone_s < 5
            assert time.monotonic() - gone_s < FREED_S


async def refused_for_now(stub: Any) -> bool:
    try:
        await told(stub, pcm(silence(0.1)))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return True
    return False


@pytest.mark.parametrize("missing", ["asr", "translation", "tts"])
async def test_a_service_that_is_down_is_told_as_such(peers: dict[str, ServiceProcess], missing: str) -> None:
    there = {**addresses(peers), f"LEDGE_{missing.upper()}_ADDRESS": NOWHERE}
    with service("voice", **there) as lonely:
        async with grpc.aio.insecure_channel(lonely.address) as channel:
            refused = await refusal(rpc.VoiceServiceStub(channel), pcm(speech("capital")), speak=True)
    assert refused.code() is grpc.StatusCode.UNAVAILABLE


async def test_what_dies_in_the_middle_ends_the_stream_with_its_reason(peers: dict[str, ServiceProcess]) -> None:
    with (
        service("translation", LEDGE_ENGINE="scripted") as dying,
        service("voice", **addresses({**peers, "translation": dying})) as running,
    ):
        async with grpc.aio.insecure_channel(running.address) as channel:
            call = rpc.VoiceServiceStub(channel).TranslateSpeech()
            await call.write(pb.TranslateSpeechRequest(config=pb.TranslateSpeechConfig(**ENGLISH)))
            await call.write(pb.TranslateSpeechRequest(audio=pcm(speech("capital"))))
            assert (await call.read()).HasField("speech_started")
            dying.kill()
            await call.done_writing()
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await rest(call)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_english_is_interpreted_in_spanish_by_the_real_engines() -> None:
    need_apertium()
    pytest.importorskip("pocketsphinx")
    with (
        service("asr", LEDGE_ENGINE="pocketsphinx") as asr,
        service("translation", LEDGE_ENGINE="apertium") as translation,
        service("voice", LEDGE_ASR_ADDRESS=asr.address, LEDGE_TRANSLATION_ADDRESS=translation.address) as running,
    ):
        async with grpc.aio.insecure_channel(running.address) as channel:
            audio = pcm(speech("window")) + pcm(silence(1)) + pcm(speech("meeting"))
            responses = await told(rpc.VoiceServiceStub(channel), audio, partials=True)
    finals = of(responses, "final")
    assert len(finals) == 2
    assert "ventana" in finals[0].text
    assert "mañana" in finals[1].text
