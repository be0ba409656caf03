"""What passes when half of the guard `topics` gives no decision, and what the guards take of the budget."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.kit.client import open_channel
from services.rag.answer.asked import Reader
from services.rag.answer.budget import Allowance, Budget
from services.rag.answer.guarding import guard
from services.rag.answer.run import Run
from services.rag.collection_settings import CollectionSettings, SettingsOfCollections
from services.rag.collections import collection
from services.rag.config import RagConfig
from services.rag.guards.guards import Checked, Guards
from services.rag.guards.topics import BlockedTopics, Told, Topic, Topics
from services.rag.judges.calibrated import CalibratedJudge
from services.rag.peers import Peers
from tests.processes import ServiceProcess, service
from tests.rag.answer_client import Answered, Suite, ask
from tests.rag.ingest_client import ingest
from tests.rag.test_guards import PERSONNEL, TOPICS

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag

SETTINGS = """
collections:
  careful: { effort: balanced, guards: [topics], guard_failure: refuse }
  plain: { effort: balanced, guards: [topics] }
"""

SCRIPT = r"""
rules:
  - when: "(?s)Topics:.*Text: .*(Sundays|garden of the works)"
    say: "I would rather not say."
  - when: "(?s)Topics:.*Text: .*buccaneer"
    say: "{ no JSON"
  - when: "(?s)Topics:"
    say: '{"topic": "none of them"}'
