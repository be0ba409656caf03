"""The engine of counts: what of the contract it keeps, what it refuses, and that its probabilities are its own."""

import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from ledge.llm.v1 import llm_pb2 as pb

import tests.llm.test_contract as kept
from tests.hybrid.grams import gram_service
from tests.llm.conftest import Served, chat, connected, refused
from tests.processes import ServiceProcess, service

UNABLE = {
    "test_an_answer_under_a_schema_is_an_instance_of_it",
    "test_a_tool_that_must_be_called_is_called_by_its_schema",
    "test_a_conversation_with_tool_results_goes_on",
    "test_drafts_are_verified_where_probabilities_can_be_read_and_nowhere_else",
}
globals().update({name: test for name, test in vars(kept).items() if name.startswith("test_") and name not in UNABLE})
for name in UNABLE:
    assert hasattr(kept, name)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with gram_service(tmp_path_factory.mktemp("ngram"), 3) as process:
        yield process


@pytest.fixture
def served(process: ServiceProcess) -> Served:
    return Served("ngram", process)


@pytest.fixture
async def llm(served: Served) -> AsyncIterator[Any]:
    async with connected(served) as stub:
        yield stub


@pytest.mark.parametrize(
    "fields",
    [
        {"constraint": pb.Constraint(json=True)},
        {"tools": [kept.TANK]},
        {"sampling": pb.Sampling(presence_penalty=1)},
        {"sampling": pb.Sampling(logit_bias={1: 1.0})},
    ],
)
async def test_what_it_cannot_do_is_refused_and_not_ignored(llm: Any, fields: dict[str, Any]) -> None:
    error = await refused(llm.Chat(chat("hello", **fields)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "ngram" in error.details()


async def test_what_it_says_of_its_words_is_what_chose_them(llm: Any) -> None:
    sampling = pb.Sampling(temperature=0, max_tokens=12, top_logprobs=3)
    answer = await llm.Chat(chat("what does the pump do?", sampling=sampling))
    for one in answer.choices[0].logprobs:
        assert one.top[0].token_id == one.token_id
        assert [other.logprob for other in one.top] == sorted((other.logprob for other in one.top), reverse=True)
        assert sum(math.exp(other.logprob) for other in one.top) <= 1 + 1e-6


async def test_top_k_of_one_is_greedy_at_any_temperature(llm: Any) -> None:
    greedy = await llm.Chat(chat("the pump", sampling=pb.Sampling(temperature=0, max_tokens=10)))
    narrow = await llm.Chat(chat("the pump", sampling=pb.Sampling(temperature=2, top_k=1, max_tokens=10)))
    least = await llm.Chat(chat("the pump", sampling=pb.Sampling(temperature=2, top_p=1e-6, max_tokens=10)))
    assert greedy.choices[0].message == narrow.choices[0].message == least.choices[0].message


@pytest.mark.parametrize("settings", [{}, {"LEDGE_NGRAM_FILE": "/nowhere.txt"}, {"LEDGE_NGRAM_FILE": "/dev/null"}])
def test_without_a_text_it_does_not_start(settings: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="LEDGE_NGRAM_FILE"), service("llm", LEDGE_ENGINE="ngram", **settings):
        pass


async def test_letters_that_are_in_no_word_of_the_text_are_read_and_told(llm: Any) -> None:
    for text in ("zwölf Wörter 漢字 \U0001f600", " two  spaces\n\n", ""):
        ids = list((await llm.Tokenize(pb.TokenizeRequest(text=text))).token_ids)
        assert (await llm.Detokenize(pb.DetokenizeRequest(token_ids=ids))).text == text
