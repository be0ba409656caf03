"""Big Little decoding over the wire: exact, thin, and indifferent to a connection that breaks."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.estimates.language_models.language_model import LanguageModel
from services.estimates.language_models.ngram import NgramContext, NgramModel
from services.hybrid.bild.decoding import Policy, Propose, Verdict, Verify, decode
from services.hybrid.bild.in_process import Counts, greedy, propose
from services.hybrid.bild.remote import RemoteVerifier, _read
from services.kit.errors import EngineFailed
from tests.hybrid.grams import engine, gram_service
from tests.hybrid.wire import Wire, data_bytes, wire_to
from tests.processes import ServiceProcess

PROMPTS = ("user: what does the pump do?\n", "user: und das Becken?\n", "user: the old mill\n", "user: 1912\n")
MOST = 60
UP_BYTES = 130
DOWN_BYTES = 100
GRPC_AND_FRAME_BYTES = 5 + 9
TLS_AND_TCP_BYTES = 69
"""What a record of TLS and the headers of TCP and IP add to a message, which this wire does not see."""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with gram_service(tmp_path_factory.mktemp("big"), 4) as process:
        yield process


@pytest.fixture(scope="module")
def wire(big: ServiceProcess) -> Iterator[Wire]:
    with wire_to(big.address) as wire:
        yield wire


@asynccontextmanager
async def stub_at(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address, options=[("grpc.http2.bdp_probe", 0)]) as channel:
        yield rpc.VerifierServiceStub(channel)


class Little:
    """A little model with the big one's vocabulary: one of the text, or of noise."""

    def __init__(self, order: int, noise: int | None = None) -> None:
        self.engine = engine(order)
        size = self.engine.model.vocabulary_size
        if noise is None:
            self.context: LanguageModel = self.engine.open_scoring([0])._context
        else:
            chance = random.Random(noise)
            noisy = [[chance.randrange(size) for _ in range(200)] for _ in range(20)]
            self.context = NgramContext(NgramModel(noisy, order, size))


async def decoded(
    verifier: RemoteVerifier,
    little: LanguageModel,
    prompt: list[int],
    policy: Policy,
    ends: frozenset[int],
    before: Callable[[int], None] = lambda call: None,
) -> tuple[tuple[int, ...], Counts]:
    sequence, counts = list(prompt), Counts()
    steps = decode(len(prompt), policy, MOST, ends)
    back: Any = None
    while True:
        try:
            step = steps.send(back)
        except StopIteration as done:
            return done.value, counts
        if isinstance(step, Propose):
            back = propose(little, sequence, step, policy, ends, counts)
            continue
        before(counts.big_calls)
        counts.big_calls += 1
        verdict = await verifier.verify(step)
        sequence += step.drafted[: verdict.accepted]
        sequence += [] if verdict.next_token is None else [verdict.next_token]
        little.rollback(min(little.length, step.position + verdict.accepted))
        back = verdict


def verifier_of(stub: Any, little: Little, prompt: list[int], rollback: float, **fields: Any) -> RemoteVerifier:
    model = little.engine.model
    told = {"vocabulary_sha256": model.vocabulary_sha256, **fields}
    return RemoteVerifier(stub, told["vocabulary_sha256"], prompt, rollback, model.end_token_ids, 10.0)


