"""Whatever comes over the wire, the service lives and says whose fault it was."""

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from tests.llm.conftest import ENGINES, Served, chat

FAIR = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
EXAMPLES = {"scripted": 200, "llamacpp": 150}

FLOATS = st.floats(width=32)
COUNTS = st.integers(0, 2**32 - 1) | st.integers(0, 9)
TEXTS = st.text(max_size=40) | st.sampled_from(["", "\0", "<|im_end|>", "{", "\u202e", "a" * 300, "ends", "\U0010ffff"])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = ["type", "properties", "items", "enum", "const", "anyOf", "$ref", "pattern", "minItems", "required", "allOf"]
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["object", "string", "array", "integer", "#", "#/x", "(", 1, -1, 10**30, [], ["a"], {}, None]
)
SCHEMAS = st.recursive(
    st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(KEYWORDS), inner | st.lists(inner, max_size=2), max_size=3),
    max_leaves=6,
)
SCHEMA_TEXTS = SCHEMAS.map(json.dumps) | JSONS.map(json.dumps) | TEXTS
REGEXES = st.text("ab[](){}|*+?^$\\.1,-/\n", max_size=20) | TEXTS
GRAMMARS = st.text('rot:=|"ab[]()*+?{}\\12,-\n #', max_size=40).map(lambda text: "root ::= " + text) | TEXTS
CONSTRAINTS = st.one_of(
    st.builds(pb.Constraint, json=st.booleans()),
    st.builds(pb.Constraint, json_schema=SCHEMA_TEXTS),
    st.builds(pb.Constraint, grammar=GRAMMARS),
    st.builds(pb.Constraint, regex=REGEXES),
)
CALLS = st.builds(pb.ToolCall, id=TEXTS, name=TEXTS, arguments_json=TEXTS)
MESSAGES = st.builds(
    pb.Message,
    role=st.integers(0, 5),
    content=TEXTS,
    tool_calls=st.just([]) | st.lists(CALLS, max_size=1),
    tool_call_id=st.sampled_from(["", "", "", "", "x"]),
    name=TEXTS,
)
TOOLS = st.builds(
    pb.Tool, name=st.sampled_from(["f", "g", "", "ü"]), description=TEXTS, parameters_json_schema=SCHEMA_TEXTS
)
SAMPLINGS = st.builds(
    pb.Sampling,
    temperature=st.none() | st.floats(0, 2, width=32) | FLOATS,
    top_p=st.none() | st.floats(0, 1, width=32),
    top_k=st.none() | COUNTS,
    min_p=st.none() | st.floats(0, 1, width=32),
    presence_penalty=st.none() | st.floats(-2, 2, width=32),
    frequency_penalty=st.none() | st.floats(-2.125, 2.125, width=32),
    repetition_penalty=st.none() | st.floats(0, 2, width=32),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    max_tokens=st.integers(0, 3),
    stop=st.lists(TEXTS, max_size=2),
    n=st.none() | st.integers(0, 3),
    top_logprobs=st.none() | st.integers(0, 21),
    logit_bias=st.dictionaries(st.integers(0, 60_000), st.floats(-101, 101, width=32), max_size=2),
)
CHATS = st.builds(
    pb.ChatRequest,
    model=st.sampled_from(["", "", "", "", "", "", "", "other"]),
    messages=st.lists(MESSAGES, max_size=3),
    sampling=SAMPLINGS,
    tools=st.lists(TOOLS, max_size=2),
    tool_choice=st.builds(pb.ToolChoice, mode=st.integers(0, 3), name=st.sampled_from(["", "", "f"])),
    constraint=st.none() | CONSTRAINTS,
    priority=st.none() | st.integers(-100, 101),
    template_arguments=st.none() | st.dictionaries(st.text(max_size=5), st.floats() | TEXTS, max_size=2),
)
COMPLETES = st.one_of(
    st.builds(
        pb.CompleteRequest, prompt=TEXTS, sampling=SAMPLINGS, constraint=st.none() | CONSTRAINTS, echo=st.booleans()
    ),
    st.builds(
        pb.CompleteRequest,
        token_ids=st.builds(pb.TokenIds, ids=st.lists(st.integers(0, 60_000) | COUNTS, max_size=5)),
        sampling=SAMPLINGS,
    ),
)


