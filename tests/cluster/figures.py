"""What the tests of this folder measured, in one file of JSON: `build/e2e.json`, or E2E_FIGURES.

`python -m tests.cluster.figures PART NAME VALUE` adds what was seen before and after them (`deploy/e2e.sh`).
"""

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
    }
    before = _read()
    # What came before the tests is theirs; a file with rows is another run's.
    told |= {} if "rows" in before else before
    _write({**told, "rows": {}})


def note(row: str, **figures: Any) -> None:
    """Adds to a row of the table; shown by `pytest -s` as well."""
    told = _read()
    told["rows"].setdefault(row, {}).update({**figures, "load_average": round(os.getloadavg()[0], 1)})
    _write(told)
    sys.stdout.write(f"\n{row}: {json.dumps(figures)}\n")


def row(name: str) -> dict[str, Any]:
    """What was noted of it so far."""
    found: dict[str, Any] = _read().get("rows", {}).get(name, {})
    return found


def add(part: str, name: str, value: Any) -> None:
    """Beside the rows, where a part holds values by their names."""
    told = _read()
    told.setdefault(part, {})[name] = value
    _write(told)


def other_work() -> str:
    """Why a time that is measured from now on cannot be judged; empty where the machine has a core to spare."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"load {load:.1f} on {cores} cores when it began" if load >= cores else ""


def _read() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return told


def _write(told: dict[str, Any]) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    add(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
