"""OpenAI's SDK, unchanged, in a process of its own, against flite and pocketsphinx as they are."""

from collections.abc import Callable
from typing import Any

from services.cli.bench.asr_speech import word_errors
from tests.gateway.suite import Suite

SAID = "please open the window the meeting begins at nine in the morning"
MOST_WRONG = 2
"""Words of 12 that a lossy encoder may cost; measured: none with FLAC."""


def test_what_the_sdk_has_spoken_it_has_written_down(speech_suite: Suite, run: Callable[[Suite, str], Any]) -> None:
    told = run(speech_suite, "openai_audio.py")
    assert all(count > 4000 for count in told["bytes"].values())
    assert told["bytes"]["wav"] == told["bytes"]["pcm"] + 44
    assert told["events_are_the_audio"]
    for heard in (*told["heard"].values(), told["asynchronous"], " ".join(told["text"].split())):
        assert word_errors(SAID, heard) <= MOST_WRONG, heard
    assert " ".join(text for _, _, text in told["segments"]) == told["heard"]["flac"]
    assert " ".join(word for word, _, _ in told["words"]) == told["heard"]["flac"]
    times = [time for _, start, end in told["words"] for time in (start, end)]
    assert times == sorted(times)
    assert told["srt"].startswith("1\n00:00:0")
    assert told["vtt"].startswith("WEBVTT\n\n00:00:0")
    assert "".join(told["deltas"]) == told["done"] == told["heard"]["flac"]
    assert [name for name, _ in told["errors"]] == [
        "NotFoundError",
        "BadRequestError",
        "BadRequestError",
        "AuthenticationError",
    ]
