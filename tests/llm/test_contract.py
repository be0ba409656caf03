"""What every engine keeps, over gRPC."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from tests.llm.conftest import Served, chat, refused, stream, user

INVALID = grpc.StatusCode.INVALID_ARGUMENT
TANK = pb.Tool(
    name="get_level",
    description="The water level of a tank.",
    parameters_json_schema='{"type": "object", "properties": {"tank": {"type": "string"}}, "required": ["tank"]}',
)


def greedy(max_tokens: int, **fields: Any) -> pb.Sampling:
    return pb.Sampling(temperature=0, max_tokens=max_tokens, **fields)


async def test_an_answer_has_text_a_reason_to_end_and_usage(llm: Any) -> None:
    answer = await llm.Chat(chat("Say hello."))
    assert answer.choices[0].message.role == pb.Message.ASSISTANT
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in (pb.STOP, pb.LENGTH)
    assert answer.usage.prompt_tokens > 0
    assert 0 < answer.usage.completion_tokens <= 8


async def test_a_stream_says_what_the_unary_call_says(llm: Any) -> None:
    whole = await llm.Chat(chat("Name a river."))
    events = [event async for event in llm.ChatStream(stream("Name a river."))]
    assert "".join(event.delta for event in events) == whole.choices[0].message.content
    assert [event.finish_reason for event in events[:-1]] == [pb.FINISH_REASON_UNSPECIFIED] * (len(events) - 1)
    assert events[-1].finish_reason == whole.choices[0].finish_reason
    assert events[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert {event.id for event in events} == {events[0].id}


async def test_max_tokens_ends_an_answer_with_length(llm: Any) -> None:
    answer = await llm.Chat(chat("Count from one to one hundred.", sampling=greedy(3)))
    assert answer.choices[0].finish_reason == pb.LENGTH
    assert answer.usage.completion_tokens == 3


async def test_an_answer_ends_before_its_stop_string(llm: Any) -> None:
    free = await llm.Chat(chat("Write a sentence about water.", sampling=greedy(16)))
    text = free.choices[0].message.content
    stop = text[len(text) // 2 :][:3]
    held = await llm.Chat(chat("Write a sentence about water.", sampling=greedy(16, stop=[stop])))
    assert held.choices[0].message.content == text[: text.index(stop)]
    assert held.choices[0].finish_reason == pb.STOP


async def test_the_same_seed_chooses_the_same_answer(llm: Any) -> None:
    sampling = pb.Sampling(temperature=1, seed=7, max_tokens=12)
    # The first call fills the prefix cache, so that the two compared compute alike.
    answers = [(await llm.Chat(chat("choose", sampling=sampling))).choices[0].message.content for _ in range(3)]
    assert answers[1] == answers[2]


async def test_seeds_make_a_difference(llm: Any) -> None:
    answers = set()
    for seed in range(6):
        answer = await llm.Chat(chat("choose", sampling=pb.Sampling(temperature=1, seed=seed, max_tokens=12)))
        answers.add(answer.choices[0].message.content)
    assert len(answers) > 1


async def test_n_answers_count_their_prompt_once(llm: Any) -> None:
    one = await llm.Chat(chat("choose"))
    sampling = pb.Sampling(temperature=1, seed=3, n=3, max_tokens=5)
    three = await llm.Chat(chat("choose", sampling=sampling))
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert all(choice.message.content for choice in three.choices)
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    assert three.usage.completion_tokens > one.usage.completion_tokens / 2


async def test_a_stream_of_n_answers_ends_each_and_tells_usage_last(llm: Any) -> None:
    events = [event async for event in llm.ChatStream(stream("choose", sampling=pb.Sampling(n=2, max_tokens=4)))]
    ends = [event for event in events if event.finish_reason]
    assert sorted(event.index for event in ends) == [0, 1]
    assert [event.HasField("usage") for event in events] == [False] * (len(events) - 1) + [True]


async def test_an_answer_under_a_schema_is_an_instance_of_it(llm: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["well", "tower"]}, "open": {"type": "boolean"}},
        "required": ["kind", "open"],
        "additionalProperties": False,
    }
    constraint = pb.Constraint(json_schema=json.dumps(schema))
    answer = await llm.Chat(chat("Describe the water tower.", constraint=constraint, sampling=greedy(40)))
    told = json.loads(answer.choices[0].message.content)
    assert set(told) == {"kind", "open"}
    assert told["kind"] in ("well", "tower")
    assert isinstance(told["open"], bool)


async def test_a_tool_that_must_be_called_is_called_by_its_schema(llm: Any) -> None:
    request = chat(
        "What is the level of tank A?", tools=[TANK], tool_choice=pb.ToolChoice(name="get_level"), sampling=greedy(60)
    )
    answer = await llm.Chat(request)
    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == pb.TOOL_CALLS
    assert call.name == "get_level"
    assert call.id
    assert isinstance(json.loads(call.arguments_json)["tank"], str)
    events = [event async for event in llm.ChatStream(pb.ChatStreamRequest(chat=request))]
    pieces = [piece for event in events for piece in event.tool_calls]
    assert pieces[0].id
    assert "".join(piece.name for piece in pieces) == "get_level"
    assert json.loads("".join(piece.arguments_json for piece in pieces)) == json.loads(call.arguments_json)


async def test_a_conversation_with_tool_results_goes_on(llm: Any) -> None:
    call = pb.ToolCall(id="1", name="get_level", arguments_json='{"tank": "A"}')
    messages = [
        user("What is the level of tank A?"),
        pb.Message(role=pb.Message.ASSISTANT, tool_calls=[call]),
        pb.Message(role=pb.Message.TOOL, tool_call_id="1", content="4.2 m"),
    ]
    answer = await llm.Chat(pb.ChatRequest(messages=messages, tools=[TANK], sampling=greedy(8)))
    assert answer.choices[0].message.content or answer.choices[0].message.tool_calls


async def test_logprobs_are_told_for_each_token(llm: Any) -> None:
    answer = await llm.Chat(chat("Say hello.", sampling=greedy(4, top_logprobs=2)))
    logprobs = answer.choices[0].logprobs
    assert len(logprobs) == answer.usage.completion_tokens
    assert "".join(one.token for one in logprobs) == answer.choices[0].message.content
    for one in logprobs:
        assert one.logprob <= 0
        assert one.token.encode() == one.token_bytes
        # Greedy: what was chosen was the likeliest.
        assert one.top[0].token_id == one.token_id
        assert [other.logprob for other in one.top] == sorted((other.logprob for other in one.top), reverse=True)


async def test_zero_top_logprobs_tells_the_chosen_tokens_alone(llm: Any) -> None:
    answer = await llm.Chat(chat("Say hello.", sampling=greedy(2, top_logprobs=0)))
    assert [len(one.top) for one in answer.choices[0].logprobs] == [0, 0]
    plain = await llm.Chat(chat("Say hello.", sampling=greedy(2)))
    assert not plain.choices[0].logprobs


async def test_a_text_is_continued_and_echoed_when_asked(llm: Any) -> None:
    plain = await llm.Complete(pb.CompleteRequest(prompt="Water is", sampling=greedy(4)))
    echoed = await llm.Complete(pb.CompleteRequest(prompt="Water is", sampling=greedy(4), echo=True))
    assert echoed.choices[0].text == "Water is" + plain.choices[0].text
    request = pb.CompleteStreamRequest(complete=pb.CompleteRequest(prompt="Water is", sampling=greedy(4), echo=True))
    events = [event async for event in llm.CompleteStream(request)]
    assert "".join(event.delta for event in events) == echoed.choices[0].text
    assert events[-1].usage.completion_tokens == 4


async def test_token_ids_are_continued_like_their_text(llm: Any) -> None:
    token_ids = (await llm.Tokenize(pb.TokenizeRequest(text="Water is", add_special_tokens=True))).token_ids
    by_ids = await llm.Complete(pb.CompleteRequest(token_ids=pb.TokenIds(ids=token_ids), sampling=greedy(4)))
    by_text = await llm.Complete(pb.CompleteRequest(prompt="Water is", sampling=greedy(4)))
    assert by_ids.choices[0].text == by_text.choices[0].text
    assert by_ids.usage.prompt_tokens == len(token_ids)


async def test_tokenised_messages_are_as_many_tokens_as_their_prompt(llm: Any) -> None:
    messages = [pb.Message(role=pb.Message.SYSTEM, content="Be brief."), user("What is an aquifer?")]
    tokens = await llm.Tokenize(pb.TokenizeRequest(messages=pb.MessageList(messages=messages)))
    answer = await llm.Chat(pb.ChatRequest(messages=messages, sampling=greedy(1)))
    assert len(tokens.token_ids) == answer.usage.prompt_tokens
    assert tokens.max_context_tokens == (await llm.ListModels(pb.ListModelsRequest())).models[0].max_context_tokens


async def test_a_prompt_that_does_not_fit_says_both_lengths(llm: Any) -> None:
    text = "water " * 3000
    tokens = await llm.Tokenize(pb.TokenizeRequest(messages=pb.MessageList(messages=[user(text)])))
    for call in (llm.Chat(chat(text)), llm.ChatStream(stream(text))):
        error = await refused(call)
        assert error.code() is INVALID
        assert str(len(tokens.token_ids)) in error.details()
        assert str(tokens.max_context_tokens) in error.details()


async def test_a_prompt_of_megabytes_is_refused_before_it_is_read_whole(llm: Any) -> None:
    requests = [
        chat("x" * 12_000_000),
        chat("water " * 1_000_000),
        chat("hello", tools=[pb.Tool(name="x", description="y" * 6_000_000)]),
    ]
    for request in requests[: None if (await engine_of(llm)) == "llamacpp" else 2]:
        error = await refused(llm.Chat(request, timeout=30))
        assert error.code() is INVALID
        assert "the context holds" in error.details()
    ids = pb.CompleteRequest(token_ids=pb.TokenIds(ids=[5] * 500_000))
    assert "500000 tokens" in (await refused(llm.Complete(ids))).details()
    for input_ in ({"text": "x" * 1_100_000}, {"messages": pb.MessageList(messages=[user("x" * 1_100_000)])}):
        assert "1048576 bytes" in (await refused(llm.Tokenize(pb.TokenizeRequest(**input_)))).details()


async def engine_of(llm: Any) -> str:
    engine: str = (await llm.ListModels(pb.ListModelsRequest())).models[0].engine
    return engine


async def test_the_model_is_listed_and_only_it_is_found(llm: Any, served: Served) -> None:
    model, *adapters = (await llm.ListModels(pb.ListModelsRequest())).models
    assert {told.engine for told in (model, *adapters)} == {served.engine}
    assert (await llm.Chat(chat("Hello.", model=model.id))).model == model.id
    error = await refused(llm.Chat(chat("Hello.", model="gpt-9")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "gpt-9" in error.details()


async def test_drafts_are_verified_where_probabilities_can_be_read_and_nowhere_else(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.process.address) as channel:
        session = rpc.VerifierServiceStub(channel).Verify(iter([]))
        if served.engine == "vllm":
            assert await session.read() is grpc.aio.EOF
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await session.read()
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (pb.ChatRequest(), "0 messages"),
        (pb.ChatRequest(messages=[pb.Message(content="hello")]), "no role"),
        (pb.ChatRequest(messages=[pb.Message(role=pb.Message.USER, tool_call_id="1")]), "tool_call_id"),
        (chat("hello", sampling=pb.Sampling(temperature=float("nan"))), "temperature"),
        (chat("hello", sampling=pb.Sampling(temperature=2.1)), "temperature"),
        (chat("hello", sampling=pb.Sampling(top_p=0)), "top_p"),
        (chat("hello", sampling=pb.Sampling(repetition_penalty=0)), "repetition_penalty"),
        (chat("hello", sampling=pb.Sampling(max_tokens=0)), "max_tokens"),
        (chat("hello", sampling=pb.Sampling(n=9)), "n is 9"),
        (chat("hello", sampling=pb.Sampling(n=0)), "n is 0"),
        (chat("hello", sampling=pb.Sampling(top_logprobs=21)), "top_logprobs"),
        (chat("hello", sampling=pb.Sampling(stop=[""])), "stop string"),
        (chat("hello", sampling=pb.Sampling(stop=["x"] * 17)), "17 stop strings"),
        (chat("hello", sampling=pb.Sampling(logit_bias={4_000_000_000: 1})), "4000000000"),
        (chat("hello", sampling=pb.Sampling(logit_bias={1: 101})), "logit bias"),
        (chat("hello", priority=101), "priority"),
        (chat("hello", tools=[TANK, TANK]), "same name"),
        (chat("hello", tools=[pb.Tool(name="two words")]), "tool name"),
        (
            chat("hello", tools=[pb.Tool(name=f"f{i}", parameters_json_schema=" " * 9999) for i in range(99)]),
            "together",
        ),
        (chat("hello", tools=[pb.Tool(name="x", parameters_json_schema="[]")]), "object"),
        (chat("hello", tool_choice=pb.ToolChoice(mode=pb.ToolChoice.REQUIRED)), "no tools"),
        (chat("hello", tools=[TANK], tool_choice=pb.ToolChoice(name="other")), "other"),
        (chat("hello", tools=[TANK], constraint=pb.Constraint(json=True)), "exclude each other"),
        (chat("hello", constraint=pb.Constraint(json_schema="{")), "no valid JSON"),
        (chat("hello", constraint=pb.Constraint(json_schema="[1]")), "no schema"),
        (chat("hello", constraint=pb.Constraint(json_schema='{"items":' * 100 + "{}" + "}" * 100)), "deeper"),
        (chat("hello", constraint=pb.Constraint(grammar="root ::= " + "(" * 100 + '"a"' + ")" * 100)), "deeper"),
        (chat("hello", constraint=pb.Constraint(regex="x" * 5000)), "longer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_request_is_the_callers_fault(llm: Any, request_: pb.ChatRequest, complaint: str) -> None:
    error = await refused(llm.Chat(request_))
    assert error.code() is INVALID
    assert complaint in error.details()


async def test_an_empty_prompt_and_an_unknown_token_are_the_callers_fault(llm: Any) -> None:
    assert "empty" in (await refused(llm.Complete(pb.CompleteRequest()))).details()
    unknown = pb.CompleteRequest(token_ids=pb.TokenIds(ids=[4_000_000_000]))
    assert "4000000000" in (await refused(llm.Complete(unknown))).details()
    error = await refused(llm.Detokenize(pb.DetokenizeRequest(token_ids=[4_000_000_000])))
    assert error.code() is INVALID


async def test_template_arguments_reach_the_template_or_do_no_harm(llm: Any) -> None:
    arguments = Struct()
    arguments.update({"tone": "calm", "depth": {"level": [1, True, None]}})
    assert (await llm.Chat(chat("Hello.", template_arguments=arguments))).choices[0].message.content
