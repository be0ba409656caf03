"""`ledge calibrate` fits weights to a person's own documents and questions, and says what is wrong with them."""

import json
from pathlib import Path

import yaml

from services.kit.deploy import deploy_directory
from services.rag.evidence.calibration import read_calibration
from tests.ledge_command import Ledge
from tests.small_corpus import write_documents, write_questions


def test_weights_are_fitted_to_ones_own_documents_and_say_from_what(tmp_path: Path) -> None:
    documents, questions, out = write_documents(tmp_path), write_questions(tmp_path), tmp_path / "weights.json"
    told = Ledge(tmp_path / "state").run(
        "calibrate", "--documents", str(documents), "--questions", str(questions), "--out", str(out)
    )
    assert "reranked, questions held out in turn" in told.stdout
    made = read_calibration(out)
    assert 0 < made.reranked.threshold < 1
    assert json.loads(out.read_text())["made_from"][0]["file"] == "questions.jsonl"


def test_an_outdated_file_is_told_by_the_bench_and_made_anew_all_the_same(tmp_path: Path) -> None:
    documents, questions, out = write_documents(tmp_path), write_questions(tmp_path), tmp_path / "weights.json"
    outdated = tmp_path / "outdated.json"
    outdated.write_text('{"format": 1}')
    profile = yaml.safe_load((deploy_directory() / "profiles" / "embedded-cpu.yaml").read_text())
    profile["services"]["rag"]["env"] = {"LEDGE_CALIBRATION_FILE": str(outdated)}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(profile))
    about = ("--documents", str(documents), "--questions", str(questions))
    by_environment = Ledge(tmp_path / "state", LEDGE_CALIBRATION_FILE=str(outdated))
    by_profile = Ledge(tmp_path / "state", LEDGE_PROFILE=str(tmp_path / "own.yaml"))
    for ledge in (by_environment, by_profile):
        refused = ledge.run("bench", "rag", *about, code=1)
        assert "format 1, not 2): make one with `ledge calibrate`" in " ".join(refused.stderr.split())
        ledge.run("calibrate", *about, "--out", str(out))
        assert read_calibration(out).encoder == "all-minilm-l6-v2"
        out.unlink()


def test_a_line_that_is_no_question_is_told_by_its_number(tmp_path: Path) -> None:
    questions = write_questions(tmp_path)
    questions.write_text(questions.read_text() + '{"kind": "one-hop"}\n')
    told = Ledge(tmp_path / "state").run(
        "calibrate", "--questions", str(questions), "--out", str(tmp_path / "weights.json"), code=2
    )
    assert len(told.stderr.strip().splitlines()) == 1
    assert "questions.jsonl, line 13: no question" in told.stderr


def test_a_place_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    out = tmp_path / "absent" / "weights.json"
    told = Ledge(tmp_path / "state").run(
        "calibrate", "--questions", str(write_questions(tmp_path)), "--out", str(out), code=2
    )
    assert f"there is no folder {out.parent}" in told.stderr
