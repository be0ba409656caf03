"""Each mode does what its definition says, over real services."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from ledge.hybrid.v1 import hybrid_pb2
from ledge.llm.v1 import llm_pb2 as pb

from tests.hybrid.conftest import BOTH_WAYS, Pair, asked, chat, hybrid_over, status_of, streamed, stub_of
from tests.hybrid.grams import gram_service
from tests.processes import ServiceProcess


@BOTH_WAYS
async def test_local_is_the_little_model(llm: Any, ask: Any) -> None:
    told = await ask(llm, chat("hello", "local"))
    assert told.text == "the little one: hello"
    assert (told.by, told.why, told.model) == ("little", "request", "scripted")


@BOTH_WAYS
async def test_cloud_is_the_big_model(llm: Any, ask: Any) -> None:
    told = await ask(llm, chat("short", "cloud"))
    assert told.text == "Yes."
    assert (told.by, told.why) == ("big", "request")
    assert told.finish == pb.STOP
    assert told.notes["ledge-hybrid-big-tokens"] == str(told.usage.prompt_tokens + told.usage.completion_tokens)


async def test_what_the_request_does_not_say_the_settings_do(llm: Any) -> None:
    told = await asked(llm, chat("hello"))
    assert (told.notes["ledge-hybrid-mode"], told.why, told.by) == ("local", "default", "little")


@BOTH_WAYS
@pytest.mark.parametrize(("threshold", "by"), [(1000.0, "little"), (-1.0, "big")])
async def test_route_goes_by_the_questions_score(llm: Any, ask: Any, threshold: float, by: str) -> None:
    told = await ask(llm, chat("short", "route", threshold=threshold))
    assert (told.by, told.why) == (by, "router")
    assert float(told.notes["ledge-hybrid-score"]) > 0


@BOTH_WAYS
@pytest.mark.parametrize(("threshold", "by", "why"), [(-0.5, "little", "confident"), (0.5, "big", "unsure")])
async def test_cascade_asks_the_big_model_where_the_little_one_is_unsure(
    llm: Any, ask: Any, threshold: float, by: str, why: str
) -> None:
    told = await ask(llm, chat("short", "cascade", threshold=threshold))
    assert (told.by, told.why) == (by, why)
    assert told.text == {"little": "the little one: short", "big": "Yes."}[by]
    assert float(told.notes["ledge-hybrid-logprob"]) == 0


async def test_cascade_keeps_the_log_probabilities_that_were_not_asked_for_to_itself(llm: Any) -> None:
    events = [
        event async for event in llm.ChatStream(pb.ChatStreamRequest(chat=chat("hello", "cascade", threshold=-1)))
    ]
    assert not any(event.logprobs for event in events)


@BOTH_WAYS
async def test_guide_is_begun_by_the_big_model_and_continued_by_the_little_one(llm: Any, ask: Any) -> None:
    told = await ask(llm, chat("guide me", "guide", guide_tokens=20))
    # Tokens of the scripted engine are characters: the big one's words end within "deeply".
    assert told.text == "The big one thinks so the little one goes on"
    assert (told.by, told.model, told.finish) == ("both", "ledge-hybrid", pb.STOP)
    assert told.notes["ledge-hybrid-guide-tokens"] == "20"
    assert told.usage.completion_tokens == len(told.text)


@BOTH_WAYS
async def test_a_big_model_that_is_done_within_its_guidance_has_answered(llm: Any, ask: Any) -> None:
    told = await ask(llm, chat("short", "guide", guide_tokens=20))
    assert (told.text, told.by, told.finish) == ("Yes.", "big", pb.STOP)


async def test_a_stop_string_across_the_seam_ends_the_answer(llm: Any) -> None:
    sampling = pb.Sampling(temperature=0, max_tokens=64, stop=["thinks so the"])
    told = await streamed(llm, chat("guide me", "guide", guide_tokens=20, sampling=sampling))
    assert (told.text, told.finish) == ("The big one ", pb.STOP)


async def test_max_tokens_counts_both_models_tokens(llm: Any) -> None:
    sampling = pb.Sampling(temperature=0, max_tokens=24)
    told = await asked(llm, chat("guide me", "guide", guide_tokens=20, sampling=sampling))
    assert len(told.text) == 24
    assert told.finish == pb.LENGTH


@BOTH_WAYS
async def test_guidance_that_is_longer_in_the_little_models_tokens_is_cut_at_the_bound(
    pair: Pair, tmp_path: Path, ask: Any
) -> None:
    # The big one's tokens are words, the little one's characters.
    with gram_service(tmp_path, 3) as words, hybrid_over(pair.little.address, words.address) as process:
        async with stub_of(process) as llm:
            sampling = pb.Sampling(temperature=0, max_tokens=6)
            told = await ask(llm, chat("the old mill", "guide", guide_tokens=5, sampling=sampling))
            assert (len(told.text), told.usage.completion_tokens) == (6, 6)
            assert (told.finish, told.by) == (pb.LENGTH, "big")


async def test_a_mode_that_cannot_hold_the_request_is_refused_where_it_was_asked_for(llm: Any) -> None:
    for mode in ("guide", "bild"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await llm.Chat(chat("hello", mode, constraint=pb.Constraint(json=True)))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "constraint" in str(refused.value.details())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await llm.Chat(chat("hello", "bild", sampling=pb.Sampling(temperature=1)))
    assert "greedy" in str(refused.value.details())


async def test_a_default_mode_that_cannot_hold_a_request_leaves_it_to_the_little_model(pair: Pair) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_MODE="guide") as process:
        async with stub_of(process) as llm:
            told = await asked(llm, chat("hello", sampling=pb.Sampling(n=2, max_tokens=4)))
            assert (told.by, told.why) == ("little", "unsuited")
            assert (await asked(llm, chat("short"))).text == "Yes."


@pytest.mark.parametrize(
    "fields",
    [
        {"guide_tokens": 0},
        {"guide_tokens": 5000},
        {"fallback_threshold": 1.5},
        {"rollback_threshold": -1.0},
        {"threshold": float("nan")},
    ],
)
async def test_a_number_out_of_range_is_the_callers_fault(llm: Any, fields: dict[str, float]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await llm.Chat(chat("hello", "local", **fields))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_mode_of_no_known_number_is_the_callers_fault(llm: Any) -> None:
    request = chat("hello")
    request.hybrid.mode = 99  # type: ignore[assignment]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await llm.Chat(request)
    assert "99" in str(refused.value.details())


async def test_a_completion_goes_to_either_model(llm: Any) -> None:
    sampling = pb.Sampling(temperature=0, max_tokens=64)
    for mode, said in (("LOCAL", "the little one: hello"), ("CLOUD", "The big one thinks")):
        request = pb.CompleteRequest(
            prompt="hello", sampling=sampling, hybrid=pb.Hybrid(mode=pb.Hybrid.Mode.Value(mode))
        )
        assert (await llm.Complete(request)).choices[0].text.startswith(said)
        events = [event async for event in llm.CompleteStream(pb.CompleteStreamRequest(complete=request))]
        assert "".join(event.delta for event in events).startswith(said)


async def test_token_ids_go_to_the_model_that_they_are_of(llm: Any) -> None:
    ids = pb.TokenIds(ids=[ord(letter) for letter in "hello"])
    sampling = pb.Sampling(temperature=0, max_tokens=16)
    for name, said in (("small", "the little one"), ("large", "The big one")):
        answer = await llm.Complete(pb.CompleteRequest(token_ids=ids, sampling=sampling, model=name))
        assert answer.choices[0].text.startswith(said)
    cloud = pb.Hybrid(mode=pb.Hybrid.CLOUD)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await llm.Complete(pb.CompleteRequest(token_ids=ids, sampling=sampling, hybrid=cloud))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    biased = pb.Sampling(temperature=0, logit_bias={5: 1.0})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await llm.Chat(chat("hello", "guide", sampling=biased))
    assert "logit_bias" in str(refused.value.details())


async def test_both_models_and_their_union_are_listed(llm: Any) -> None:
    models = (await llm.ListModels(pb.ListModelsRequest())).models
    assert models[0].id == "ledge-hybrid"
    assert models[0].answer_policy == "compose"
    assert [name for model in models for name in model.aliases] == ["small", "large"]


async def test_a_model_named_by_a_request_answers_it(llm: Any) -> None:
    assert (await asked(llm, chat("short", model="small"))).text == "the little one: short"
    assert (await asked(llm, chat("short", model="large"))).text == "Yes."
    assert (await asked(llm, chat("short", "cloud", model="ledge-hybrid"))).text == "Yes."
    assert (await streamed(llm, chat("short", model="ledge-hybrid"))).text == "the little one: short"


async def test_a_model_that_is_nobodys_is_not_found(llm: Any) -> None:
    for request in (chat("short", model="other"), chat("short", "cloud", model="other")):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await llm.Chat(request)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_tokens_are_the_little_models(llm: Any) -> None:
    told = await llm.Tokenize(pb.TokenizeRequest(text="ab"))
    assert list(told.token_ids) == [97, 98]
    assert (await llm.Detokenize(pb.DetokenizeRequest(token_ids=[97, 98], model="ledge-hybrid"))).text == "ab"


async def test_what_would_be_decided_is_told_without_doing_it(hybrid: ServiceProcess, pair: Pair) -> None:
    before = len(pair.wire.up)
    async with status_of(hybrid) as status:
        told = await status.Decide(hybrid_pb2.DecideRequest(chat=chat("a question", "route", threshold=0.1)))
        assert (told.mode, told.why, told.big) == (pb.Hybrid.ROUTE, "router", True)
        labelled = await status.Decide(hybrid_pb2.DecideRequest(chat=chat("a question", "cloud", local_only=True)))
        assert (labelled.mode, labelled.why) == (pb.Hybrid.LOCAL, "local-only")
    assert b"a question" not in pair.wire.up[before:]


async def test_a_message_that_is_none_is_refused(hybrid: ServiceProcess) -> None:
    async with grpc.aio.insecure_channel(hybrid.address) as channel:
        for method in ("Chat", "Tokenize"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(f"/ledge.llm.v1.LlmService/{method}")(b"\xff\xff\xff")
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
