"""`/v1/audio/speech`: OpenAI's SDK hears what the voice says, while it says it."""

import asyncio
import base64
import json

import httpx
import numpy as np
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

from services.tts.engines.scripted import pitch_hz
from tests.gateway.suite import Suite, another_gateway, until
from tests.tts.asking import Samples, level_db, pcm, read_file

WORDS = "the pump house is tall"
RATE_HZ = 24_000


def heard_hz(samples: Samples) -> list[int]:
    """The pitches of the scripted voice's tones, one a word."""
    step, tone = RATE_HZ // 10, RATE_HZ * 80 // 1000
    found = []
    for start in range(0, len(samples) - tone, step):
        spectrum = np.abs(np.fft.rfft(samples[start : start + tone] * np.hanning(tone), 16 * tone))
        if spectrum.max() > 1:
            found.append(round(float(spectrum.argmax()) * RATE_HZ / (16 * tone) / 25) * 25)
    return found


def test_what_is_written_is_spoken(openai: OpenAI) -> None:
    speech = openai.audio.speech.create(model="tts-1", voice="alloy", input=WORDS, response_format="pcm")
    assert speech.response.headers["content-type"] == "audio/pcm"
    assert heard_hz(pcm(speech.content)) == [pitch_hz(word) for word in WORDS.split()]


@pytest.mark.parametrize(
    ("form", "media_type"), [("mp3", "audio/mpeg"), ("opus", "audio/ogg"), ("flac", "audio/flac"), ("wav", "audio/wav")]
)
def test_formats_hold_the_same_speech(openai: OpenAI, form: str, media_type: str) -> None:
    speech = openai.audio.speech.create(model="tts-1", voice="alloy", input=WORDS, response_format=form)  # type: ignore[arg-type]
    assert speech.response.headers["content-type"] == media_type
    samples, rate_hz = read_file(speech.content)
    assert rate_hz == RATE_HZ
    assert abs(len(samples) / rate_hz - 0.58) < 0.1
    assert level_db(samples) > -30


def test_mp3_is_what_comes_where_nothing_was_asked_for(openai: OpenAI) -> None:
    speech = openai.audio.speech.create(model="gpt-4o-mini-tts", voice="coral", input=WORDS, instructions="be kind")
    assert speech.response.headers["content-type"] == "audio/mpeg"


async def test_audio_comes_while_the_rest_is_still_spoken(async_openai: AsyncOpenAI, suite: Suite) -> None:
    endless = "word after word is spoken. " * 40_000
    async with async_openai.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=endless, response_format="pcm"
    ) as response:
        pieces = response.iter_bytes(4800)
        first = await anext(pieces)
        assert level_db(pcm(first)) > -30
        request_id = response.headers["x-request-id"]
    # A client that has heard enough ends the speaker's work.
    assert (await suite.call(suite.others["tts"], request_id))["code"] == "CANCELLED"


async def test_events_hold_the_same_audio(http: httpx.AsyncClient) -> None:
    body = {"model": "tts-1", "input": WORDS, "voice": "alloy", "response_format": "pcm"}
    whole = (await http.post("/v1/audio/speech", json=body)).content
    response = await http.post("/v1/audio/speech", json={**body, "stream_format": "sse"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(frame.removeprefix("data: ")) for frame in response.text.strip().split("\n\n")]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == whole


def test_speed_and_voices_are_kept(openai: OpenAI) -> None:
    def length_s(**fields: object) -> float:
        fields = {"voice": "alloy", **fields}
        speech = openai.audio.speech.create(model="", input=WORDS, response_format="pcm", **fields)  # type: ignore[arg-type]
        return len(speech.content) / 2 / RATE_HZ

    assert 0.4 < length_s(speed=2.0) / length_s() < 0.65
    for voice in ("nova", "tono", {"id": "loud-tone"}):
        assert length_s(voice=voice) == length_s()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"input": ""}, "input"),
        ({"input": "  "}, "no text"),
        ({"response_format": "aac"}, "ask for mp3"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 5}, "speed"),
        ({"voice": 7}, "voice"),
        ({"language": "es-ES", "voice": "tone"}, "speaks en-US"),
    ],
)
def test_what_cannot_be_spoken_is_told(openai: OpenAI, fields: dict[str, object], told: str) -> None:
    body = {"model": "tts-1", "voice": "alloy", "input": WORDS, **fields}
    with pytest.raises(BadRequestError, match=told):
        openai.post("/audio/speech", cast_to=httpx.Response, body=body)