@pytest.mark.parametrize("fallback", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize(("order", "noise"), [(1, None), (2, None), (4, None), (2, 1), (3, 2)])
async def test_rollback_at_zero_is_the_big_models_own_answer(
    wire: Wire, fallback: float, order: int, noise: int | None
) -> None:
    async with stub_at(wire.address) as stub:
        for text in PROMPTS:
            little = Little(order, noise)
            ends = frozenset(little.engine.model.end_token_ids)
            prompt = little.engine._words.ids(text)
            verifier = verifier_of(stub, little, prompt, 0.0)
            told, _ = await decoded(verifier, little.context, prompt, Policy(fallback, 0.0), ends)
            verifier.close()
            assert told == greedy(Little(4).context, prompt, MOST, ends)


@pytest.mark.parametrize("rollback", [0.5, 5.0])
async def test_identical_models_need_no_rollback_over_the_wire(wire: Wire, rollback: float) -> None:
    async with stub_at(wire.address) as stub:
        little = Little(4)
        prompt = little.engine._words.ids(PROMPTS[0])
        ends = frozenset(little.engine.model.end_token_ids)
        verifier = verifier_of(stub, little, prompt, rollback)
        told, _ = await decoded(verifier, little.context, prompt, Policy(0.2, rollback), ends)
        verifier.close()
        assert told == greedy(Little(4).context, prompt, MOST, ends)


async def test_a_connection_that_breaks_costs_one_retry_and_no_wrong_token(big: ServiceProcess) -> None:
    for cut_at in range(1, 4):
        with wire_to(big.address) as wire:
            async with stub_at(wire.address) as stub:
                little = Little(2)
                prompt = little.engine._words.ids(PROMPTS[0])
                ends = frozenset(little.engine.model.end_token_ids)
                verifier = verifier_of(stub, little, prompt, 0.0)

                def cut(call: int, wire: Wire = wire, cut_at: int = cut_at) -> None:
                    if call == cut_at:
                        wire.cut()

                told, counts = await decoded(verifier, little.context, prompt, Policy(0.3, 0.0, 3), ends, cut)
                verifier.close()
                assert counts.big_calls > cut_at
                assert verifier.reconnects == 1
                assert wire.connections == 2
                assert told == greedy(Little(4).context, prompt, MOST, ends)


@settings(max_examples=40, deadline=None)
@given(cut_at=st.integers(1, 3), more_bytes=st.integers(1, 150))
def test_a_connection_that_breaks_in_the_middle_of_a_message_makes_no_wrong_token(
    big: ServiceProcess, cut_at: int, more_bytes: int
) -> None:
    async def answered() -> tuple[int, ...]:
        with wire_to(big.address) as wire:
            async with stub_at(wire.address) as stub:

                def cut(call: int) -> None:
                    if call == cut_at:
                        wire.cut_after(more_bytes)

                verifier = verifier_of(stub, little, prompt, 0.0)
                told, _ = await decoded(verifier, little.context, prompt, Policy(0.3, 0.0, 3), ends, cut)
                verifier.close()
                # A draft has more than twenty bytes; what is cut later may be cut after the last verdict.
                assert verifier.reconnects == 1 or (more_bytes > 20 and verifier.reconnects == 0)
                return told

    little = Little(2)
    prompt = little.engine._words.ids(PROMPTS[0])
    ends = frozenset(little.engine.model.end_token_ids)
    assert asyncio.run(answered()) == greedy(Little(4).context, prompt, MOST, ends)


async def test_a_fallback_is_a_few_bytes(wire: Wire) -> None:
    async with stub_at(wire.address) as stub:
        little = Little(2)
        prompt = little.engine._words.ids(PROMPTS[0])
        verifier = verifier_of(stub, little, prompt, 100.0)
        # Ten tokens are drafted each time, the longest draft there is by default.
        drafted = tuple(little.engine._words.ids(" the pump feeds the river and the tower guards the")[:10])
        assert len(drafted) == 10
        position = len(prompt)
        verdict = await verifier.verify(Verify(position, drafted))
        up, down, rounds = len(wire.up), len(wire.down), 20
        for _ in range(rounds):
            position += verdict.accepted + 1
            verdict = await verifier.verify(Verify(position, drafted))
        verifier.close()
        for sent, most in ((wire.up[up:], UP_BYTES), (wire.down[down:], DOWN_BYTES)):
            # With the frames of flow control, but without the packets around it all.
            assert len(sent) / rounds <= most
            assert data_bytes(sent) / rounds + TLS_AND_TCP_BYTES <= most


@pytest.mark.parametrize("largest_id", [49_151, 128_255, 262_143], ids=["SmolLM2", "Llama 3", "Gemma 3"])
def test_tokens_of_a_large_vocabulary_are_a_few_bytes_too(largest_id: int) -> None:
    draft = pb.VerifyDraft(position=30_000, token_ids=[largest_id] * 10, rollback_threshold=2.0, verdict_only=True)
    verdict = pb.VerifyResponse(accepted=10, next_token_id=largest_id, compute_ms=21.5)
    around = GRPC_AND_FRAME_BYTES + TLS_AND_TCP_BYTES
    assert pb.VerifyRequest(draft=draft).ByteSize() + around <= UP_BYTES
    assert verdict.ByteSize() + around <= DOWN_BYTES


async def test_another_vocabulary_is_refused(wire: Wire) -> None:
    async with stub_at(wire.address) as stub:
        little = Little(2)
        verifier = verifier_of(stub, little, [1, 2], 0.0, vocabulary_sha256=b"another")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await verifier.verify(Verify(2, (1,)))
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_service_that_is_not_there_is_tried_and_told() -> None:
    async with stub_at("127.0.0.1:1") as stub:
        verifier = verifier_of(stub, Little(2), [1, 2], 0.0)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await verifier.verify(Verify(2, (1,)))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_scores_alone_let_all_stand(big: ServiceProcess) -> None:
    async with stub_at(big.address) as stub:
        model = Little(4).engine.model
        call = stub.Verify()
        opened = pb.VerifyOpen(tokenizer_sha256=model.vocabulary_sha256, prompt_token_ids=[10])
        await call.write(pb.VerifyRequest(open=opened))
        await call.write(pb.VerifyRequest(draft=pb.VerifyDraft(position=1, token_ids=[40, 41, 42])))
        told = await call.read()
        assert (told.accepted, told.position) == (3, 5)
        assert len(told.negative_logprobs) == len(told.argmax_token_ids) == 3
        rows = Little(4).context.eval([10, 40, 41, 42], 4)
        assert list(told.argmax_token_ids) == [int(row.argmax()) for row in rows[:3]]
        assert told.next_token_id == int(rows[3].argmax())
        assert told.negative_logprobs[0] == pytest.approx(-rows[0][40], rel=1e-5)
        call.cancel()


@pytest.mark.parametrize(
    "draft",
    [
        pb.VerifyDraft(position=0),
        pb.VerifyDraft(position=9),
        pb.VerifyDraft(position=2, token_ids=[1] * 1025),
        pb.VerifyDraft(position=2, token_ids=[2**31]),
        pb.VerifyDraft(position=2, token_ids=[1] * 1000 + [2] * 24, rollback_threshold=-1),
    ],
)
async def test_a_draft_that_makes_no_sense_is_the_callers_fault(big: ServiceProcess, draft: pb.VerifyDraft) -> None:
    async with stub_at(big.address) as stub:
        sha256 = Little(4).engine.model.vocabulary_sha256
        call = stub.Verify()
        opened = pb.VerifyOpen(tokenizer_sha256=sha256, prompt_token_ids=[10, 11])
        await call.write(pb.VerifyRequest(open=opened))
        await call.write(pb.VerifyRequest(draft=draft))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_session_begins_with_open(big: ServiceProcess) -> None:
    async with stub_at(big.address) as stub:
        call = stub.Verify()
        await call.write(pb.VerifyRequest(draft=pb.VerifyDraft(position=1)))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_senseless_verdict_is_no_answer() -> None:
    told = pb.VerifyResponse(accepted=1, next_token_id=3)
    assert _read(told, Verify(4, (1, 2)), {9}) == Verdict(1, 3)
    assert _read(told, Verify(4, (9,)), {9}) == Verdict(1, None)
    with pytest.raises(EngineFailed):
        _read(pb.VerifyResponse(accepted=3), Verify(4, (1, 2)), {9})
