"""`ledge try`: the call that `helm test` makes, against real services."""

import json
from pathlib import Path

import pytest

from tests.ledge_command import Ledge
from tests.processes import service

SCRIPTED = {
    "asr": {"LEDGE_ENGINE": "scripted"},
    "tts": {"LEDGE_ENGINE": "scripted"},
    "translation": {"LEDGE_ENGINE": "scripted"},
    "llm": {"LEDGE_ENGINE": "scripted"},
    "embedding": {"LEDGE_ENGINE": "scripted"},
    "retrieval": {"LEDGE_ENGINE": "memory"},
    "reranking": {"LEDGE_ENGINE": "scripted"},
    "wyoming": {},
    "voice": {},
}


@pytest.mark.parametrize("name", SCRIPTED)
def test_a_service_answers_its_call(name: str, tmp_path: Path) -> None:
    with service(name, **SCRIPTED[name]) as process:
        tried = Ledge(tmp_path).run("try", name, "--address", process.address, "--json")
    told = json.loads(tried.stdout)
    assert told["service"] == name
    assert told["answered"]


def test_a_door_is_tried_by_what_stands_behind_it(tmp_path: Path) -> None:
    with (
        service("asr", LEDGE_ENGINE="scripted") as asr,
        service("tts", LEDGE_ENGINE="scripted") as tts,
        service("translation", LEDGE_ENGINE="scripted") as translation,
        service(
            "riva",
            LEDGE_ASR_ADDRESS=asr.address,
            LEDGE_TTS_ADDRESS=tts.address,
            LEDGE_TRANSLATION_ADDRESS=translation.address,
        ) as riva,
    ):
        tried = Ledge(tmp_path).run("try", "riva", "--address", riva.address)
    assert "models of recognition" in tried.stdout


def test_rag_and_the_gateway_are_tried_with_all_they_need(tmp_path: Path) -> None:
    with (
        service("embedding", LEDGE_ENGINE="scripted") as embedding,
        service("retrieval", LEDGE_ENGINE="memory") as retrieval,
        service("reranking", LEDGE_ENGINE="scripted") as reranking,
        service("llm", LEDGE_ENGINE="scripted") as llm,
        service(
            "rag",
            LEDGE_EMBEDDING_ADDRESS=embedding.address,
            LEDGE_RETRIEVAL_ADDRESS=retrieval.address,
            LEDGE_RERANKING_ADDRESS=reranking.address,
            LEDGE_LLM_ADDRESS=llm.address,
        ) as rag,
        service(
            "gateway",
            LEDGE_RAG_ADDRESS=rag.address,
            LEDGE_EMBEDDING_ADDRESS=embedding.address,
            LEDGE_RERANKING_ADDRESS=reranking.address,
            LEDGE_LLM_ADDRESS=llm.address,
        ) as gateway,
    ):
        ledge = Ledge(tmp_path)
        searched = ledge.run("try", "rag", "--address", rag.address)
        offered = ledge.run("try", "gateway", "--address", gateway.address)
    assert "found 0 passages" in searched.stdout
    assert "ledge-rag" in offered.stdout


def test_a_service_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    tried = Ledge(tmp_path).run("try", "llm", "--address", "127.0.0.1:9", code=1)
    assert "llm: nothing answers at 127.0.0.1:9" in tried.stderr


def test_a_name_that_is_no_service_is_wrongly_asked(tmp_path: Path) -> None:
    tried = Ledge(tmp_path).run("try", "lmm", code=2)
    assert "there is no service 'lmm'" in tried.stderr
