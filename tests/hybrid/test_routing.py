"""Routers that learn from outcomes: their measures, their training, their files, and that the service goes by them."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.estimates.lexical.model import write_json
from services.hybrid.router import load_router
from services.hybrid.routing.lexical import LexicalRouter
from services.hybrid.routing.measures import auroc, decided, interval, routed
from services.hybrid.routing.outcomes import Outcomes, read_outcomes, split
from services.hybrid.routing.training import recalibrated, train_router
from services.kit.errors import InvalidInput, NotFound
from tests.hybrid.conftest import Pair, asked, chat, hybrid_over, stub_of

HARD = [f"Prove the theorem number {number} about the group of order {number * 7}." for number in range(120)]
EASY = [f"What colour has the {thing} in picture {number}?" for thing in ("sky", "grass") for number in range(60)]


def outcomes_of(little: list[int], big: list[int]) -> Outcomes:
    return Outcomes([str(place) for place in range(len(little))], np.array(little, float), np.array(big, float))


@pytest.fixture(scope="module")
def known() -> Outcomes:
    little = np.array([0.0] * len(HARD) + [1.0] * len(EASY))
    return Outcomes([*HARD, *EASY], little, np.ones(len(little)))


@pytest.fixture(scope="module")
def router(known: Outcomes) -> LexicalRouter:
    return train_router(known, 0.5, {"data": "made up"})


def test_the_measures_are_what_they_are_by_hand() -> None:
    four = outcomes_of([0, 1, 0, 1], [1, 1, 1, 1])
    best = routed(np.array([4.0, 1.0, 3.0, 2.0]), four)
    assert (best.apgr, best.cpt50, best.cpt80) == (0.75, 0.25, 0.5)
    worst = routed(np.array([1.0, 4.0, 2.0, 3.0]), four)
    assert (worst.apgr, worst.cpt50, worst.cpt80) == (0.25, 0.75, 1.0)


def test_a_coin_has_an_apgr_of_a_half_and_a_question_both_fail_gains_nothing() -> None:
    generator = np.random.default_rng(0)
    many = outcomes_of(generator.integers(0, 2, 2000).tolist(), [1] * 2000)
    assert np.mean([routed(generator.random(2000), many).apgr for _ in range(50)]) == pytest.approx(0.5, abs=0.01)
    hopeless = outcomes_of([0, 0], [0, 1])
    assert routed(np.array([1.0, 2.0]), hopeless).apgr > routed(np.array([2.0, 1.0]), hopeless).apgr


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auroc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    scores, positives = np.array([float(score) for score, _ in rows]), np.array([float(one) for _, one in rows])
    pairs = [(p, n) for p, yes in zip(scores, positives, strict=True) if yes
             for n, also in zip(scores, positives, strict=True) if not also]  # fmt: skip
    found = auroc(scores, positives)
    if not pairs:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs))


def test_what_a_threshold_decides_adds_up() -> None:
    some = outcomes_of([1, 1, 0, 0], [1, 0, 1, 0])
    found = decided(np.array([1.0, 0.0, 1.0, 1.0]), 0.5, some)
    assert (found.dispatched, found.needless, found.hopeless, found.kept_wrong) == (0.75, 0.25, 0.25, 0.0)
    assert found.right == 0.75
    assert decided(np.ones(4), 0.5, some).kept_wrong == 0.0


def test_an_interval_holds_the_mean_and_is_the_same_for_a_seed() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = interval(lambda rows: float(values[rows].mean()), 400, seed=3)
    assert found.low < values.mean() < found.high
    assert found == interval(lambda rows: float(values[rows].mean()), 400, seed=3)


def test_it_learns_what_only_the_big_model_answers(router: LexicalRouter) -> None:
    assert router.score("Prove the theorem number 999 about the ring of order 77.") > router.threshold
    assert router.score("What colour has the rose in picture 99?") < router.threshold
    assert router.model.provenance["little_right"] == 0.5


def test_the_test_part_is_the_same_for_ever_and_shares_no_question(known: Outcomes) -> None:
    twice = Outcomes([*known.prompts, *known.prompts], np.tile(known.little, 2), np.tile(known.big, 2))
    trained, tested = split(twice)
    assert not set(trained.prompts) & set(tested.prompts)
    assert 0.2 < len(tested) / len(twice) < 0.4
    assert split(known)[1].prompts == [prompt for prompt in known.prompts if prompt in set(tested.prompts)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_threshold_sends_the_wanted_share_of_ones_own_questions(router: LexicalRouter, share: float) -> None:
    questions = [f"{question} {number}" for number, question in enumerate([*HARD, *EASY])]
    found = recalibrated(router, questions, share)
    sent = sum(found.score(question) >= found.threshold - 1e-9 for question in questions) / len(questions)
    assert sent == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_the_callers_fault(router: LexicalRouter, share: float) -> None:
    with pytest.raises(InvalidInput):
        recalibrated(router, HARD, share)


def test_too_few_questions_are_the_callers_fault(router: LexicalRouter) -> None:
    with pytest.raises(InvalidInput, match="20 at least"):
        recalibrated(router, HARD[:19], 0.3)


def test_outcomes_are_read_gzipped_or_not(tmp_path: Path) -> None:
    text = 'subject,prompt,little_right,big_right\nx,"two\nlines, quoted",1,0\ny,one,0,1\n'
    (tmp_path / "plain.csv").write_text(text)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("plain.csv", "packed.csv.gz"):
        found = read_outcomes(tmp_path / name)
        assert found.prompts == ["two\nlines, quoted", "one"]
        assert found.little.tolist() == [1, 0]
        assert found.big.tolist() == [0, 1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"prompt,little_right\nx,1\n",
        b"prompt,little_right,big_right\nx,1,maybe\n",
        b"prompt,little_right,big_right\n,1,1\n",
        b"prompt,little_right,big_right\nx\n",
        b"\x1f\x8bnot gzip",
        gzip.compress(b"prompt,little_right,big_right\nx,1,1\n", mtime=0)[:-9],
        b"\xff\xfe\xff",
    ],
)
def test_a_file_that_holds_no_outcomes_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match="little_right"):
        read_outcomes(file)
    with pytest.raises(NotFound):
        read_outcomes(tmp_path / "absent.csv")


def test_a_router_file_is_read_as_it_was_written(router: LexicalRouter, tmp_path: Path) -> None:
    file = tmp_path / "router.json"
    write_json(file, router.to_json())
    read = load_router(file)
    assert read.threshold == router.threshold
    assert read.score(HARD[0]) == pytest.approx(router.score(HARD[0]))


@pytest.mark.parametrize(
    "change", [{"threshold": None}, {"threshold": True}, {"threshold": float("inf")}, {"guesses": "log-answer-tokens"}]
)
def test_a_router_file_that_is_not_fit_is_refused(
    router: LexicalRouter, tmp_path: Path, change: dict[str, Any]
) -> None:
    file = tmp_path / "router.json"
    file.write_text(json.dumps({**router.to_json(), **change}))
    with pytest.raises(InvalidInput, match="LEDGE_ROUTER_FILE"):
        load_router(file)


async def test_the_service_sends_what_the_trained_router_says(
    router: LexicalRouter, pair: Pair, tmp_path: Path
) -> None:
    file = tmp_path / "router.json"
    write_json(file, router.to_json())
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_ROUTER_FILE=str(file)) as hybrid:
        async with stub_of(hybrid) as stub:
            hard = await asked(stub, chat("Prove the theorem number 999 about the ring of order 77.", "route"))
            easy = await asked(stub, chat("What colour has the rose in picture 99?", "route"))
    assert hard.by == "big"
    assert easy.by == "little"
