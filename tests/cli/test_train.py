"""`ledge train`: files that the services read, and what is told of how good they are."""

import csv
import json
from pathlib import Path

import pytest

from services.hybrid.router import load_router
from services.llm.engine import ChatPrompt, Job, Message, Role
from services.llm.length import LexicalLengths
from tests.ledge_command import Ledge

TOPICS = [f"topic {number}" for number in range(40)]


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    file = tmp_path / "outcomes.csv"
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["prompt", "little_right", "big_right"])
        for topic in TOPICS:
            rows.writerow([f"Prove the theorem about {topic}.", 0, 1])
            rows.writerow([f"Name a colour of {topic}.", 1, 1])
    return file


def test_a_length_file_orders_long_and_short(ledge: Ledge, tmp_path: Path) -> None:
    answers, out = tmp_path / "answers.jsonl", tmp_path / "length.json"
    rows = [{"question": f"Write an essay about {topic}.", "tokens": 300} for topic in TOPICS]
    rows += [{"question": f"Name one {topic}.", "tokens": 3} for topic in TOPICS]
    answers.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    done = ledge.run("train", "length", "--answers", str(answers), "--out", str(out))
    assert "from 80 answers; on a fifth held back, rank correlation 1.00" in done.stdout
    lengths = LexicalLengths.read(out)
    guessed = [
        lengths.predict(Job(ChatPrompt([Message(Role.USER, text)])))
        for text in ("Write an essay about topic 77.", "Name one topic 77.")
    ]
    assert guessed[0] > 100 > 10 > guessed[1]
    assert json.loads(out.read_text())["provenance"]["data"] == "answers.jsonl"


def test_a_router_file_tells_how_good_it_is_and_sends_the_wanted_share(
    ledge: Ledge, outcomes: Path, tmp_path: Path
) -> None:
    out, again, mine = tmp_path / "router.json", tmp_path / "again.json", tmp_path / "mine.jsonl"
    done = ledge.run("train", "router", "--outcomes", str(outcomes), "--out", str(out), "--big-share", "0.5")
    assert "held back: APGR 0.7" in done.stdout
    trained = load_router(out)
    assert trained.score("Prove the theorem about topic 7.") > trained.score("Name a colour of topic 7.")
    questions = [f"Prove the theorem about topic {number}." for number in range(60)]
    mine.write_text("\n".join(json.dumps({"question": question}) for question in questions))
    threshold = ("train", "threshold", "--router", str(out), "--questions", str(mine), "--out", str(again))
    ledge.run(*threshold, "--big-share", "0.2")
    set_anew = load_router(again)
    assert sum(set_anew.score(question) >= set_anew.threshold for question in questions) == 12
    assert json.loads(again.read_text())["calibration"]["big_share"] == 0.2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "20 at least"),
        ("{", "line 1: it is no JSON"),
        ('{"question": "x"}', "line 1: it needs question and tokens"),
        ('{"question": "x", "tokens": "many"}\n' * 30, "tokens are numbers"),
        ('{"question": "x", "tokens": true}\n' * 30, "tokens are numbers"),
        ("[" * 100_000, "line 1: it is no JSON"),
    ],
)
def test_answers_that_are_none_are_told_with_their_line(ledge: Ledge, tmp_path: Path, content: str, said: str) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text(content)
    out = tmp_path / "length.json"
    assert said in ledge.run("train", "length", "--answers", str(answers), "--out", str(out), code=2).stderr
    assert not out.exists()


def test_a_router_that_is_none_is_told(ledge: Ledge, tmp_path: Path) -> None:
    file, mine = tmp_path / "router.json", tmp_path / "mine.jsonl"
    file.write_text("{}")
    mine.write_text("")
    threshold = ("train", "threshold", "--questions", str(mine), "--out", str(tmp_path / "out.json"))
    assert "no lexical model" in ledge.run(*threshold, "--router", str(file), code=2).stderr
    assert "there is no file" in ledge.run(*threshold, "--router", str(tmp_path / "absent"), code=1).stderr
