"""What every bench answers with: rows of figures, each beside its baseline, with the command and the machine.

```python
def command(streams: str = "1,16", json_file: JsonFile = None) -> None:      # services/cli/bench/<name>.py
    \"\"\"One line that says what is measured.\"\"\"
    rows = [Row("tokens per second, 1 stream", 131.2, "tokens/s", baseline="in process", baseline_value=133.0)]
    Report("llm", rows).publish(json_file)
```

A bench raises a `LedgeError` when it could not measure: one sentence, exit 1. A figure
that misses its aim is no failure. Service processes to measure: `services.cli.bench.running.RunningService`.
"""

import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from services.cli.terminal import open_console
from services.kit.errors import EngineFailed

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the report to this file, as JSON.")
]
"""The option that every bench has."""


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is worked out from `baseline_value` unless it is given."""

    figure: str
    """What was measured, in words: "first token p50, 1 stream"."""
    value: float
    unit: str
    """For example `ms`, `tokens/s`, `MiB`, `pages/s`, `share`."""
    baseline: str = ""
    """What the figure is compared with, in words; measured in the same run."""
    baseline_value: float | None = None
    ratio: float | None = None
    """value ÷ baseline_value."""
    note: str = ""

    def __post_init__(self) -> None:
        if self.ratio is None and self.baseline_value:
            object.__setattr__(self, "ratio", self.value / self.baseline_value)


def command_line() -> str:
    """The command as it was typed, so that a reader can repeat it."""
    return shlex.join(["ledge", *sys.argv[1:]])


def machine() -> dict[str, Any]:
    """What the figures depend on, without a word that tells whose machine it is."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "os": _os_name(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }


@dataclass(frozen=True)
class Report:
    """The result of one bench."""

    bench: str
    rows: Sequence[Row]
    command: str = field(default_factory=command_line)
    machine: dict[str, Any] = field(default_factory=machine)
    workload: dict[str, Any] = field(default_factory=dict)
    """What the figures were taken of, where another program reads them."""

    def print(self, console: Console | None = None) -> None:
        """A table for people, on standard output."""
        table = Table(title=f"ledge bench {self.bench}", title_justify="left", title_style="bold")
        cells = {
            "figure": [row.figure for row in self.rows],
            "value": [f"{number(row.value)} {row.unit}" for row in self.rows],
            "baseline": [_baseline(row) for row in self.rows],
            "ratio": ["" if row.ratio is None else f"{row.ratio:.2f} ×" for row in self.rows],
            "note": [row.note for row in self.rows],
        }
        filled = {heading: column for heading, column in cells.items() if any(column)}
        for heading in filled:
            table.add_column(heading, justify="right" if heading in ("value", "ratio") else "left", overflow="fold")
        for line in zip(*filled.values(), strict=True):
            table.add_row(*line)
        out = console or open_console()
        out.print(table)
        out.print(f"command: {self.command}", soft_wrap=True, markup=False)
        facts = self.machine
        out.print(
            f"machine: {facts['cpu']}, {facts['cores']} cores, {facts['memory_bytes'] / 2**30:.0f} GiB, "
            f"{facts['os']}, Python {facts['python']}",
            soft_wrap=True,
            markup=False,
        )

    def write_json(self, path: Path) -> None:
        """The same for programs: an object with `bench`, `command`, `machine` and `rows`, and any `workload`."""
        body = {
            "bench": self.bench,
            "command": self.command,
            "machine": self.machine,
            **({"workload": self.workload} if self.workload else {}),
            "rows": [asdict(row) for row in self.rows],
        }
        try:
            path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise EngineFailed(f"cannot write the report to {path}: {error.strerror}") from error

    def publish(self, json_file: Path | None) -> None:
        """Prints the table, and writes the JSON file where one is asked for."""
        self.print()
        if json_file is not None:
            self.write_json(json_file)


def _baseline(row: Row) -> str:
    return row.baseline if row.baseline_value is None else f"{row.baseline}: {number(row.baseline_value)} {row.unit}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of 100 lie, linear between neighbours; `values` in any order, at least one."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = math.ceil(place)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def number(value: float) -> str:
    """Three significant figures, without an exponent: 0.0123, 4.56, 78.9, 1234."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
