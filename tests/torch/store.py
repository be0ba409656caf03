"""Where the models that the torch tests made lie, and the settings with which a service finds them."""

import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.processes import ROOT

FOLDER = ROOT / "build" / "torch-models"
ADAPTER = FOLDER / "tank-adapter"
MAKING_TIMEOUT_S = 100


@cache
def made_store() -> dict[str, str]:
    """Makes the models where they are missing; skips without torch."""
    if find_spec("torch") is None:
        pytest.skip("torch has an environment of its own: run `make test-torch`")
    FOLDER.parent.mkdir(exist_ok=True)
    made = subprocess.run(
        [sys.executable, "-m", "tests.torch.made_models", str(FOLDER)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MAKING_TIMEOUT_S,
    )
    assert made.returncode == 0, made.stderr
    return {"LEDGE_MODELS_DIR": str(FOLDER), "LEDGE_MODELS_CATALOG": str(FOLDER / "catalog.yaml")}


def model_path(name: str) -> Path:
    made_store()
    return FOLDER / name