def code_of(call: Callable[[], Any]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


@pytest.mark.parametrize("engine", ENGINES)
def test_no_request_however_strange_makes_the_service_fail(engine: str, started: Callable[[str], Served]) -> None:
    served = started(engine)
    with grpc.insecure_channel(served.process.address) as channel:
        llm = rpc.LlmServiceStub(channel)
        codes: Counter[grpc.StatusCode] = Counter()

        @settings(max_examples=EXAMPLES[engine], deadline=None)
        @given(request=CHATS | COMPLETES)
        def ask(request: pb.ChatRequest | pb.CompleteRequest) -> None:
            method: Any = llm.Chat if isinstance(request, pb.ChatRequest) else llm.Complete
            code = code_of(lambda: method(request, timeout=30))
            assert code in FAIR, code
            codes[code] += 1

        ask()
        assert len(codes) > 1, "the requests are not strange enough, or not sane enough"
        assert llm.Chat(chat("Say hello.")).choices[0].message.content


@pytest.mark.parametrize("engine", ENGINES)
def test_bytes_that_are_no_message_do_not_hurt(engine: str, started: Callable[[str], Served]) -> None:
    served = started(engine)
    with grpc.insecure_channel(served.process.address) as channel:
        methods: list[Any] = [
            channel.unary_unary(f"/ledge.llm.v1.LlmService/{name}") for name in ("Chat", "Complete", "Tokenize")
        ]

        @settings(max_examples=60, deadline=None)
        @given(body=st.binary(max_size=60))
        def send(body: bytes) -> None:
            for method in methods:
                assert code_of(partial(method, body, timeout=30)) is not grpc.StatusCode.UNAVAILABLE

        send()
        assert rpc.LlmServiceStub(channel).Chat(chat("Say hello.")).choices[0].message.content


@pytest.mark.parametrize(
    "constraint",
    [
        pb.Constraint(grammar='root ::= ("x"? "x"?){0,500}'),
        pb.Constraint(grammar='root ::= (("a"? "a"?)* ("a"? "a"?)*)* "b"'),
        pb.Constraint(grammar="root ::= " + '"a"? ' * 1000),
        pb.Constraint(grammar='root ::= root "a" | "b"'),
        pb.Constraint(grammar="root ::= a\na ::= b\nb ::= a"),
        pb.Constraint(regex="((a{0,500}){0,500}){0,500}b"),
        pb.Constraint(regex="(a|a?)+(b|b?)+" * 50),
        pb.Constraint(
            json_schema='{"type": "array", "minItems": 1000000, "items": {"type": "array", "minItems": 9999}}'
        ),
        pb.Constraint(json_schema='{"type": "string", "pattern": "(a{0,999}){0,999}", "maxLength": 99999999}'),
        pb.Constraint(json_schema='{"allOf": [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}, {}]}]}'),
    ],
    ids=lambda value: value.WhichOneof("kind"),
)
def test_a_constraint_made_to_blow_up_holds_nobody_up(
    constraint: pb.Constraint, started: Callable[[str], Served]
) -> None:
    served = started("llamacpp")
    with grpc.insecure_channel(served.process.address) as channel:
        llm = rpc.LlmServiceStub(channel)
        hostile = llm.Chat.future(chat("Speak.", constraint=constraint), timeout=15)
        # Another caller is answered meanwhile, whatever becomes of the first.
        assert llm.Chat(chat("Say hello."), timeout=15).choices[0].message.content
        assert code_of(hostile.result) in FAIR | {grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert llm.Chat(chat("Say hello."), timeout=15).choices[0].message.content
