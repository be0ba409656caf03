"""`/v1/audio/transcriptions`: OpenAI's SDK reads what was said, in all its forms."""

import asyncio
import re

import httpx
import numpy as np
import pytest
from openai import AsyncOpenAI, AuthenticationError, OpenAI

from tests.asr.asking import file_of, silence, speech
from tests.gateway.suite import Suite, another_gateway, until

SAID = file_of(np.concatenate([speech("window"), silence(2), speech("meeting")]))
"""Two utterances; the scripted engine hears a numeral in each half second of them."""
FILE = ("said.wav", SAID, "audio/wav")


def test_a_file_is_written_down(openai: OpenAI) -> None:
    transcript = openai.audio.transcriptions.create(model="whisper-1", file=FILE)
    assert transcript.text.startswith("one two three")
    assert transcript.usage is not None
    assert transcript.usage.type == "duration"
    assert 5 <= transcript.usage.seconds <= 8


def test_segments_and_words_have_their_times(openai: OpenAI) -> None:
    transcript = openai.audio.transcriptions.create(
        model="scripted", file=FILE, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert transcript.segments is not None
    assert transcript.words is not None
    first, second = transcript.segments
    assert first.end < second.start
    assert transcript.text == f"{first.text} {second.text}"
    assert " ".join(word.word for word in transcript.words) == transcript.text
    assert transcript.words[0].start < first.end < transcript.words[-1].start <= transcript.duration
    assert (transcript.language, first.avg_logprob) == ("en-US", 0.0)
    segments_alone = openai.audio.transcriptions.create(model="", file=FILE, response_format="verbose_json")
    assert segments_alone.words is None
    assert segments_alone.segments == transcript.segments


def test_subtitles_are_timed(openai: OpenAI) -> None:
    srt = openai.audio.transcriptions.create(model="", file=FILE, response_format="srt")
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\none two", srt)
    assert "\n\n2\n00:00:0" in srt
    vtt = openai.audio.transcriptions.create(model="", file=FILE, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:0")
    text = openai.audio.transcriptions.create(model="", file=FILE, response_format="text")
    assert text == openai.audio.transcriptions.create(model="", file=FILE).text + "\n"


def test_a_stream_tells_each_utterance(openai: OpenAI) -> None:
    whole = openai.audio.transcriptions.create(model="", file=FILE).text
    *deltas, done = list(openai.audio.transcriptions.create(model="", file=FILE, stream=True))
    assert [delta.type for delta in deltas] == ["transcript.text.delta"] * 2
    assert "".join(delta.delta for delta in deltas if delta.type == "transcript.text.delta") == whole
    assert done.type == "transcript.text.done"
    assert done.text == whole


def test_the_language_can_be_chosen_and_a_prompt_guides(openai: OpenAI) -> None:
    spanish = openai.audio.transcriptions.create(model="", file=FILE, language="es")
    assert spanish.text.startswith("uno dos tres")
    guided = openai.audio.transcriptions.create(model="", file=FILE, language="es", prompt="Bomba, Łódź; " * 200)
    # The scripted engine hears the words that it is told to expect.
    assert set(guided.text.split()) == {"Bomba", "Łódź"}


async def test_a_translation_is_in_english(http: httpx.AsyncClient) -> None:
    for form in ("json", "verbose_json"):
        fields = {"model": "whisper-1", "response_format": form}
        response = await http.post("/v1/audio/translations", files={"file": FILE}, data=fields)
        assert response.json()["text"].startswith("one two")
    assert response.json()["task"] == "translate"
    assert response.json()["segments"]


def test_silence_is_an_empty_transcript(openai: OpenAI) -> None:
    quiet = ("quiet.wav", file_of(silence(2)))
    assert openai.audio.transcriptions.create(model="", file=quiet).text == ""
    assert openai.audio.transcriptions.create(model="", file=quiet, response_format="srt") == ""
    (done,) = openai.audio.transcriptions.create(model="", file=quiet, stream=True)
    assert done.type == "transcript.text.done"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"timestamp_granularities[]": "word"}, "verbose_json"),
        ({"stream": "true", "response_format": "srt"}, "stream"),
        ({"temperature": "3"}, "temperature"),
        ({"language": "tlh"}, "tlh"),
        ({"include[]": "logprobs"}, "logprob"),
        ({"known_speaker_names[]": "Ada"}, "speakers"),
        ({"chunking_strategy": '{"type": "server_vad"}'}, "chunking_strategy"),
        ({"prompt": "x" * 70_000}, "form"),
    ],
)
async def test_what_cannot_be_honoured_is_told(http: httpx.AsyncClient, fields: dict[str, str], told: str) -> None:
    response = await http.post("/v1/audio/transcriptions", files={"file": FILE}, data=fields)
    assert response.status_code == 400
    assert told in response.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"nonsense", SAID[:30], b"RIFF" + bytes(100), SAID[:-5000]], ids=len)
