"""The default engine on either side: a real model, on the CPU."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.backend import Backend
from services.hybrid.bild.decoding import Policy, Propose
from services.hybrid.bild.drafting import draft
from services.kit.client import Channel, open_channel
from services.kit.errors import EngineFailed
from services.llm.engines.gguf import read_vocabulary
from tests.hybrid.conftest import asked, chat, hybrid_over, stub_of
from tests.llm.conftest import running
from tests.processes import ServiceProcess

QUESTION = "Write a sentence about a river."


@pytest.fixture(scope="module")
def smollm() -> Iterator[ServiceProcess]:
    with running("llamacpp") as served:
        yield served.process


async def test_a_model_guided_by_itself_says_what_it_says_by_itself(smollm: ServiceProcess) -> None:
    with hybrid_over(smollm.address, smollm.address) as process:
        async with stub_of(process) as llm:
            sampling = pb.Sampling(temperature=0, max_tokens=24)
            own = (await asked(llm, chat(QUESTION, "local", sampling=sampling))).text
            told = await asked(llm, chat(QUESTION, "guide", guide_tokens=8, sampling=sampling))
            assert told.by == "both"
            # The same words beyond the guidance; a step that is computed in another batch may differ late.
            assert own.split()[:10] == told.text.split()[:10]


async def test_it_drafts_what_it_says_and_stops_where_it_is_unsure(smollm: ServiceProcess) -> None:
    async with stub_of(smollm) as llm:
        prompt = await llm.Tokenize(pb.TokenizeRequest(messages=pb.MessageList(messages=chat(QUESTION).messages)))
        assert len(prompt.vocabulary_sha256) == 32
        assert prompt.end_token_ids
        sampling = pb.Sampling(temperature=0, max_tokens=8, top_logprobs=0)
        own = await llm.Complete(pb.CompleteRequest(token_ids=pb.TokenIds(ids=prompt.token_ids), sampling=sampling))
        told = own.choices[0].logprobs
    bare = open_channel(smollm.address)
    little = Backend(Channel(bare, None, None, 0.0))
    step = Propose(len(prompt.token_ids), 8)
    ends = frozenset(prompt.end_token_ids)
    assert await draft(little, prompt.token_ids, step, Policy(fallback=0.0), ends) == tuple(
        one.token_id for one in told
    )
    # Just above the least sure of its words: up to there.
    least = min(range(8), key=lambda place: told[place].logprob)
    policy = Policy(fallback=min(1.0, 1.05 * 2.718281828 ** told[least].logprob))
    drafted = await draft(little, prompt.token_ids, step, policy, ends)
    assert drafted == tuple(one.token_id for one in told[: len(drafted)])
    assert len(drafted) <= least
    await little.close()


async def test_it_verifies_nothing(smollm: ServiceProcess) -> None:
    from ledge.llm.v1 import llm_pb2_grpc as rpc

    async with grpc.aio.insecure_channel(smollm.address) as channel:
        call = rpc.VerifierServiceStub(channel).Verify()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"nothing", b"GGUF" + b"\xff" * 64, b"GGUF\3\0\0\0" + bytes(8) + b"\1" + bytes(15)]
)
def test_a_file_that_is_no_model_has_no_vocabulary(tmp_path: Any, content: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(EngineFailed):
        read_vocabulary(file)
