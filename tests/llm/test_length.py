"""The expected length of an answer: what it is guessed from, and that it orders the queue and does nothing else."""

import asyncio
from pathlib import Path

import pytest
from ledge.llm.v1 import llm_pb2 as pb

from services.estimates.lexical.model import write_json
from services.estimates.lexical.training import read_texts, train
from services.llm.engine import ChatPrompt, Job, Message, Role, Sampling, TextPrompt
from services.llm.length import GUESSES, LexicalLengths, guessed
from tests.llm.conftest import chat, connected, running, until
from tests.llm.test_queue import WAITING, occupied

LONG, SHORT = "Write a long essay about {}.", "Name one {}."
TOPICS = [f"{first} {second}" for first in ("rivers", "pumps", "bread", "glass") for second in ("of old", "in May", "")]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("length") / "length.json"
    texts = [LONG.format(topic) for topic in TOPICS] + [SHORT.format(topic) for topic in TOPICS]
    targets = [6.0] * len(TOPICS) + [2.0] * len(TOPICS)
    write_json(path, train(read_texts(texts), targets, GUESSES, {"data": "made up"}, ridge=1.0).to_json())
    return path


def asked(*messages: tuple[Role, str], max_tokens: int | None = None) -> Job:
    return Job(ChatPrompt([Message(role, text) for role, text in messages]), Sampling(max_tokens=max_tokens))


def test_the_last_question_decides(file: Path) -> None:
    lengths = LexicalLengths.read(file)
    long_one = lengths.predict(asked((Role.USER, SHORT.format("x")), (Role.USER, LONG.format("x"))))
    short = lengths.predict(
        asked((Role.USER, LONG.format("x")), (Role.ASSISTANT, "No."), (Role.USER, SHORT.format("x")))
    )
    assert long_one > 3 * short > 3


def test_nothing_is_expected_to_pass_its_limit(file: Path) -> None:
    lengths = LexicalLengths.read(file)
    assert lengths.predict(asked((Role.USER, LONG.format("x")), max_tokens=7)) == 7
    assert lengths.predict(Job(TextPrompt("Once"), Sampling(max_tokens=30))) == 30
    assert lengths.predict(Job(TextPrompt("Once"))) == 0
    assert lengths.predict(asked((Role.SYSTEM, "Be kind."))) >= 1


def test_without_a_file_nobody_guesses() -> None:
    jobs = [asked((Role.USER, "x"))]
    assert guessed(jobs, None) is jobs


async def test_the_shortest_that_waits_is_answered_first_and_none_is_cut(file: Path) -> None:
    settings = {"LEDGE_SLOTS": "1", "LEDGE_SCRIPT_TOKENS_PER_S": "200", "LEDGE_LENGTH_FILE": str(file)}
    with running("scripted", **settings) as served:
        async with connected(served) as llm:
            speaking = await occupied(llm)
            ended: list[str] = []

            async def ask(question: str) -> str:
                answer = await llm.Chat(chat(question, sampling=pb.Sampling()))
                ended.append(question)
                return str(answer.choices[0].message.content)

            questions = [LONG.format("rivers"), LONG.format("glass"), SHORT.format("pump"), SHORT.format("bread")]
            calls = []
            for place, question in enumerate(questions):
                calls.append(asyncio.create_task(ask(question)))
                await until(served.process.ops_url, WAITING, place + 1)
            speaking.cancel()
            said = await asyncio.gather(*calls)
    assert set(ended[:2]) == set(questions[2:])
    assert all(question in answer for question, answer in zip(questions, said, strict=True))


def test_a_file_of_another_kind_ends_the_start_with_its_reason(tmp_path: Path) -> None:
    wrong = tmp_path / "router.json"
    wrong.write_text("{}")
    with pytest.raises(AssertionError, match="no lexical model"), running("scripted", LEDGE_LENGTH_FILE=str(wrong)):
        pass
