"""Pipecat's services for NVIDIA's speech, unchanged, against pocketsphinx and flite."""

from tests.clients.speech_doors import door, python_of, said_by

MEETING = "the meeting begins at nine in the morning"


def test_pipecats_nvidia_services_speak_and_hear() -> None:
    python = python_of("PIPECAT_PYTHON", "test-pipecat")
    with door("riva") as riva:
        told = said_by(python, "pipecat_nvidia.py", riva)
    assert 2 < told["seconds"] < 4
    assert [text.strip() for text in told["streamed"]] == [MEETING]
    assert [text.strip() for text in told["segmented"]] == [MEETING]
