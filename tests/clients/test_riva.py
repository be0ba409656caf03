"""NVIDIA's own client, unchanged, in a process of its own, against pocketsphinx and flite."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto
from riva_compat import asr_pb2, audio_pb2, nmt_pb2, request_id_pb2, tts_pb2

from tests import processes
from tests.asr.asking import file_of, speech
from tests.clients.speech_doors import door, printed_by_snippet, python_of, said_by
from tests.processes import ServiceProcess

MEETING = "the meeting begins at nine in the morning"


@pytest.fixture(scope="module")
def speech_python() -> str:
    return python_of("SPEECH_CLIENTS_PYTHON", "test-clients")


@pytest.fixture(scope="module")
def riva(speech_python: str) -> Iterator[ServiceProcess]:
    with door("riva") as running:
        yield running


def test_nvidias_client_speaks_and_hears_as_its_scripts_do(riva: ServiceProcess, speech_python: str) -> None:
    told = said_by(speech_python, "riva_speech.py", riva)
    assert told["offline"].strip() == MEETING
    words = told["words"]
    assert [word for word, _, _ in words] == MEETING.split()
    assert all(start_ms < end_ms for _, start_ms, end_ms in words)
    assert told["streamed"] == f"## {MEETING} \n"
    assert f"Transcript 0: {MEETING} \n" in told["timed"]
    assert "Timestamps:" in told["timed"]
    assert re.search(r"^meeting +\d+ +\d+ +0\.\d+", told["timed"], re.MULTILINE)
    assert ">> the meeting" in told["confident"]
    assert re.search(r"^Stability: +0\.\d+", told["confident"], re.MULTILINE)
    assert len(told["finals"]) == 2
    assert told["finals"][0] == f"{MEETING} "
    assert 2 < told["seconds"]["whole"] < 4
    assert told["seconds"]["both"] > told["seconds"]["whole"] + 1
    assert told["pieces"] > 10
    assert told["opus"] == "OggS"
    assert min(told["future"], told["by_name"]) > 20_000
    assert [word.lower() for word, _, _ in told["word_times"]] == ["please", "open", "the", "window"]
    assert "en-US flite.rms" in told["voices"]
    assert ["pocketsphinx-en-us", "online", "en-US"] in told["models"]
    codes = [code for code, _ in told["errors"]]
    assert codes == ["INVALID_ARGUMENT", "NOT_FOUND", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]
    assert all(details for _, details in told["errors"])


def test_the_pages_snippet_runs_as_it_stands(riva: ServiceProcess, speech_python: str) -> None:
    assert printed_by_snippet(speech_python, "import riva.client", riva) == "please open the window \n"


def test_nvidias_client_translates_texts_and_speech(speech_python: str, tmp_path: Path) -> None:
    """flite speaks no Spanish, so the scripted engine's tones do, a tenth of a second each."""
    recording = tmp_path / "window.wav"
    recording.write_bytes(file_of(speech("window")))
    with (
        processes.service("translation", LEDGE_ENGINE="scripted") as translation,
        door("riva", voices="scripted", LEDGE_TRANSLATION_ADDRESS=translation.address) as riva,
    ):
        told = said_by(speech_python, "riva_translation.py", riva, AUDIO=str(recording))
    assert told["texts"] == ["abre la ventana", "agua"]
    assert told["kept"] == ["abran la window"]
    assert told["future"] == ["agua"]
    assert told["pairs"] == {"scripted": [["en", "es"], ["es", "en"]]}
    assert told["pairs s2t_model"] == {"s2t_model": [["en"], ["es"]]}
    assert told["pairs s2s_model"] == {"s2s_model": [["en"], ["es"]]}
    assert told["speech to text"] == "favor abre la ventana "
    assert told["speech to speech"] == {"seconds": pytest.approx(0.5, abs=0.15), "last": 0}
    assert told["error"][0] == "NOT_FOUND"


def test_nvidias_client_comes_over_tls_with_a_key(speech_python: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "door.key"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "door.pem"))
    settings = {
        "LEDGE_TLS_CERT_FILE": str(tmp_path / "door.pem"),
        "LEDGE_TLS_KEY_FILE": str(tmp_path / "door.key"),
        "LEDGE_API_KEYS": "nvapi-1",
    }
    with door("riva", **settings) as riva:
        told = said_by(speech_python, "riva_secure.py", riva, CA=str(tmp_path / "ca.pem"), KEY="nvapi-1")
    assert told == {"key": 2, "no key": "UNAUTHENTICATED"}


def test_the_contracts_are_the_same_on_the_wire_as_nvidias(riva: ServiceProcess, speech_python: str) -> None:
    ours: dict[str, Any] = {}
    for module in (audio_pb2, request_id_pb2, asr_pb2, tts_pb2, nmt_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        ours |= wire_of(file)
    theirs: dict[str, Any] = {}
    for file in said_by(speech_python, "riva_descriptors.py", riva).values():
        theirs |= wire_of(FileDescriptorProto.FromString(bytes.fromhex(file)))
    assert ours == theirs


def wire_of(file: FileDescriptorProto) -> dict[str, Any]:
    """What a proto file fixes on the wire, by full name."""
    wire: dict[str, Any] = {}
    for enum in file.enum_type:
        wire |= _enum(enum, file.package)
    for message in file.message_type:
        wire |= _message(message, file.package)
    for service in file.service:
        for method in service.method:
            streams = (method.client_streaming, method.server_streaming)
            wire[f"/{file.package}.{service.name}/{method.name}"] = (method.input_type, method.output_type, streams)
    return wire


def _enum(enum: EnumDescriptorProto, within: str) -> dict[str, Any]:
    return {f"{within}.{enum.name}": {value.name: value.number for value in enum.value}}


def _message(message: DescriptorProto, within: str) -> dict[str, Any]:
    name = f"{within}.{message.name}"
    wire: dict[str, Any] = {
        name: {
            field.number: (
                field.name,
                field.type,
                field.type_name,
                field.label,
                field.proto3_optional,
                message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None,
            )
            for field in message.field
        }
    }
    for nested in message.nested_type:
        wire |= _message(nested, name)
    for enum in message.enum_type:
        wire |= _enum(enum, name)
    return wire
