"""The queue in front of the slots, and who gets what out of it, over gRPC."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ledge.llm.v1 import llm_pb2 as pb

from services.kit.errors import retry_delay_s
from tests.llm.conftest import ENGINES, Served, chat, connected, refused, running, stream, until

WAITING = 'ledge_queue_cost{queue="llm"}'
BUSY = "ledge_llm_slots_busy"


ENDLESS = {
    "scripted": stream("ends"),
    # Left to itself the model would soon have said enough.
    "llamacpp": stream("Sing.", constraint=pb.Constraint(regex="(la ){900}")),
}


async def occupied(llm: Any, engine: str = "scripted", **sampling: Any) -> Any:
    """A stream that holds a slot: it has begun to speak, and does not end by itself soon."""
    request = pb.ChatStreamRequest()
    request.CopyFrom(ENDLESS[engine])
    request.chat.sampling.CopyFrom(pb.Sampling(temperature=0, **sampling))
    call = llm.ChatStream(request)
    await call.read()
    return call


async def rest_of(call: Any) -> list[Any]:
    """The events of a stream that was begun with `read`."""
    events = []
    while (event := await call.read()) is not grpc.aio.EOF:
        events.append(event)
    return events


async def test_a_full_queue_says_when_to_come_back_while_health_stays_green() -> None:
    settings = {"LEDGE_SLOTS": "1", "LEDGE_QUEUE_CALLS": "2", "LEDGE_SCRIPT_TOKENS_PER_S": "20"}
    with running("scripted", **settings) as served:
        async with connected(served) as llm, grpc.aio.insecure_channel(served.process.address) as channel:
            await llm.Chat(chat("so that it knows how long an answer takes"))
            speaking = await occupied(llm)
            waiting = [llm.Chat(chat("I wait")) for _ in range(2)]
            await until(served.process.ops_url, WAITING, 2)
            error = await refused(llm.Chat(chat("too late")))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            delay_s = retry_delay_s(error.trailing_metadata())
            assert delay_s is not None
            assert 0 < delay_s <= 60
            for name in ("", "ledge.llm.v1.LlmService"):
                health: Any = health_pb2_grpc.HealthStub(channel)
                status = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert status.status == health_pb2.HealthCheckResponse.SERVING
            speaking.cancel()
            answers = await asyncio.gather(*waiting)
            assert all(answer.choices[0].message.content for answer in answers)


async def test_several_answers_for_which_there_is_no_room_are_refused_together() -> None:
    with running("scripted", LEDGE_SLOTS="2", LEDGE_QUEUE_CALLS="1") as served:
        async with connected(served) as llm:
            error = await refused(llm.Chat(chat("choose", sampling=pb.Sampling(n=4))))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert len((await llm.Chat(chat("choose", sampling=pb.Sampling(n=3)))).choices) == 3


async def test_who_waits_is_served_by_priority_and_then_by_arrival() -> None:
    with running("scripted", LEDGE_SLOTS="1", LEDGE_SCRIPT_TOKENS_PER_S="200") as served:
        async with connected(served) as llm:
            speaking = await occupied(llm)
            served_in_order: list[str] = []

            async def call(name: str, priority: int) -> None:
                await llm.Chat(chat(name, priority=priority))
                served_in_order.append(name)

            calls = []
            for place, (name, priority) in enumerate({"e": 5, "c": 0, "d": 0, "a": -3, "b": -1}.items()):
                calls.append(asyncio.create_task(call(name, priority)))
                await until(served.process.ops_url, WAITING, place + 1)
            speaking.cancel()
            await asyncio.gather(*calls)
    assert served_in_order == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_cancelled_stream_frees_its_slot(engine: str) -> None:
    settings = {"LEDGE_SLOTS": "1", "LEDGE_SCRIPT_TOKENS_PER_S": "20", "LEDGE_CONTEXT_TOKENS": "2048"}
    with running(engine, **settings) as served:
        async with connected(served) as llm:
            for _ in range(3):
                speaking = await occupied(llm, engine)
                await until(served.process.ops_url, BUSY, 1)
                speaking.cancel()
                await until(served.process.ops_url, BUSY, 0)
            assert (await llm.Chat(chat("Say hello."))).choices[0].message.content


async def test_a_waiting_call_that_is_cancelled_leaves_the_queue() -> None:
    with running("scripted", LEDGE_SLOTS="1", LEDGE_QUEUE_CALLS="1", LEDGE_SCRIPT_TOKENS_PER_S="20") as served:
        async with connected(served) as llm:
            speaking = await occupied(llm)
            gone = llm.Chat(chat("I give up"))
            await until(served.process.ops_url, WAITING, 1)
            gone.cancel()
            await until(served.process.ops_url, WAITING, 0)
            stays = llm.Chat(chat("I stay"))
            await until(served.process.ops_url, WAITING, 1)
            speaking.cancel()
            assert (await stays).choices[0].message.content == "You said"


async def test_a_deadline_ends_a_unary_answer_and_frees_its_slot(scripted: Any) -> None:
    call = scripted.Chat(chat("slow"), timeout=0.3)
    assert (await refused(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_hundred_callers_each_get_their_own_answer(scripted: Any) -> None:
    async def call(number: int) -> None:
        text = f"my secret number {number}"
        if number % 2:
            events = [event async for event in scripted.ChatStream(stream(text, sampling=pb.Sampling()))]
            said = "".join(event.delta for event in events)
        else:
            said = (await scripted.Chat(chat(text, sampling=pb.Sampling()))).choices[0].message.content
        assert said == f"It is {number}."

    await asyncio.gather(*(call(number) for number in range(100)))


async def test_sixteen_callers_of_a_real_model_each_get_their_own_answer(llamacpp: Any) -> None:
    async def call(number: int) -> None:
        constraint = pb.Constraint(regex=f"caller {number} says [a-z]{{3}}")
        sampling = pb.Sampling(max_tokens=24)
        events = [event async for event in llamacpp.ChatStream(stream("Go.", constraint=constraint, sampling=sampling))]
        said = "".join(event.delta for event in events)
        assert said.startswith(f"caller {number} says ")
        assert len(said) == len(f"caller {number} says abc")

    await asyncio.gather(*(call(number) for number in range(16)))


async def test_an_answer_that_fails_half_way_ends_with_an_error_not_a_result(scripted: Any) -> None:
    call = scripted.ChatStream(stream("breaks", sampling=pb.Sampling()))
    heard = [(await call.read()).delta for _ in range(3)]
    assert "".join(heard) == "half an ans"
    assert (await refused(call.read())).code() is grpc.StatusCode.INTERNAL
    assert (await refused(scripted.Chat(chat("breaks")))).code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("engine", ENGINES)
async def test_sigterm_in_mid_stream_finishes_the_streams_and_exits_well(engine: str) -> None:
    with running(engine, LEDGE_SCRIPT_TOKENS_PER_S="100", LEDGE_SLOTS="2", LEDGE_SETTLE_S="0.2") as served:
        async with connected(served) as llm:
            calls = [await occupied(llm, engine, max_tokens=60) for _ in range(2)]
            # One more waits for a slot: it was accepted, so it is served.
            waiting = llm.Chat(chat("Say hello."))
            await until(served.process.ops_url, WAITING, 1)
            served.process.terminate()
            for call in calls:
                events = await rest_of(call)
                assert events[-1].finish_reason == pb.LENGTH
                assert events[-1].usage.completion_tokens == 60
            assert (await waiting).choices[0].message.content
        assert await asyncio.to_thread(served.process.wait) == 0
        assert served.process.wait_for("stopped")


async def test_hostile_scripts_end_by_the_limits(started: Any) -> None:
    served: Served = started("scripted")
    async with connected(served) as llm:
        endless = await llm.Chat(chat("ends", sampling=pb.Sampling()))
        assert endless.choices[0].finish_reason == pb.LENGTH
        model = (await llm.ListModels(pb.ListModelsRequest())).models[0]
        assert endless.usage.prompt_tokens + endless.usage.completion_tokens == model.max_context_tokens
        lies = await llm.Chat(chat("lies", constraint=pb.Constraint(json=True), sampling=pb.Sampling()))
        assert lies.choices[0].message.content == "{this is no JSON"
        weather = await llm.Chat(chat("weather in Oslo"))
        assert weather.choices[0].message.tool_calls[0].arguments_json == '{"city": "Oslo"}'
