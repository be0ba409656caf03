"""Big Little decoding through the service, with n-gram models behind both llm services."""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from ledge.hybrid.v1 import hybrid_pb2
from ledge.llm.v1 import llm_pb2 as pb

from tests.hybrid.conftest import BIG, BOTH_WAYS, Pair, asked, chat, hybrid_over, status_of, streamed, stub_of
from tests.hybrid.grams import gram_service, text
from tests.hybrid.strange_big import strange_big
from tests.hybrid.wire import wire_to
from tests.metrics import metric
from tests.processes import ServiceProcess, service

ROUND_TRIP = "ledge_hybrid_verify_rtt_seconds"
QUESTIONS = ("what does the pump do?", "und das Becken?", "the old mill", "tell of 1912")


@pytest.fixture(scope="module")
def grams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceProcess, ServiceProcess]]:
    folder = tmp_path_factory.mktemp("grams")
    with gram_service(folder, 2) as little, gram_service(folder, 5) as big:
        yield little, big


@pytest.fixture(scope="module")
def decoding(grams: tuple[ServiceProcess, ServiceProcess]) -> Iterator[ServiceProcess]:
    little, big = grams
    settings = {"LEDGE_MODE": "bild", "LEDGE_BILD_KEEP": "true", "LEDGE_BILD_ROLLBACK": "0"}
    with hybrid_over(little.address, big.address, **settings) as process:
        yield process


@BOTH_WAYS
@pytest.mark.parametrize("fallback", [0.0, 0.4, 1.0])
async def test_with_rollback_at_zero_the_answer_is_the_big_models(
    decoding: ServiceProcess, grams: tuple[ServiceProcess, ServiceProcess], ask: Any, fallback: float
) -> None:
    async with stub_of(decoding) as llm, stub_of(grams[1]) as big:
        for question in QUESTIONS:
            told = await ask(llm, chat(question, fallback_threshold=fallback))
            alone = await big.Chat(chat(question))
            assert told.text == alone.choices[0].message.content
            assert told.finish == alone.choices[0].finish_reason
            assert told.usage.prompt_tokens == alone.usage.prompt_tokens
            assert (told.by, told.model) == ("both", "ledge-hybrid")


async def test_the_big_model_is_asked_for_fewer_steps_than_there_are_tokens(decoding: ServiceProcess) -> None:
    async with stub_of(decoding) as llm:
        told = await asked(llm, chat(QUESTIONS[0], fallback_threshold=0.0))
        assert 0 < int(told.notes["ledge-hybrid-big-calls"]) < told.usage.completion_tokens


async def test_the_way_to_the_big_model_and_back_is_measured_for_every_verdict(decoding: ServiceProcess) -> None:
    before = await metric(decoding, f"{ROUND_TRIP}_count"), await metric(decoding, f"{ROUND_TRIP}_sum")
    began_s = time.monotonic()
    async with stub_of(decoding) as llm:
        told = await asked(llm, chat(QUESTIONS[0]))
    took_s = time.monotonic() - began_s
    assert await metric(decoding, f"{ROUND_TRIP}_count") - before[0] == int(told.notes["ledge-hybrid-big-calls"])
    assert 0 < await metric(decoding, f"{ROUND_TRIP}_sum") - before[1] < took_s


async def test_higher_thresholds_of_rollback_leave_more_to_the_little_model(
    decoding: ServiceProcess, grams: tuple[ServiceProcess, ServiceProcess]
) -> None:
    async with stub_of(decoding) as llm, stub_of(grams[0]) as little:
        free = await asked(llm, chat(QUESTIONS[0], fallback_threshold=0.0, rollback_threshold=1000.0))
        strict = await asked(llm, chat(QUESTIONS[0], fallback_threshold=0.0, rollback_threshold=0.0))
        alone = (await little.Chat(chat(QUESTIONS[0]))).choices[0].message.content
        assert free.text != strict.text or alone == strict.text
        per_token = [int(one.notes["ledge-hybrid-big-calls"]) / one.usage.completion_tokens for one in (free, strict)]
        assert per_token[0] <= per_token[1]


