"""What the tests of this folder measured, in one file of JSON: `build/e2e.json`, or E2E_FIGURES."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
FILE = Path(os.environ.get("E2E_FIGURES", ROOT / "build" / "e2e.json"))


def begin() -> None:
    """A new file, with what ran and where."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    told: dict[str, Any] = {
        "revision": revision.stdout.strip() or "unknown",
        "cores": os.cpu_count(),
        "load_average_at_begin": round(os.getloadavg()[0], 1),
        "note": "times hold for a machine with nothing else to do: compare load_average with cores",
        "rows": {},
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(told, indent=1))


def note(row: str, **figures: Any) -> None:
    """Adds to a row of the table; shown by `pytest -s` as well."""
    told = json.loads(FILE.read_text())
    told["rows"].setdefault(row, {}).update({**figures, "load_average": round(os.getloadavg()[0], 1)})
    FILE.write_text(json.dumps(told, indent=1))
    sys.stdout.write(f"\n{row}: {json.dumps(figures)}\n")
