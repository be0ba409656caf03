"""`ledge calibrate`: weights of the evidence fitted to one's own documents and questions."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.bench.question_set import read_questions
from services.cli.bench.rag_suite import COLLECTION, running_suite
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed, InvalidInput


def command(
    out: Annotated[Path, typer.Option(help="Where to write the weights.", show_default=False)],
    documents: Annotated[Path | None, typer.Option(help="A folder of documents.", show_default="the samples")] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option(
            help="Questions about them, as JSONL.", show_default="the samples' calibration and development sets"
        ),
    ] = None,
) -> None:
    """Fit what the evidence is worth, for other models or documents; `rag` reads it from LEDGE_CALIBRATION_FILE.

    Questions that were fitted to tell nothing of how good the answers are: measure with others (`ledge bench rag`,
    which reads LEDGE_CALIBRATION_FILE too).
    """
    samples = deploy_directory() / "samples"
    files = questions or [samples / "questions" / name for name in ("calibration.jsonl", "development.jsonl")]
    for file in files:
        read_questions(file)
    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"{out} cannot be written: there is no folder {out.absolute().parent}")
    with running_suite(documents or samples / "documents", own_weights=False) as suite:
        addresses = {f"LEDGE_{name.upper()}_ADDRESS": service.address for name, service in suite.items()}
        arguments = [argument for file in files for argument in ("--questions", str(file))]
        command = [
            sys.executable,
            "-m",
            "services.rag.evidence.calibrate",
            "--collection",
            COLLECTION,
            "--out",
            str(out),
        ]
        done = subprocess.run([*command, *arguments], env={**os.environ, **addresses})
    if done.returncode != 0:
        raise EngineFailed("the calibration failed; the lines above say why")
