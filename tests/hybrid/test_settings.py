"""Routers and tenants as files: read once, checked before anything is served."""

import math
from pathlib import Path

import pytest
from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.config import HybridConfig
from services.hybrid.modes import Mode, Why
from services.hybrid.router import load_router, question_of
from services.hybrid.tenants import Tenants
from services.kit.errors import InvalidInput, NotFound
from tests.processes import ServiceProcess


def test_a_router_is_data(tmp_path: Path) -> None:
    file = tmp_path / "router.json"
    file.write_text('{"kind": "length", "threshold": 5.5, "provenance": "a guess"}')
    router = load_router(file)
    assert router.threshold == 5.5
    assert router.score("a" * 99) == pytest.approx(math.log(100))
    assert load_router(None).score("long " * 200) > load_router(None).threshold > load_router(None).score("short")


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "oracle"}', '{"kind": "length", "threshold": NaN}', "\xff"])
def test_what_is_no_router_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "router.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput):
        load_router(file)
    with pytest.raises(NotFound):
        load_router(tmp_path / "none.json")


def test_a_router_looks_at_what_the_user_said_last() -> None:
    messages = [
        pb.Message(role=pb.Message.SYSTEM, content="system"),
        pb.Message(role=pb.Message.USER, content="first"),
        pb.Message(role=pb.Message.USER, content="last"),
        pb.Message(role=pb.Message.ASSISTANT, content="well"),
    ]
    assert question_of(messages) == "last"
    assert question_of(messages[:1]) == ""


def test_a_tenant_has_what_it_does_not_say_from_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text("tenants:\n  a: {mode: guide}\n  b: {cloud_calls: 0, local_only: false}\n")
    tenants = Tenants.read(HybridConfig(tenants_file=file, mode="cascade", cloud_calls=9, local_only=True))
    assert (tenants.of("a").mode, tenants.of("a").why, tenants.of("a").cloud_calls) == (Mode.GUIDE, Why.TENANT, 9)
    assert (tenants.of("b").mode, tenants.of("b").why, tenants.of("b").cloud_calls) == (Mode.CASCADE, Why.DEFAULT, 0)
    assert tenants.of("b").local_only, "what the whole service is labelled, no tenant undoes"
    assert tenants.of("nobody") == tenants.of("")


@pytest.mark.parametrize(
    "content", ["tenants: {a: {mode: magic}}", "tenants: {a: {cloud_calls: -1}}", "who: 1", "a: ["]
)
def test_a_file_of_tenants_that_is_wrong_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(content)
    with pytest.raises(InvalidInput):
        Tenants.read(HybridConfig(tenants_file=file))


def test_a_service_with_a_wrong_file_does_not_start(tmp_path: Path) -> None:
    process = ServiceProcess("hybrid", {"LEDGE_ROUTER_FILE": str(tmp_path / "none.json")})
    assert process.wait() == 1
    process.close()
    assert any("there is no" in str(entry["event"]) for entry in process.log)
