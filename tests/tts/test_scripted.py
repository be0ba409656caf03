"""With tones a test can tell which words were spoken, in which order, and for whom."""

import asyncio

import pytest
from ledge.tts.v1 import tts_pb2_grpc as rpc

from tests.tts.asking import expected_pitches_hz, pitches_hz, say, say_ssml


async def test_the_tones_are_those_of_the_words(scripted: rpc.TtsServiceStub) -> None:
    answer = await say(scripted, "Twelve pumps ran, and 2 stood still.", word_times=True)
    words = ["twelve", "pumps", "ran", "and", "two", "stood", "still"]
    assert [word.text.lower() for word in answer.words] == words
    assert pitches_hz(answer) == expected_pitches_hz(words)


async def test_no_audio_ever_crosses_to_another_caller(scripted: rpc.TtsServiceStub) -> None:
    async def check(number: int) -> None:
        words = [f"word{(number * 7 + place) % 97}x" for place in range(5)]
        # Letters alone, so that each word stays as it is.
        words = ["".join(chr(97 + int(c)) if c.isdigit() else c for c in word) for word in words]
        answer = await say(scripted, " ".join(words), word_times=True)
        assert [word.text for word in answer.words] == words
        assert pitches_hz(answer) == expected_pitches_hz(words)

    for first in range(0, 512, 64):
        await asyncio.gather(*(check(number) for number in range(first, first + 64)))


@pytest.mark.parametrize(
    ("ssml", "words"),
    [
        ("<speak>Hello <sub alias='world wide web'>WWW</sub></speak>", "Hello world wide web"),
        ("<speak><say-as interpret-as='characters'>AB2</say-as></speak>", "A B two"),
        ("<speak><say-as interpret-as='ordinal'>3</say-as></speak>", "third"),
        ("<speak><say-as interpret-as='digits'>40</say-as></speak>", "four zero"),
        ("<speak><phoneme alphabet='ipa' ph='x'>tomato</phoneme></speak>", "tomato"),
        ("<speak><p><s>One.</s><s>Two &amp; three.</s></p></speak>", "One Two and three"),
    ],
)
async def test_ssml_says_what_it_means(scripted: rpc.TtsServiceStub, ssml: str, words: str) -> None:
    answer = await say_ssml(scripted, ssml, word_times=True)
    assert [word.text for word in answer.words] == words.split()
