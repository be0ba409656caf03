"""`ledge calibrate-bild` finds the thresholds of running services."""

import asyncio
import json
from pathlib import Path

import pytest

from services.cli.calibrate_bild import command, read_questions
from services.kit.errors import EngineFailed, InvalidInput
from tests.hybrid.conftest import hybrid_over
from tests.hybrid.grams import gram_service


async def test_thresholds_are_found_within_the_loss_that_is_allowed(tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("what does the pump do?\n\nund das Becken?\nthe old mill\n")
    file = tmp_path / "told.json"
    with gram_service(tmp_path, 2) as little, gram_service(tmp_path, 5) as big:

        def run(hybrid: str, loss: float) -> None:
            options = {"fallback": "0,1", "rollback": "0,9", "tokens": 24}
            command(questions, hybrid, big.address, **options, loss=loss, json_file=file)  # type: ignore[arg-type]

        with hybrid_over(little.address, big.address, LEDGE_BILD_KEEP="true") as process:
            for loss in (0.0, 1000.0):
                await asyncio.to_thread(run, process.address, loss)
                rows = {row["figure"]: row for row in json.loads(file.read_text())["rows"]}
                assert "3 of 3 answers the big model's own" in rows["FB 0, RB 0"]["note"]
                assert "3 of 3 answers the big model's own" in rows["FB 1, RB 9"]["note"]
                chosen = rows[f"fewest calls within {loss:.0%}"]
                tried = [row["value"] for name, row in rows.items() if name.startswith("FB")]
                assert chosen["value"] < rows["FB 1, RB 0"]["value"]
                if loss:
                    assert chosen["value"] == min(tried)
                    assert "ROLLBACK=9" in chosen["note"]
        with hybrid_over(little.address, None) as process, pytest.raises(EngineFailed, match="no-big"):
            await asyncio.to_thread(run, process.address, 0.0)


def test_a_file_without_questions_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "none.txt"
    empty.write_text("\n\n")
    for path in (empty, tmp_path / "absent.txt"):
        with pytest.raises(InvalidInput):
            read_questions(path)
