"""`ledge bench bild` and `ledge bench gkt` over models of counts, whose figures are the same everywhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.cli.bench import bild, gkt
from services.cli.bench.gkt import agreement
from services.cli.bench.two_models import numbers, pairs
from services.hybrid.bild.curve import Costs, Point, big_alone, cheapest, measure
from services.hybrid.bild.decoding import Policy
from services.hybrid.bild.in_process import Counts
from services.kit.errors import InvalidInput


def rows(file: Path) -> dict[str, dict[str, Any]]:
    return {row["figure"]: row for row in json.loads(file.read_text())["rows"]}


def share(row: dict[str, Any]) -> float:
    found = re.search(r"(-?\d+)% of the big one's tokens saved", row["note"])
    assert found is not None
    return float(found[1]) / 100


def test_the_curve_has_its_shape(tmp_path: Path) -> None:
    file = tmp_path / "bild.json"
    bild.command(fallback="0,0.9", rollback="0,5", tokens=24, prompts=4, json_file=file)
    told = rows(file)
    for name in ("2-gram and 4-gram", "3-gram and 4-gram"):
        exact, loose = told[f"{name}: FB 0, RB 0"], told[f"{name}: FB 0, RB 5"]
        assert "(+0.0%), exact 4/4" in exact["note"]
        assert loose["value"] < exact["value"] < told[f"{name}: FB 0.9, RB 0"]["value"] <= 1
    nearer, farther = (told[f"{order}-gram and 4-gram: FB 0, RB 0"]["value"] for order in (3, 2))
    assert nearer < farther, "a better little model needs the big one less"


def test_guidance_nears_the_big_models_answer(tmp_path: Path) -> None:
    file = tmp_path / "gkt.json"
    gkt.command(guide="0,4,64", tokens=24, prompts=4, json_file=file)
    told = rows(file)
    none, some, whole = (told[f"2-gram and 4-gram: G {length}"] for length in (0, 4, 64))
    assert none["value"] <= some["value"] <= whole["value"] == 1
    assert (share(none), share(whole)) == (1, 0)
    assert 0 < share(some) < 1


def test_the_cheapest_thresholds_keep_to_the_loss_that_is_allowed() -> None:
    (pair, _) = pairs("ngram", [], 3, "cpu")
    alone = big_alone(pair.big, pair.prompts, 16, pair.ends)
    policies = [Policy(0.0, rollback) for rollback in (0.0, 2.0, 8.0)]
    points = [measure(pair.little, pair.big, pair.prompts, each, 16, pair.ends, alone) for each in policies]
    exact = cheapest(points, alone, 0.0)
    assert exact is not None
    assert exact.negative_logprob == pytest.approx(alone.negative_logprob)
    loose = cheapest(points, alone, 100.0)
    assert loose is not None
    assert loose.calls_per_token == min(point.calls_per_token for point in points)


def test_a_modelled_token_is_its_steps_and_its_round_trips() -> None:
    point = Point(Policy(), Counts(tokens=10, big_calls=2, little_steps=12))
    assert point.modelled_token_s(Costs(0.004, 0.025, 0.005)) == pytest.approx(1.2 * 0.004 + 0.2 * 0.03)


def test_texts_agree_as_far_as_their_words_do() -> None:
    assert agreement("a b c d", "a b c d") == 1
    assert agreement("a b", "c d") == 0
    assert agreement("a b c d", "a b x y") == 0.5


def test_a_list_that_is_none_is_told() -> None:
    with pytest.raises(InvalidInput, match="0,x"):
        numbers("0,x")