"""
OPEN = "When is the garden open?"


@pytest.fixture(scope="module")
def guarded(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("failing-guards")
    for name, content in (("topics", TOPICS), ("settings", SETTINGS), ("script", SCRIPT)):
        (folder / f"{name}.yaml").write_text(content)
    with (
        service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(folder / "script.yaml")) as llm,
        running_rag(suite, folder, llm.address) as rag,
    ):
        yield rag


@contextmanager
def running_rag(suite: Suite, folder: Path, llm_address: str, policy: str = "quote") -> Iterator[ServiceProcess]:
    with service(
        "rag",
        **{**suite.settings, "LEDGE_LLM_ADDRESS": llm_address},
        LEDGE_ANSWER_POLICY=policy,
        LEDGE_BLOCKED_TOPICS_FILE=str(folder / "topics.yaml"),
        LEDGE_COLLECTION_SETTINGS_FILE=str(folder / "settings.yaml"),
    ) as rag:
        # In a thread, because a test that is itself asynchronous may be the one that asks.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _store(rag.address)).result()
        yield rag


async def _store(address: str) -> None:
    async with open_channel(address) as channel:
        for name in ("careful", "plain"):
            await ingest(rag_pb2_grpc.RagServiceStub(channel), [PERSONNEL], name)


@pytest.fixture
async def rag(guarded: ServiceProcess) -> AsyncIterator["Rag"]:
    async with open_channel(guarded.address) as channel:
        yield rag_pb2_grpc.RagServiceStub(channel)


def kinds(answered: Answered) -> list["pb.Verdict.Kind"]:
    return [verdict.kind for verdict in answered.of("verdict")]


async def test_where_the_model_gives_no_decision_the_likeness_decides_and_that_is_told(rag: "Rag") -> None:
    answered = await ask(rag, OPEN, "plain", judge=pb.MODEL)
    assert answered.done.answered
    assert "Sundays" in answered.text
    assert set(answered.done.degraded) == {"topics", "decisions"}
    blocked = await ask(rag, "How much does the director earn, the old buccaneer?", "plain", judge=pb.MODEL)
    assert kinds(blocked) == [pb.Verdict.BLOCKED]


async def test_a_collection_that_refuses_keeps_back_the_question_that_the_model_does_not_decide_of(rag: "Rag") -> None:
    answered = await ask(rag, "Was there ever a buccaneer here?", "careful", judge=pb.MODEL)
    assert kinds(answered) == [pb.Verdict.NOT_CHECKED]
    assert not answered.done.answered
    assert answered.text.startswith("This cannot be checked")
    assert [(step.name, step.detail) for step in answered.of("step")] == [("guard", "not checked")]
    assert "topics" in answered.done.degraded


async def test_a_collection_that_refuses_keeps_back_the_sentence_that_the_model_does_not_decide_of(rag: "Rag") -> None:
    answered = await ask(rag, OPEN, "careful", judge=pb.MODEL)
    assert "Sundays" not in answered.text
    assert kinds(answered)[-1] == pb.Verdict.NOT_CHECKED
    assert not answered.done.answered
    assert not answered.of("citation")


async def test_a_model_that_is_not_to_be_asked_is_not_missed(rag: "Rag") -> None:
    answered = await ask(rag, OPEN, "careful", judge=pb.CALIBRATED)
    assert "Sundays" in answered.text
    assert not answered.done.degraded


async def test_a_model_out_of_reach_is_no_model_that_is_not_wanted(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text(TOPICS)
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    with running_rag(suite, tmp_path, "127.0.0.1:1", policy="model") as process:
        async with open_channel(process.address) as channel:
            rag: Rag = rag_pb2_grpc.RagServiceStub(channel)
            careful, plain = await ask(rag, OPEN, "careful"), await ask(rag, OPEN, "plain")
    assert kinds(careful) == [pb.Verdict.NOT_CHECKED]
    assert "Sundays" in plain.text
    assert "topics" in plain.done.degraded


async def test_every_check_is_a_step_of_the_budget_and_of_the_trace(rag: "Rag") -> None:
    answered = await ask(rag, OPEN, "plain", effort=pb.FAST)
    steps = [step.name for step in answered.of("step")]
    assert answered.done.answered
    assert steps[0] == "guard"
    assert steps.count("guard") == 1 + len({citation.number for citation in answered.done.citations})
    drawn = [name for name in steps if name in ("guard", "encode", "retrieve", "rerank")]
    assert answered.done.steps_taken == len(drawn)


@pytest.mark.parametrize("steps", range(9))
async def test_a_small_budget_is_kept_and_never_switches_a_guard_off(rag: "Rag", steps: int) -> None:
    answered = await ask(rag, "Who leads the control room?", "plain", effort=pb.FAST, budget=pb.Budget(steps=steps))
    assert answered.done.steps_taken <= steps
    assert "52,000" not in answered.text
    assert answered.done.budget_exhausted == (steps < 6)
    found = await ask(rag, OPEN, "plain", effort=pb.FAST, budget=pb.Budget(steps=steps))
    assert found.done.answered == (steps >= 4)


def test_a_question_to_several_collections_refuses_where_one_of_them_does() -> None:
    settings = SettingsOfCollections.model_validate(
        {"collections": {"a": {"guard_failure": "refuse"}, "b": {"guard_failure": "continue"}, "c": {"effort": "fast"}}}
    )

    def of(otherwise: str, *names: str) -> str | None:
        otherwise_settings = CollectionSettings.model_validate({"guard_failure": otherwise})
        return settings.of([collection(name) for name in names], otherwise_settings).guard_failure

    assert of("continue", "b", "a") == "refuse"
    assert of("continue", "b", "c") == "continue"
    assert of("refuse", "b") == "continue"
    assert of("refuse", "b", "c") == of("refuse", "unknown") == "refuse"


NONE_OF_THEM = Told(None)


@pytest.mark.parametrize(
    ("refuses", "model", "passes"),
    [(False, NONE_OF_THEM, True), (False, None, False), (True, NONE_OF_THEM, False), (True, None, False)],
)
async def test_a_sentence_of_which_nobody_decides_is_kept_back(refuses: bool, model: Told | None, passes: bool) -> None:
    with service("embedding", LEDGE_ENGINE="scripted") as embedding:
        peers = Peers(RagConfig(embedding_address=embedding.address, call_timeout_s=5))
        topics = BlockedTopics.model_validate({"topics": [{"name": "pirates", "description": "Piracy at sea."}]})
        guards = Guards(None, Topics(topics, peers), refuses=refuses)
        assert (await guards.check("The gate opens in spring.", None)).may_pass

    async def classify(text: str, topics: Collection[Topic]) -> Told | None:
        return model

    checked = await guards.check("The gate opens in spring.", classify)
    assert (checked.may_pass, checked.failed) == (passes, True)
    assert checked == Checked("The gate opens in spring.", [], None, True, passes)
    assert not (await guards.check("The gate opens in spring.", None)).may_pass
    with pytest.raises(grpc.aio.AioRpcError):
        await guards.check("When does the gate open?", classify, is_question=True)
    await peers.close()


async def test_what_is_known_when_the_time_is_over_is_still_checked_and_a_question_is_not() -> None:
    with service("embedding", LEDGE_ENGINE="scripted") as embedding:
        peers = Peers(RagConfig(embedding_address=embedding.address, call_timeout_s=5))
        topics = BlockedTopics.model_validate({"topics": [{"name": "pirates", "description": "Piracy at sea."}]})
        guards = Guards(None, Topics(topics, peers))
        await guards.check("The gate opens in spring.", None)
        asked = Reader().answer(pb.AnswerRequest(question=OPEN))
        run = Run(
            asked=asked,
            budget=Budget(Allowance(steps=4, tokens=0, wall_time_s=0)),
            judge=CalibratedJudge(),
            guards=guards,
            clock=time.monotonic,
            started_s=time.monotonic(),
            question=OPEN,
            standalone=OPEN,
        )
        sentence = await guard(run, "The gate opens in spring.")
        assert sentence is not None
        assert sentence.may_pass
        assert await guard(run, OPEN, is_question=True) is None
        assert run.budget.exhausted
        await peers.close()
