"""What bounds an answer: its budget, the caller's deadline and patience, and what a request may hold."""

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from ledge.rag.v1 import rag_pb2 as pb

from tests.rag.answer_client import Suite, ask, turns

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag

PUMP_HOUSE = "How tall is the pump house?"


async def test_a_budget_of_two_steps_answers_without_reranking_and_says_so(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, PUMP_HOUSE, handbook, budget=pb.Budget(steps=2))
    assert [step.name for step in answered.of("step")] == ["encode", "retrieve", "evidence", "quote"]
    assert "14.2 m" in answered.text
    assert answered.done.budget_exhausted


@pytest.mark.parametrize("budget", [pb.Budget(steps=1), pb.Budget(steps=0), pb.Budget(wall_time_ms=0)])
async def test_a_budget_that_ends_before_anything_is_found_claims_nothing(
    answering: "Rag", handbook: str, budget: pb.Budget
) -> None:
    answered = await ask(answering, PUMP_HOUSE, handbook, budget=budget)
    assert not answered.done.answered
    assert answered.done.budget_exhausted
    assert "budget" in answered.of("verdict")[0].reason


async def test_without_tokens_to_spend_an_answer_is_quoted(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, PUMP_HOUSE, handbook, policy=pb.COMPOSE, budget=pb.Budget(tokens=0))
    assert answered.text.startswith("The pump house is 14.2 m tall.")
    assert answered.done.budget_exhausted
    assert not answered.done.completion_tokens


async def test_a_model_without_end_is_ended_by_its_tokens(answering: "Rag", handbook: str) -> None:
    question = f"{PUMP_HOUSE} Thanks (endless)"
    answered = await ask(answering, question, handbook, policy=pb.COMPOSE, budget=pb.Budget(tokens=50))
    assert answered.done.completion_tokens <= 50
    assert answered.done.budget_exhausted
    assert "14.2 m" in answered.text


async def test_wall_time_ends_a_slow_model_and_leaves_the_quotation(answering: "Rag", handbook: str) -> None:
    budget = pb.Budget(wall_time_ms=1500)
    answered = await ask(answering, f"{PUMP_HOUSE} Thanks (slowly)", handbook, policy=pb.COMPOSE, budget=budget)
    assert answered.text.startswith("The pump house is 14.2 m tall. [1]")
    assert answered.done.budget_exhausted
    assert answered.done.elapsed_ms < 20_000


async def test_a_deadline_reaches_two_hops_down_and_the_step_is_named(
    answering: "Rag", handbook: str, suite: Suite
) -> None:
    request = pb.AnswerRequest(question=f"{PUMP_HOUSE} Thanks (slowly)", collections=[handbook], policy=pb.COMPOSE)
    call = answering.Answer(request, timeout=3.0)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async for _ in call:
            pass
    assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.value.details() == "generating ran out of time"
    await asyncio.to_thread(suite.llm.wait_for, "call", 10.0, method="ChatStream", code="DEADLINE_EXCEEDED")


async def test_a_stream_that_is_closed_ends_the_generation(answering: "Rag", handbook: str, suite: Suite) -> None:
    request_id = uuid.uuid4().hex
    request = pb.AnswerRequest(question=f"{PUMP_HOUSE} Thanks (slowly)", collections=[handbook], policy=pb.COMPOSE)
    call = answering.Answer(request, metadata=[("ledge-request-id", request_id)])
    async for event in call:
        if event.HasField("verdict"):
            break
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while 'ledge_calls_in_flight{service="llm"} 0.0' in (await client.get(f"{suite.llm.ops_url}/v1/metrics")).text:
            pass
    call.cancel()
    ended = await asyncio.to_thread(suite.llm.wait_for, "call", 20.0, method="ChatStream", request_id=request_id)
    assert ended["code"] == "CANCELLED"
    assert ended["elapsed_ms"] < 20_000, "long before the script would have spoken"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"question": ""}, "question is empty"),
        ({"question": " \n"}, "question is empty"),
        ({"question": "x" * 8193}, "8193 characters"),
        ({"history": turns(*["text"] * 65)}, "65 turns"),
        ({"history": [pb.Turn(text="who says this?")]}, "no role"),
        ({"history": turns("x" * 262_145)}, "history has more than"),
        ({"candidates": 0}, "candidates is 1 to 100"),
        ({"candidates": 101}, "candidates is 1 to 100"),
        ({"language": "not a tag"}, "no BCP-47 tag"),
        ({"collections": ["Not A Name"]}, "no name of a collection"),
        ({"collections": [f"c{n}" for n in range(17)]}, "17 collections"),
        ({"policy": 99}, "policy has no value 99"),
        ({"effort": 99}, "effort has no value 99"),
        ({"mode": 99}, "mode has no value 99"),
    ],
)
async def test_what_the_contract_forbids_is_the_callers_fault(
    answering: "Rag", fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async for _ in answering.Answer(pb.AnswerRequest(**{"question": "How tall?", **fields})):
            pass
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in (failure.value.details() or "")


async def test_a_collection_that_is_not_there_is_not_found(answering: "Rag") -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await ask(answering, PUMP_HOUSE, "nowhere")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    assert "nowhere" in (failure.value.details() or "")
