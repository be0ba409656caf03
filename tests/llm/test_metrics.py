"""The metrics of a fresh service, under all their names."""

from collections.abc import Iterator

import grpc
import httpx
import pytest
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import ServiceProcess, service

NIM_1_X = {
    "num_requests_running",
    "num_requests_waiting",
    "num_request_max",
    "prompt_tokens_total",
    "generation_tokens_total",
    "time_to_first_token_seconds_count",
    "time_per_output_token_seconds_count",
    "e2e_request_latency_seconds_count",
    "request_prompt_tokens_sum",
    "request_generation_tokens_sum",
    "request_success_total",
    "request_finish_total",
}
VLLM = {
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:time_to_first_token_seconds_count",
    "vllm:request_time_per_output_token_seconds_count",
    "vllm:e2e_request_latency_seconds_count",
    "vllm:request_queue_time_seconds_count",
    "vllm:request_prompt_tokens_sum",
    "vllm:request_generation_tokens_sum",
    "vllm:request_success_total",
}


@pytest.fixture
def llm() -> Iterator[ServiceProcess]:
    with service("llm", LEDGE_ENGINE="scripted", LEDGE_SLOTS="7") as running:
        yield running


async def told(llm: ServiceProcess) -> dict[str, float]:
    """Every sample by its name, summed over its labels; the model's name is checked on the way."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{llm.ops_url}/v1/metrics")).raise_for_status().text
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in NIM_1_X | VLLM:
                assert sample.labels["model_name"] == "scripted"
            if sample.labels.get("queue", "llm") == "llm":
                samples[sample.name] = samples.get(sample.name, 0) + sample.value
    return samples


async def test_the_names_of_vllm_and_nim_stand_beside_ledges_and_tell_the_same(llm: ServiceProcess) -> None:
    before = await told(llm)
    assert before.keys() >= NIM_1_X | VLLM
    assert before["num_request_max"] == 7
    assert {before[name] for name in (NIM_1_X | VLLM) - {"num_request_max"}} == {0}
    async with grpc.aio.insecure_channel(llm.address) as channel:
        stub = rpc.LlmServiceStub(channel)
        messages = [pb.Message(role=pb.Message.USER, content="hi")]
        answer = await stub.Chat(pb.ChatRequest(messages=messages, sampling=pb.Sampling(n=2)))
    after = await told(llm)
    usage = answer.usage
    for name in ("prompt_tokens_total", "request_prompt_tokens_sum"):
        assert after[name] == after[f"vllm:{name}"] == after["ledge_llm_prompt_tokens_total"] > 0
    for name in ("generation_tokens_total", "request_generation_tokens_sum"):
        assert after[name] == after[f"vllm:{name}"] == usage.completion_tokens
    for name in ("request_success_total", "request_finish_total", "e2e_request_latency_seconds_count"):
        assert after[name] == 2
    assert after["vllm:time_to_first_token_seconds_count"] == after["time_per_output_token_seconds_count"] == 2
    assert after["num_requests_running"] == after["vllm:num_requests_waiting"] == 0
