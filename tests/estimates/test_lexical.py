"""Guesses from words: what is trained is what is scored, and files say what they are."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.estimates.lexical.features import BUCKETS, FORM, MAX_CHARACTERS, SIZE, features
from services.estimates.lexical.model import BELL_WIDTH, LexicalModel, read_model, write_json
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


@pytest.fixture(scope="module")
def bent() -> LexicalModel:
    """Of a truth that no weight of a figure can tell: texts of middling length are wanted, short and long ones not."""
    return train(read_texts(LENGTHS), [wanted(text) for text in LENGTHS], GUESSES, {}, ridge=0.1, centres=30)


LENGTHS = ["word " * count for count in range(1, 200)]


def wanted(text: str) -> float:
    return float(20 < len(text.split()) < 80)


def test_bells_tell_what_no_line_does(bent: LexicalModel) -> None:
    texts = read_texts(LENGTHS)
    straight = train(texts, [wanted(text) for text in LENGTHS], GUESSES, {}, ridge=0.1)
    truth = np.array([wanted(text) for text in LENGTHS])
    error = {
        name: float(((scores(model, texts) - truth) ** 2).mean())
        for name, model in (("bent", bent), ("straight", straight))
    }
    assert error["bent"] < 0.5 * error["straight"]
    assert len(bent.centres) == len(bent.heights) == 30


def test_bells_are_the_kernel_where_every_text_is_a_centre() -> None:
    said = LENGTHS[::5]
    texts, targets = read_texts(said), np.array([wanted(text) for text in said])
    model = train(texts, targets.tolist(), GUESSES, {}, ridge=0.5, centres=len(said))
    form = (texts.form - np.asarray(model.form_mean)) / np.asarray(model.form_scale)
    words = np.stack(
        [texts.times(np.eye(1, BUCKETS, place)[0]) for place in range(BUCKETS) if place in set(texts.places)]
    )
    kernel = words.T @ words + np.exp(-0.5 * ((form[:, None] - form) ** 2).sum(2) / BELL_WIDTH**2)
    expected = kernel @ np.linalg.solve(kernel + 0.5 * np.eye(len(said)), targets - targets.mean())
    told = scores(model, texts)
    assert told - told.mean() == pytest.approx(expected - expected.mean(), abs=2e-3)


def test_with_bells_one_at_a_time_is_as_many_at_once_and_as_what_a_file_holds(bent: LexicalModel) -> None:
    said = [LENGTHS[3], LENGTHS[50], "Something else: 7 of 9?", ""]
    again = LexicalModel.from_json(json.loads(json.dumps(bent.to_json())), GUESSES)
    assert scores(bent, read_texts(said)) == pytest.approx([again.score(text) for text in said])
    assert again.to_json() == bent.to_json()


@pytest.mark.parametrize(
    "spoiled",
    [{"centres": [[1.0]]}, {"heights": []}, {"heights": ["x"]}, {"centres": 7}, {"heights": [float("inf")] * 30}],
)
def test_a_file_whose_bells_do_not_fit_is_refused(bent: LexicalModel, spoiled: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"numbers cannot be read|centres and"):
        LexicalModel.from_json({**bent.to_json(), **spoiled}, GUESSES)
