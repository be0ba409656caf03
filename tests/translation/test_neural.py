"""Models of the three families, with random weights: what they say is nonsense, but always the same nonsense."""

import asyncio
from typing import Any

import pytest
from ledge.translation.v1 import translation_pb2 as pb

from tests.translation.asking import translated
from tests.translation.conftest import TOYS

WORDS = "the pump house stands beside the old reservoir and it was built long ago".split()


async def test_every_model_has_its_pairs(neural: Any) -> None:
    listed = await neural.ListLanguagePairs(pb.ListLanguagePairsRequest())
    pairs = {(pair.model, pair.source_language, pair.target_language) for pair in listed.pairs}
    both = {("en", "es"), ("es", "en")}
    assert pairs == {("toy-en-es", "en", "es"), ("toy-es-en", "es", "en")} | {
        (model, *pair) for model in ("toy-m2m", "toy-madlad") for pair in both
    }


@pytest.mark.parametrize("model", TOYS)
async def test_batched_is_what_it_is_alone(neural: Any, model: str) -> None:
    source, target = ("es", "en") if model == "toy-es-en" else ("en", "es")
    texts = [" ".join(WORDS[: 1 + number % len(WORDS)]) + f" {number}" for number in range(40)]
    alone = [(await translated(neural, text, model=model, source=source, target=target))[0] for text in texts]
    together = await asyncio.gather(
        *(translated(neural, text, model=model, source=source, target=target) for text in texts)
    )
    assert [answer for (answer,) in together] == alone
    assert len(set(alone)) > 1


async def test_a_sentence_of_more_tokens_than_a_model_knows_loses_no_part(neural: Any) -> None:
    short, long = await translated(neural, "qz" * 20, "qz" * 240)
    assert len(long) > 4 * len(short)