async def test_a_stop_string_ends_the_answer_before_it(decoding: ServiceProcess) -> None:
    async with stub_of(decoding) as llm:
        whole = (await asked(llm, chat(QUESTIONS[0]))).text
        stop = whole[10:16]
        told = await streamed(llm, chat(QUESTIONS[0], sampling=pb.Sampling(temperature=0, stop=[stop])))
        assert told.text == whole[: whole.index(stop)]
        assert told.finish == pb.STOP


async def test_max_tokens_bounds_the_answer(decoding: ServiceProcess) -> None:
    async with stub_of(decoding) as llm:
        for most in (1, 2, 7):
            told = await asked(llm, chat(QUESTIONS[0], sampling=pb.Sampling(temperature=0, max_tokens=most)))
            assert (told.usage.completion_tokens, told.finish) == (most, pb.LENGTH)


async def test_a_big_model_of_another_vocabulary_leaves_the_answer_to_the_little_one(
    grams: tuple[ServiceProcess, ServiceProcess], tmp_path: Any
) -> None:
    with (
        gram_service(tmp_path, 3, content="quite another text") as big,
        hybrid_over(grams[0].address, big.address) as process,
    ):
        async with stub_of(process) as llm:
            told = await asked(llm, chat(QUESTIONS[0], "bild"))
            assert (told.by, told.why) == ("little", "other-vocabulary")
            assert told.text


async def test_a_big_model_that_verifies_nothing_leaves_the_answer_to_the_little_one(
    grams: tuple[ServiceProcess, ServiceProcess], pair: Pair
) -> None:
    with hybrid_over(grams[0].address, pair.big.address) as process:
        async with stub_of(process) as llm:
            told = await streamed(llm, chat(QUESTIONS[0], "bild"))
            assert (told.by, told.why) == ("little", "no-verifier")


async def test_a_little_model_without_a_known_vocabulary_cannot_draft(
    grams: tuple[ServiceProcess, ServiceProcess], pair: Pair
) -> None:
    with hybrid_over(pair.little.address, grams[1].address, LEDGE_MODE="bild") as process:
        async with stub_of(process) as llm:
            assert (await asked(llm, chat("hello"))).why == "unsuited"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await llm.Chat(chat("hello", "bild"))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_big_model_that_is_gone_in_the_middle_leaves_the_rest_to_the_little_one(
    grams: tuple[ServiceProcess, ServiceProcess],
) -> None:
    little, big = grams
    settings = {"LEDGE_BILD_KEEP": "true", "LEDGE_BILD_DRAFT_TOKENS": "1"}
    request = chat(QUESTIONS[0], "bild", sampling=pb.Sampling(temperature=0, max_tokens=40))
    with wire_to(big.address) as wire, hybrid_over(little.address, wire.address, **settings) as process:
        async with stub_of(process) as llm:
            assert (await asked(llm, request)).by == "both"
        sent_bytes = len(wire.up)
    with (
        wire_to(big.address, sent_bytes - 100) as wire,
        hybrid_over(little.address, wire.address, **settings) as process,
    ):
        async with stub_of(process) as llm:
            told = await streamed(llm, request)
            assert (told.by, told.why) == ("both", "big-down")
            assert told.text
            assert told.finish


async def test_a_caller_with_little_time_takes_the_verifier_from_nobody_else(
    grams: tuple[ServiceProcess, ServiceProcess],
) -> None:
    async with strange_big() as silent:
        with hybrid_over(grams[0].address, silent.address, LEDGE_MODE="bild") as process:
            async with stub_of(process) as llm, status_of(process) as status:
                call = llm.Chat(chat(QUESTIONS[0]), timeout=4)
                assert (await call).choices[0].message.content
                assert ("ledge-hybrid-why", "big-slow") in tuple(await call.trailing_metadata())
                decided = await status.Decide(hybrid_pb2.DecideRequest(chat=chat(QUESTIONS[0])))
                assert (decided.mode, decided.why) == (pb.Hybrid.BILD, "default")


