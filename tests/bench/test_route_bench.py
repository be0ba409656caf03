"""`ledge bench route` and `ledge bench length`: what they print and what they refuse, on data made here."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from services.cli.bench.route_self import LETTERS, questions
from tests.bench.made_lengths import made_lengths
from tests.ledge_command import Ledge


@pytest.fixture
def ledge(tmp_path: Path) -> Ledge:
    return Ledge(tmp_path / "state")


def test_a_router_is_measured_beside_a_coin_on_questions_unseen(ledge: Ledge, tmp_path: Path) -> None:
    outcomes, report = tmp_path / "outcomes.csv", tmp_path / "route.json"
    generator = np.random.default_rng(0)
    with outcomes.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["prompt", "little_right", "big_right"])
        for number in range(300):
            hard = number % 2
            stem = f"Prove theorem {number}" if hard else f"Name colour {number}"
            rows.writerow([stem, int(not hard or generator.random() < 0.1), 1])
    ledge.run("bench", "route", "--outcomes", str(outcomes), "--labels", "100", "--draws", "2", "--json", str(report))
    told = {row["figure"]: row["value"] for row in json.loads(report.read_text())["rows"]}
    assert told["APGR, a coin"] == pytest.approx(0.5, abs=0.02)
    assert told["APGR, trained on 100"] > 0.7
    assert told["APGR, oracle"] >= told["APGR, trained on 100"]
    assert told["dispatched"] == pytest.approx(0.3, abs=0.15)


def test_backlogs_are_modelled_from_lengths(ledge: Ledge, tmp_path: Path) -> None:
    lengths, report = tmp_path / "lengths.csv", tmp_path / "length.json"
    rows = [f"{number},{','.join(map(str, row))}" for number, row in enumerate(made_lengths(1100, seed=0))]
    lengths.write_text("\n".join(["id,a,b,c,d", *rows]))
    ledge.run("bench", "length", "--lengths", str(lengths), "--json", str(report))
    told = {row["figure"]: row for row in json.loads(report.read_text())["rows"]}
    for guess, most in (("known", 0.6), ("predicted as in the paper", 0.7)):
        assert told[f"backlog of 1024, 16 slots, {guess}: mean latency"]["ratio"] < most
        p99 = told[f"backlog of 1024, 16 slots, {guess}: latency p99"]
        assert p99["ratio"] <= 1.2
        mine, first_come = re.search(r"requests/s ([\d.]+) against ([\d.]+)", p99["note"]).groups()
        assert float(mine) == pytest.approx(float(first_come), rel=0.02)


@pytest.mark.parametrize("bench", ["route", "length"])
def test_a_bench_without_data_says_where_it_is_had(ledge: Ledge, tmp_path: Path, bench: str) -> None:
    option = {"route": "--outcomes", "length": "--lengths"}[bench]
    assert "github.com" in ledge.run("bench", bench, code=2).stderr
    assert "github.com" in ledge.run("bench", bench, option, str(tmp_path / "absent.csv"), code=1).stderr


def test_the_questions_made_for_a_model_have_one_right_answer_each() -> None:
    made = questions(80, np.random.default_rng(3))
    for one in made:
        stem, *options = one.text.split("\n")
        texts = [option[3:] for option in options]
        assert [option[0] for option in options] == list(LETTERS)
        assert len(set(texts)) == len(LETTERS), one.text
        if "+" in stem:
            left, right = (int(word) for word in stem.removeprefix("What is ").rstrip("?").split(" + "))
            assert texts[one.right] == str(left + right)
        if "largest" in stem:
            assert int(texts[one.right]) == max(map(int, texts))
    assert len({one.right for one in made}) == len(LETTERS)
