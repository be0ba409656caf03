"""The encoder's numbers: held to a float32 forward pass, the same alone and in a batch, and of unit length."""

from pathlib import Path

import numpy as np
import pytest

from services.kit.encoder.sentence import SentenceEncoder
from services.kit.encoder.text import Truncation
from tests.kit.encoder.reference import ReferenceBert

TEXTS = [
    "How high must the chlorine at the tap be?",
    "The tank is emptied and disinfected before the pumps are started again.",
    "Pumphouse 7: 42 m³/h, 3.5 bar, built 1998.",
    "A letter goes to every household of the street two days before the water is shut off, and a second one, "
    "with the number of the standpipe, on the morning of the day itself, unless a main has burst and there is no time.",
    "Who pays when a meter freezes?",
    "Samples are taken on Mondays; results arrive within 48 hours.",
    "The deputy signs whatever the manager signs, except contracts above 5,000 pounds.",
    "Turn the valve slowly.",
    "Turbidity above 1 NTU stops the filter and rings the duty engineer, by night as by day.",
]


def test_int8_vectors_are_near_those_of_the_float32_model(encoder: SentenceEncoder, model_directory: Path) -> None:
    reference = ReferenceBert(model_directory)
    tokenised = encoder.tokeniser.tokenise(TEXTS, Truncation.NONE)
    encoded = encoder.encode(tokenised, [True] * len(TEXTS))
    dense, of_tokens = [], []
    for text, vectors in zip(tokenised, encoded, strict=True):
        dense.append(vectors.dense @ reference.dense(text.ids))
        expected = reference.hidden(text.ids)[text.rows]
        assert vectors.tokens is not None
        of_tokens.extend((vectors.tokens * expected).sum(axis=1) / np.linalg.norm(expected, axis=1))
    assert np.mean(dense) >= 0.997
    assert min(dense) >= 0.994
    assert np.mean(of_tokens) >= 0.995
    assert min(of_tokens) >= 0.98


def test_float32_vectors_are_those_of_the_float32_model(model_directory: Path) -> None:
    reference = ReferenceBert(model_directory)
    encoder = SentenceEncoder(model_directory, compute_type="float32")
    tokenised = encoder.tokeniser.tokenise(TEXTS, Truncation.NONE)
    for text, vectors in zip(tokenised, encoder.encode(tokenised, [False] * len(TEXTS)), strict=True):
        np.testing.assert_allclose(vectors.dense, reference.dense(text.ids), atol=2e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_text_has_the_same_vector_whatever_it_is_batched_with(encoder: SentenceEncoder, batch: int) -> None:
    tokenised = encoder.tokeniser.tokenise(TEXTS, Truncation.NONE)
    together = encoder.encode(tokenised, [True] * len(TEXTS))
    for start in range(0, len(TEXTS), batch):
        part = tokenised[start : start + batch]
        for alone, beside in zip(encoder.encode(part, [True] * len(part)), together[start:], strict=False):
            np.testing.assert_allclose(alone.dense, beside.dense, atol=1e-5)
            np.testing.assert_allclose(alone.tokens, beside.tokens, atol=1e-4)


def test_every_vector_has_length_one(encoder: SentenceEncoder) -> None:
    for vectors in encoder.encode(encoder.tokeniser.tokenise(TEXTS, Truncation.NONE), [True] * len(TEXTS)):
        assert vectors.tokens is not None
        np.testing.assert_allclose(np.linalg.norm(vectors.dense), 1.0, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(vectors.tokens, axis=1), 1.0, atol=1e-5)


def test_token_vectors_are_made_for_those_who_want_them(encoder: SentenceEncoder) -> None:
    first, second = encoder.encode(encoder.tokeniser.tokenise(TEXTS[:2], Truncation.NONE), [False, True])
    assert first.tokens is None
    assert second.tokens is not None


def test_a_meaning_is_nearer_to_its_paraphrase_than_to_another_meaning(encoder: SentenceEncoder) -> None:
    texts = ["Who pays for a broken meter?", "The owner bears the cost of a damaged meter.", "Trout spawn in autumn."]
    question, paraphrase, other = (
        vectors.dense for vectors in encoder.encode(encoder.tokeniser.tokenise(texts, Truncation.NONE), [False] * 3)
    )
    assert question @ paraphrase > question @ other + 0.3