async def test_what_is_no_audio_is_told(http: httpx.AsyncClient, content: bytes) -> None:
    for fields in ({}, {"stream": "true"}):
        response = await http.post("/v1/audio/transcriptions", files={"file": ("x.wav", content)}, data=fields)
        assert response.status_code == 400, response.text
        assert response.json()["error"]["message"]


async def test_a_form_without_a_file_and_no_form_at_all_are_told(http: httpx.AsyncClient) -> None:
    for response in (
        await http.post("/v1/audio/transcriptions", data={"file": "x"}),
        await http.post("/v1/audio/transcriptions", json={"file": "x"}),
        await http.post("/v1/audio/transcriptions", files={"other": FILE}),
        await http.post("/v1/audio/transcriptions", files=[("file", FILE), ("file", FILE)]),
    ):
        assert response.status_code == 400
    response = await http.post("/v1/audio/translations", files={"file": FILE}, data={"stream": "true"})
    assert response.status_code == 400
    assert (await http.post("/v1/audio/transcriptions", files={"file": FILE}, data={"model": "x"})).status_code == 404


async def test_too_large_a_file_and_pages_of_others_are_refused(suite: Suite) -> None:
    services = suite.others
    address = {"LEDGE_ASR_ADDRESS": services["asr"].address}
    with another_gateway(suite, LEDGE_MAX_AUDIO_BYTES="100000", **address) as small:
        async with small.http() as http:
            path = "/v1/audio/transcriptions"
            assert (await http.post(path, files={"file": FILE})).status_code == 413
            little = ("x.wav", file_of(silence(1)))
            assert (await http.post(path, files={"file": little})).status_code == 200
            other = {"origin": "https://elsewhere.example"}
            assert (await http.post(path, files={"file": little}, headers=other)).status_code == 403


async def test_a_file_may_be_larger_than_other_messages(http: httpx.AsyncClient) -> None:
    long = file_of(np.concatenate([speech("window"), silence(600)]))
    assert len(long) > 18 * 2**20
    response = await http.post("/v1/audio/transcriptions", files={"file": ("long.wav", long)})
    assert response.json()["text"]


@pytest.mark.parametrize("fields", [{}, {"stream": "true"}])
async def test_a_client_that_leaves_ends_the_hearing(
    http: httpx.AsyncClient, suite: Suite, fields: dict[str, str]
) -> None:
    endless = file_of(np.concatenate([speech("window"), silence(700)]))
    request_id = f"leaves-{len(fields)}"
    call = asyncio.create_task(
        http.post(
            "/v1/audio/transcriptions", files={"file": endless}, data=fields, headers={"x-request-id": request_id}
        )
    )
    await until(suite.others["asr"], 'ledge_calls_in_flight{service="asr"} 1.0')
    call.cancel()
    assert (await suite.call(suite.others["asr"], request_id))["code"] == "CANCELLED"


async def test_so_many_files_are_held_and_no_more(suite: Suite) -> None:
    address = {"LEDGE_ASR_ADDRESS": suite.others["asr"].address}
    with another_gateway(suite, LEDGE_MAX_AUDIO_UPLOADS="1", **address) as small:
        arriving, finish = asyncio.Event(), asyncio.Event()
        body = httpx.Request("POST", "http://x", files={"file": FILE})
        content = body.read()

        async def slowly() -> object:
            yield content[:100]
            arriving.set()
            await finish.wait()
            yield content[100:]

        async with small.http() as http:
            path = "/v1/audio/transcriptions"
            headers = {"content-type": body.headers["content-type"]}
            first = asyncio.create_task(http.post(path, content=slowly(), headers=headers))
            await arriving.wait()
            refused = 0
            while not refused:
                answer = await http.post(path, files={"file": FILE})
                refused = int(answer.status_code == 429)
            finish.set()
            assert (await first).status_code == 200
            for fields in ({}, {"stream": "true"}, {}):
                answer = await http.post(path, files={"file": FILE}, data=fields)
                assert answer.status_code == 200


async def test_all_of_many_callers_get_their_own(async_openai: AsyncOpenAI) -> None:
    window, meeting = file_of(speech("window")), file_of(speech("meeting"))
    alone = [(await async_openai.audio.transcriptions.create(model="", file=file)).text for file in (window, meeting)]
    assert alone[0] != alone[1]
    together = await asyncio.gather(
        *(
            async_openai.audio.transcriptions.create(model="", file=(window, meeting)[number % 2])
            for number in range(16)
        )
    )
    assert [one.text for one in together] == alone * 8


def test_hearing_and_speaking_models_are_listed(openai: OpenAI) -> None:
    assert "scripted" in {model.id for model in openai.models.list()}


def test_a_wrong_key_is_refused_before_the_file_is_read(suite: Suite) -> None:
    with (
        OpenAI(base_url=f"{suite.url}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.audio.transcriptions.create(model="", file=FILE)
