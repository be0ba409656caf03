"""The riva door before scripted speech services, all real processes, and stubs as Riva's clients have them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from riva_compat import asr_pb2_grpc, nmt_pb2_grpc, tts_pb2_grpc

from services.kit import refused_uploads
from tests.processes import ServiceProcess, service

refused_uploads.mend()


@pytest.fixture(scope="session")
def asr() -> Iterator[ServiceProcess]:
    with service("asr", LEDGE_ENGINE="scripted") as running:
        yield running


@pytest.fixture(scope="session")
def tts() -> Iterator[ServiceProcess]:
    with service("tts", LEDGE_ENGINE="scripted") as running:
        yield running


@pytest.fixture(scope="session")
def translation() -> Iterator[ServiceProcess]:
    with service("translation", LEDGE_ENGINE="scripted") as running:
        yield running


@contextmanager
def a_door(asr: ServiceProcess, tts: ServiceProcess, **settings: str) -> Iterator[ServiceProcess]:
    addresses = {"LEDGE_ASR_ADDRESS": asr.address, "LEDGE_TTS_ADDRESS": tts.address}
    with service("riva", **addresses, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def door(asr: ServiceProcess, tts: ServiceProcess) -> Iterator[ServiceProcess]:
    aliases = {"LEDGE_MODEL_ALIASES": "My-Parakeet=scripted", "LEDGE_VOICE_ALIASES": "Aria=loud-tone, coral="}
    with a_door(asr, tts, **aliases) as running:
        yield running


@pytest.fixture(scope="session")
def translating_door(asr: ServiceProcess, tts: ServiceProcess, translation: ServiceProcess) -> Iterator[ServiceProcess]:
    with a_door(asr, tts, LEDGE_TRANSLATION_ADDRESS=translation.address) as running:
        yield running


@pytest.fixture
async def channel(door: ServiceProcess) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(door.address) as channel:
        yield channel


@pytest.fixture
def recognition(channel: Any) -> Any:
    return asr_pb2_grpc.RivaSpeechRecognitionStub(channel)


@pytest.fixture
def synthesis(channel: Any) -> Any:
    return tts_pb2_grpc.RivaSpeechSynthesisStub(channel)


@pytest.fixture
async def translator(translating_door: ServiceProcess) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(translating_door.address) as channel:
        yield nmt_pb2_grpc.RivaTranslationStub(channel)