@BOTH_WAYS
async def test_a_verdict_that_is_on_no_draft_leaves_the_answer_to_the_little_one(
    grams: tuple[ServiceProcess, ServiceProcess], ask: Any
) -> None:
    async with strange_big(pb.VerifyResponse(accepted=1000)) as strange:
        with hybrid_over(grams[0].address, strange.address) as process:
            async with stub_of(process) as llm, stub_of(grams[0]) as little:
                told = await ask(llm, chat(QUESTIONS[0], "bild"))
                assert (told.by, told.why) == ("little", "big-failed")
                assert told.text == (await little.Chat(chat(QUESTIONS[0]))).choices[0].message.content


async def test_it_switches_itself_off_where_it_loses(grams: tuple[ServiceProcess, ServiceProcess]) -> None:
    # N-gram models answer in microseconds: a round trip for each draft is dear beside that.
    with hybrid_over(grams[0].address, grams[1].address, LEDGE_MODE="bild") as process:
        async with stub_of(process) as llm, status_of(process) as status:
            assert (await status.GetStatus(hybrid_pb2.GetStatusRequest())).bild
            for _ in range(20):
                told = await asked(llm, chat(QUESTIONS[0], fallback_threshold=0.9))
                if told.why == "unprofitable":
                    break
            assert (told.why, told.by) == ("unprofitable", "big")
            assert not (await status.GetStatus(hybrid_pb2.GetStatusRequest())).bild


async def test_a_budget_that_ends_in_the_middle_leaves_the_rest_to_the_little_model(
    grams: tuple[ServiceProcess, ServiceProcess],
) -> None:
    bound = await prompt_tokens(grams[0]) + 6
    settings = {"LEDGE_CLOUD_TOKENS": str(bound), "LEDGE_BILD_KEEP": "true", "LEDGE_BILD_DRAFT_TOKENS": "2"}
    with hybrid_over(grams[0].address, grams[1].address, **settings) as process:
        async with stub_of(process) as llm:
            told = await asked(llm, chat(QUESTIONS[0], "bild"))
            assert (told.by, told.why) == ("both", "budget")
            assert int(told.notes["ledge-hybrid-big-tokens"]) <= bound


async def test_what_was_never_sent_to_the_big_model_is_not_spent(grams: tuple[ServiceProcess, ServiceProcess]) -> None:
    # Room for the prompt, and not for a draft.
    bound = await prompt_tokens(grams[0])
    settings = {"LEDGE_CLOUD_TOKENS": str(bound), "LEDGE_CLOUD_CALLS": "3", "LEDGE_MODE": "bild"}
    with hybrid_over(grams[0].address, grams[1].address, **settings) as process:
        async with stub_of(process) as llm, status_of(process) as status:
            told = await asked(llm, chat(QUESTIONS[0]))
            assert (told.by, told.why) == ("little", "budget")
            left = await status.GetStatus(hybrid_pb2.GetStatusRequest())
            assert (left.calls_left, left.tokens_left) == (3, bound)


async def prompt_tokens(little: ServiceProcess) -> int:
    messages = pb.MessageList(messages=chat(QUESTIONS[0]).messages)
    async with stub_of(little) as llm:
        return len((await llm.Tokenize(pb.TokenizeRequest(messages=messages))).token_ids)


async def test_cascade_goes_by_what_the_little_model_thought_of_its_words(
    grams: tuple[ServiceProcess, ServiceProcess],
) -> None:
    with service("llm", **BIG) as big, hybrid_over(grams[0].address, big.address) as process:
        async with stub_of(process) as llm, stub_of(grams[0]) as little:
            request = chat(QUESTIONS[0], sampling=pb.Sampling(temperature=0, max_tokens=20, top_logprobs=0))
            told = (await little.Chat(request)).choices[0].logprobs
            mean = sum(one.logprob for one in told) / len(told)
            assert mean < 0
            for threshold, by in ((mean - 0.01, "little"), (mean + 0.01, "big")):
                sampling = pb.Sampling(temperature=0, max_tokens=20)
                answer = await asked(llm, chat(QUESTIONS[0], "cascade", threshold=threshold, sampling=sampling))
                assert answer.by == by
                assert float(answer.notes["ledge-hybrid-logprob"]) == pytest.approx(mean, abs=1e-3)


def test_the_text_has_more_than_one_way_to_go_on() -> None:
    assert len(set(text().split())) > 30
