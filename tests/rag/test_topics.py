"""Blocked topics in other words than their examples: the default encoder, on questions of which half set the margin."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from services.kit.yaml_document import read_document
from services.rag.config import RagConfig
from services.rag.guards.topics import BlockedTopics, Topics
from services.rag.peers import Peers
from tests.processes import ServiceProcess, service

FOLDER = Path(__file__).parent / "topics"
BLOCKED = FOLDER / "blocked.yaml"
QUESTIONS: dict[str, dict[str, list[str]]] = yaml.safe_load((FOLDER / "questions.yaml").read_text())
HARMLESS = "harmless"


@pytest.fixture(scope="module")
def embedding() -> Iterator[ServiceProcess]:
    with service("embedding") as running:
        yield running


def told(embedding: ServiceProcess, topics: BlockedTopics, part: str) -> dict[str, list[str]]:
    """Of each topic, and of what is harmless, what was made of its questions: a topic's name, or harmless."""

    async def ask() -> dict[str, list[str]]:
        peers = Peers(RagConfig(embedding_address=embedding.address))
        guard = Topics(topics, peers)
        made = {}
        for expected, questions in QUESTIONS[part].items():
            nearest = [await guard.nearest(question) for question in questions]
            made[expected] = [HARMLESS if topic is None else topic.name for topic in nearest]
        await peers.close()
        return made

    return asyncio.run(ask())


def caught(made: dict[str, list[str]]) -> tuple[int, int]:
    """Questions that were told to be of their topic, and harmless ones that were blocked."""
    right = sum(name == expected for expected, names in made.items() if expected != HARMLESS for name in names)
    return right, sum(name != HARMLESS for name in made[HARMLESS])


def test_the_questions_are_as_many_as_the_documentation_says_and_differ() -> None:
    parts = [[text for texts in QUESTIONS[part].values() for text in texts] for part in ("development", "test")]
    assert [len(part) for part in parts] == [90, 90]
    assert [len(QUESTIONS[part][HARMLESS]) for part in ("development", "test")] == [60, 60]
    topics = read_document(BLOCKED, BlockedTopics).topics
    examples = [text for topic in topics for text in (*topic.examples, *topic.near)]
    said = [*parts[0], *parts[1], *examples]
    assert len({text.casefold() for text in said}) == len(said)


@pytest.mark.parametrize(("part", "least"), [("development", 20), ("test", 25)])
def test_paraphrases_are_told_from_harmless_questions_near_them(
    embedding: ServiceProcess, part: str, least: int
) -> None:
    right, wrong = caught(told(embedding, read_document(BLOCKED, BlockedTopics), part))
    assert right >= least
    assert wrong <= 3


def test_texts_that_are_near_and_harmless_are_what_tells_them(embedding: ServiceProcess) -> None:
    topics = read_document(BLOCKED, BlockedTopics)
    bare = topics.model_copy(update={"topics": tuple(it.model_copy(update={"near": ()}) for it in topics.topics)})
    assert caught(told(embedding, bare, "test"))[0] < caught(told(embedding, topics, "test"))[0] / 2


def test_what_is_like_nothing_in_the_file_touches_nothing(embedding: ServiceProcess) -> None:
    near = "Where is the first-aid box?"
    topics = BlockedTopics.model_validate(
        {"topics": [{"name": "health", "description": "Advice on an illness.", "near": [near], "margin": -0.5}]}
    )

    async def ask(*texts: str) -> list[bool]:
        peers = Peers(RagConfig(embedding_address=embedding.address))
        guard = Topics(topics, peers)
        nearest = [await guard.nearest(text) is not None for text in texts]
        await peers.close()
        return nearest

    assert asyncio.run(ask("What helps against an illness?", "Bach wrote the fugue in D minor.")) == [True, False]
