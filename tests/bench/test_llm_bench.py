"""`ledge bench llm`: what it tells of its own workload."""

from services.cli.bench.llm_through_grpc import Measured, prompts, through_grpc, workload
from tests.processes import service


async def test_the_workload_is_the_services_model_and_the_tokens_as_they_were() -> None:
    with service("llm", LEDGE_ENGINE="scripted") as llm:
        measured = Measured()
        asked = prompts(3)
        for _ in range(2):
            measured.add(*await through_grpc(llm.address, asked, 12))
        told = await workload(llm.address, asked, [measured])
    # The scripted engine's tokens are characters, and its template adds the role and a line's end.
    read = [f"user: {prompt}\n" for prompt in asked]
    assert told == {
        "model": "scripted",
        "engine": "scripted",
        "prompt_tokens": round(sum(map(len, read)) / 3),
        "answer_tokens": 12,
    }
