"""Voice frameworks with their services for NVIDIA's speech, and OpenAI's Realtime, against pocketsphinx and flite."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients.speech_doors import door, said_by
from tests.gateway.suite import Suite
from tests.processes import ServiceProcess

MEETING = "the meeting begins at nine in the morning"


@pytest.fixture(scope="module")
def riva(frameworks_python: str) -> Iterator[ServiceProcess]:
    with door("riva") as running:
        yield running


def test_pipecats_nvidia_services_speak_and_hear(riva: ServiceProcess, frameworks_python: str) -> None:
    told = said_by(frameworks_python, "pipecat_nvidia.py", riva)
    assert 2 < told["seconds"] < 4
    assert [text.strip() for text in told["streamed"]] == [MEETING]
    assert [text.strip() for text in told["segmented"]] == [MEETING]


def test_livekits_nvidia_plugin_speaks_and_hears(riva: ServiceProcess, frameworks_python: str) -> None:
    told = said_by(frameworks_python, "livekit_nvidia.py", riva)
    assert 2 < told["seconds"] < 4
    kinds = [kind for kind, *_ in told["events"]]
    assert kinds[0] == "start_of_speech"
    assert kinds[-2:] == ["final_transcript", "end_of_speech"]
    assert "interim_transcript" in kinds
    assert told["events"][-2][1].strip() == MEETING
    assert "flite.rms" in told["voices"]["en-US"]["voices"]


def test_pipecats_realtime_service_talks(frameworks_talk: Callable[[Suite, str], Any], talking: Suite) -> None:
    told = frameworks_talk(talking, "pipecat_openai_realtime.py")
    assert told["heard"] == ["how tall is the pump house"]
    assert "The pump house is 12 metres tall" in told["said"]
    assert told["seconds"] > 1


def test_openais_agents_sdk_talks(node_talk: Callable[[Suite, str], Any], talking: Suite) -> None:
    told = node_talk(talking, "openai_agents_realtime.mjs")
    assert told["errors"] == []
    assert "The pump house is 12 metres tall" in told["said"]
    assert told["audio_s"] > 1
    assert [(said["role"], said["status"]) for said in told["history"]] == [
        ("user", "completed"), ("assistant", "completed"),
    ]  # fmt: skip
    assert told["history"][0]["text"] == "how tall is the pump house"
