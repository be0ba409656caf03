"""OpenAI's SDK says a sentence and has it written down; what it gave is written as JSON."""

import asyncio
import base64
import json
import os
import sys

import openai

SERVER = {"base_url": f"{os.environ['URL']}/v1", "api_key": os.environ["KEY"]}
SENTENCE = "Please open the window. The meeting begins at nine in the morning."
client = openai.OpenAI(**SERVER, max_retries=0)

spoken = {}
for response_format in ("mp3", "opus", "flac", "wav", "pcm"):
    speech = client.audio.speech.create(
        model="tts-1", voice="echo", input=SENTENCE, response_format=response_format, speed=1.0
    )
    spoken[response_format] = speech.content
with client.audio.speech.with_streaming_response.create(
    model="gpt-4o-mini-tts", voice="alloy", input=SENTENCE, response_format="wav", instructions="Speak calmly."
) as streamed:
    streamed.stream_to_file(os.devnull)
with client.audio.speech.with_streaming_response.create(
    model="gpt-4o-mini-tts", voice="echo", input=SENTENCE, response_format="pcm", stream_format="sse"
) as events:
    frames = [json.loads(line.removeprefix("data: ")) for line in events.iter_lines() if line.startswith("data: ")]
pcm = b"".join(base64.b64decode(frame["audio"]) for frame in frames if frame["type"] == "speech.audio.delta")

# The WAV that was streamed tells no length, and is heard all the same.
heard = {}
for response_format, name in (("mp3", "a.mp3"), ("opus", "a.ogg"), ("wav", "a.wav"), ("flac", "a.flac")):
    file = (name, spoken[response_format])
    heard[response_format] = client.audio.transcriptions.create(model="whisper-1", file=file, language="en").text
file = ("a.flac", spoken["flac"])
verbose = client.audio.transcriptions.create(
    model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
)
stream = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True))


async def asynchronous() -> str:
    async with openai.AsyncOpenAI(**SERVER, max_retries=0) as other:
        return (await other.audio.transcriptions.create(model="whisper-1", file=file, prompt="window, meeting")).text


errors = []
for failing in (
    lambda: client.audio.speech.create(model="tts-1", voice="nobody", input="x"),
    lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="x", response_format="aac"),
    lambda: client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no audio at all")),
    lambda: openai.OpenAI(base_url=SERVER["base_url"], api_key="wrong").audio.speech.create(
        model="tts-1", voice="alloy", input="x"
    ),
):
    try:
        failing()
    except openai.APIStatusError as error:
        errors.append([type(error).__name__, error.body["message"]])
told = {
    "bytes": {name: len(audio) for name, audio in spoken.items()},
    "events_are_the_audio": pcm == spoken["pcm"],
    "heard": heard,
    "asynchronous": asyncio.run(asynchronous()),
    "segments": [[segment.start, segment.end, segment.text] for segment in verbose.segments],
    "words": [[word.word, word.start, word.end] for word in verbose.words],
    "text": client.audio.transcriptions.create(model="whisper-1", file=file, response_format="text"),
    "srt": client.audio.transcriptions.create(model="whisper-1", file=file, response_format="srt"),
    "vtt": client.audio.transcriptions.create(model="whisper-1", file=file, response_format="vtt"),
    "deltas": [event.delta for event in stream if event.type == "transcript.text.delta"],
    "done": stream[-1].text,
    "errors": errors,
}
json.dump(told, sys.stdout)
