"""Guesses from words: what is trained is what is scored, and files say what they are."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.estimates.lexical.features import FORM, MAX_CHARACTERS, SIZE, features
from services.estimates.lexical.model import LexicalModel, read_model, write_json
from services.estimates.lexical.training import LEAST_EXAMPLES, read_texts, scores, train
from services.kit.errors import InvalidInput, NotFound

GUESSES = "test"
LONG = [f"Write a long essay about {topic} and {other}." for topic in "abcdefgh" for other in "klmno"]
SHORT = [f"Name one {topic} in {other}." for topic in "abcdefgh" for other in "klmno"]


@pytest.fixture(scope="module")
def trained() -> LexicalModel:
    texts = read_texts(LONG + SHORT)
    return train(texts, [6.0] * len(LONG) + [2.0] * len(SHORT), GUESSES, {"data": "made up"}, ridge=1.0)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_has_finite_features_and_a_finite_score(text: str) -> None:
    found = features(text)
    assert all(0 <= place < SIZE and math.isfinite(value) for place, value in found.items())


def test_a_text_of_any_length_is_read_in_bounded_time() -> None:
    huge = "word 7 " * 2_000_000
    assert len(features(huge)) < MAX_CHARACTERS
    assert features(huge) == features(huge + "word 7 " * 10_000) or len(huge) > MAX_CHARACTERS


def test_it_learns_which_words_matter(trained: LexicalModel) -> None:
    assert trained.score("Write a long essay about z.") > trained.score("Name one z in y.") + 2
    assert trained.provenance["examples"] == len(LONG + SHORT)


def test_the_same_examples_make_the_same_model(trained: LexicalModel) -> None:
    again = train(read_texts(LONG + SHORT), [6.0] * len(LONG) + [2.0] * len(SHORT), GUESSES, {"data": "made up"}, 1.0)
    assert again == trained


def test_conjugate_gradients_find_what_solving_finds() -> None:
    words = ["red", "green", "blue", "old", "new", "list", "one", "ten", "why", "how"]
    generator = np.random.default_rng(5)
    said = [" ".join(generator.choice(words, 6)) for _ in range(60)]
    targets = generator.normal(size=60)
    texts = read_texts(said)
    model = train(texts, targets.tolist(), GUESSES, {}, ridge=3.0)
    dense = np.zeros((60, SIZE))
    for row, text in enumerate(said):
        for place, value in features(text).items():
            dense[row, place] = value
    form = dense[:, -len(FORM) :]
    scale = form.std(0)
    scale[scale < 1e-6] = 1
    dense[:, -len(FORM) :] = 0.3 * (form - form.mean(0)) / scale
    weights = np.linalg.solve(dense.T @ dense + 3.0 * np.eye(SIZE), dense.T @ (targets - targets.mean()))
    # The words' weights are kept in 16 bits.
    told = scores(model, texts)
    wanted = dense @ weights
    assert np.corrcoef(told, wanted)[0, 1] > 0.9999


def test_one_at_a_time_is_as_many_at_once(trained: LexicalModel) -> None:
    said = [*LONG[:3], *SHORT[:3], "", "?", "7", "Something else altogether."]
    at_once = scores(trained, read_texts(said))
    assert at_once == pytest.approx([trained.score(text) for text in said])


def test_some_of_the_texts_are_as_those_alone() -> None:
    said = ["one two", "", "three four five", "six"]
    some, alone = read_texts(said).chosen([3, 1, 2]), read_texts([said[3], said[1], said[2]])
    for field in ("starts", "places", "values", "form"):
        assert np.array_equal(getattr(some, field), getattr(alone, field)), field


def test_a_file_is_read_back_as_it_was_written(trained: LexicalModel, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    write_json(file, trained.to_json())
    assert read_model(file, GUESSES).score("Write an essay.") == pytest.approx(trained.score("Write an essay."))
    assert json.loads(file.read_text())["provenance"]["data"] == "made up"


def test_too_few_examples_are_the_callers_fault() -> None:
    with pytest.raises(InvalidInput, match="20 at least"):
        train(read_texts(SHORT[: LEAST_EXAMPLES - 1]), [1.0] * (LEAST_EXAMPLES - 1), GUESSES, {})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "oracle"}, "no lexical model"),
        ({"version": 0}, "trained for version 0"),
        ({"guesses": "the weather"}, "guesses 'the weather'"),
        ({"words": "AAAA"}, "numbers cannot be read"),
        ({"words": 7}, "numbers cannot be read"),
        ({"form": [1.0]}, "numbers cannot be read"),
        ({"form_scale": [0.0] * len(FORM)}, "numbers cannot be read"),
        ({"bias": "high"}, "numbers cannot be read"),
        ({"bias": float("nan")}, "numbers cannot be read"),
    ],
)
def test_a_file_that_is_not_fit_is_refused_with_the_reason(
    trained: LexicalModel, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps({**trained.to_json(), **change}))
    with pytest.raises(InvalidInput, match=why):
        read_model(file, GUESSES)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"7", b" " * (2 << 20)])
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInput):
        read_model(file, GUESSES)
    with pytest.raises(NotFound):
        read_model(tmp_path / "absent.json", GUESSES)
