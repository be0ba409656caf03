"""Whatever a model says, every effort ends within its budget and tells so."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.kit.client import open_channel
from services.rag.answer.effort import MOVES
from tests.processes import ServiceProcess, service
from tests.rag.answer_client import Answered, Suite, ask

DECISIONS = {
    "route": r"Last question: ",
    "decompose": r"Question to take apart: ",
    "rewrite": r"Question to rewrite: ",
    "relevant": r"<passage>",
    "suffices": r"<notes>\n\(.*\nQuestion: |<notes>\n\(.*\n\nQuestion: ",
    "follows": r"Sentence: ",
    "useful": r"Answer: ",
    "compose": r"<notes>\n\[1\]",
}
HOSTILITIES = {
    "endless": {"say": '{"questions": ["again", ', "endlessly": True},
    "invalid": {"say": '{"answered": "perhaps'},
    "refuses": {"say": "As an assistant I cannot do that."},
    "fails": {"say": "{", "fail": "the script breaks here"},
    "wrong": {"say": '{"answered": false, "useful": false, "relevant": false, "supported": false}'},
    "denies": {"say": '{"answered": false}'},
    "useless": {"say": '{"useful": false}'},
    "again": {"say": '{"questions": ["How tall is the pump house?", "How tall is the pump house?", "And?"]}'},
    "inventive": {"say": '{"question": "spoofels of the mufflewump?"}'},
    "slow": {"say": "{}", "delay_s": 0.4},
    "endless prose": {"say": "The pump house is 14.2 m tall. ", "endlessly": True},
}
SLACK_MS = 1500
"""What a busy machine may add to the wall time; a model that nobody ends would take longer by far."""


@pytest.fixture(scope="module")
def hostile(suite: Suite, handbook: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A rag whose model does to each decision what the question says: "(route=slow useful=denies)"."""
    script: Path = tmp_path_factory.mktemp("hostile") / "script.yaml"
    rules = [
        {"when": f"(?s)(?:{form}).*{decision}={name}[ )]|{decision}={name}[ )].*(?:{form})", **hostility}
        for decision, form in DECISIONS.items()
        for name, hostility in HOSTILITIES.items()
    ]
    script.write_text(json.dumps({"rules": rules}))
    with (
        service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(script)) as llm,
        service("rag", **{**suite.settings, "LEDGE_LLM_ADDRESS": llm.address}) as rag,
    ):
        yield rag


async def _ask(address: str, question: str, **fields: object) -> Answered:
    async with open_channel(address) as channel:
        return await ask(rag_pb2_grpc.RagServiceStub(channel), question, "handbook", **fields)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hostilities=st.fixed_dictionaries({name: st.sampled_from(sorted(HOSTILITIES)) for name in DECISIONS}),
    effort=st.sampled_from([pb.FAST, pb.BALANCED, pb.THOROUGH]),
    policy=st.sampled_from([pb.QUOTE, pb.COMPOSE]),
    steps=st.one_of(st.none(), st.integers(0, 30)),
    tokens=st.one_of(st.none(), st.integers(0, 300)),
    wall_time_ms=st.integers(50, 2000),
    without=st.lists(st.sampled_from(MOVES), max_size=2, unique=True),
    history=st.booleans(),
)
def test_every_effort_ends_within_its_budget(
    hostile: ServiceProcess,
    hostilities: dict[str, str],
    effort: "pb.Effort",
    policy: "pb.Policy",
    steps: int | None,
    tokens: int | None,
    wall_time_ms: int,
    without: list[str],
    history: bool,
) -> None:
    told = " ".join(f"{decision}={name}" for decision, name in hostilities.items())
    budget = pb.Budget(steps=steps, tokens=tokens, wall_time_ms=wall_time_ms)
    turns = [pb.Turn(role=pb.Turn.USER, text="Tell me of the pump house")] if history else []
    answered = asyncio.run(
        _ask(
            hostile.address,
            f"How tall is the pump house? Thanks ({told} )",
            effort=effort,
            policy=policy,
            judge=pb.MODEL,
            budget=budget,
            without=without,
            history=turns,
        )
    )
    assert answered.kinds.count("done") == 1
    assert answered.kinds[-1] == "done"
    done = answered.done
    if steps is not None:
        assert done.steps_taken <= steps
    if tokens is not None:
        assert done.completion_tokens <= tokens
    assert done.elapsed_ms <= wall_time_ms + SLACK_MS
    assert done.answer == answered.text, "what was streamed is the answer"
    assert len(answered.text) < 8000