@pytest.mark.parametrize("fields", [{"voice": "nobody"}, {"model": "other"}, {"language": "tlh", "voice": ""}])
def test_what_is_not_there_is_not_found(openai: OpenAI, fields: dict[str, object]) -> None:
    body = {"model": "tts-1", "voice": "alloy", "input": WORDS, **fields}
    with pytest.raises(NotFoundError):
        openai.post("/audio/speech", cast_to=httpx.Response, body=body)


def test_text_that_holds_nothing_to_speak_is_silence(openai: OpenAI) -> None:
    assert openai.audio.speech.create(model="", voice="alloy", input="🎉", response_format="pcm").content == b""


async def test_what_breaks_off_is_seen_to_break_off(suite: Suite) -> None:
    address = {"LEDGE_TTS_ADDRESS": suite.others["tts"].address}
    with another_gateway(suite, LEDGE_CALL_TIMEOUT_S="1", **address) as hurried:
        async with hurried.http() as http:
            body = {"input": "word after word is spoken. " * 40_000, "voice": "tone", "response_format": "pcm"}
            heard: list[bytes] = []

            async def listen() -> None:
                async with http.stream("POST", "/v1/audio/speech", json=body) as response:
                    assert response.status_code == 200
                    async for piece in response.aiter_bytes():
                        heard.append(piece)

            with pytest.raises(httpx.RemoteProtocolError):
                await listen()
            assert heard
            events = await http.post("/v1/audio/speech", json={**body, "stream_format": "sse"})
            assert (
                json.loads(events.text.strip().split("\n\n")[-1].removeprefix("data: "))["error"]["code"] == "too_slow"
            )
    assert not [entry for entry in hurried.gateway.log if "Traceback" in str(entry)]


@pytest.mark.parametrize("fields", [{}, {"stream_format": "sse"}, {"response_format": "flac"}])
async def test_a_client_that_leaves_ends_the_speaking(
    http: httpx.AsyncClient, suite: Suite, fields: dict[str, str]
) -> None:
    request_id = f"leaves-speech-{'-'.join(fields)}"
    endless = {"input": f"{WORDS}. " * 800, "response_format": "pcm", **fields}

    async def listen() -> None:
        async with http.stream("POST", "/v1/audio/speech", json=endless, headers={"x-request-id": request_id}):
            await asyncio.Event().wait()

    listening = asyncio.create_task(listen())
    await until(suite.others["tts"], 'ledge_calls_in_flight{service="tts"} 1.0')
    listening.cancel()
    assert (await suite.call(suite.others["tts"], request_id))["code"] == "CANCELLED"


async def test_the_voices_are_listed(http: httpx.AsyncClient) -> None:
    voices = (await http.get("/v1/audio/voices")).json()["voices"]
    assert {voice["id"] for voice in voices} == {"tone", "loud-tone", "tono"}
    assert all(voice["language"] and voice["licence"] for voice in voices)


async def test_a_suite_without_speech_says_so(suite: Suite) -> None:
    with another_gateway(suite) as silent:
        async with silent.http() as http:
            for response in (
                await http.post("/v1/audio/speech", json={"input": WORDS}),
                await http.get("/v1/audio/voices"),
                await http.post("/v1/audio/transcriptions", files={"file": b"x"}),
            ):
                assert response.status_code == 404
                assert "behind this gateway" in response.json()["error"]["message"]
