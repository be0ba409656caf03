"""Reads what `ledge bench llm --json` measured, to plan with one's own machine instead of published points."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.estimates.capacity.arithmetic import Lengths, Machine, step
from services.estimates.capacity.calibration import fit
from services.kit.bounded_file import read_bounded
from services.kit.errors import InvalidInput

MAX_FILE_BYTES = 4 << 20
FIGURE = re.compile(r"tokens per second, (\d{1,4}) streams?")
BENCH_LENGTHS = Lengths(16, 96)
"""What `ledge bench llm` asks unless told otherwise; its prompts lie in the prefix cache."""


@dataclass(frozen=True)
class Measurement:
    """One row of the bench."""

    streams: int
    tokens_per_s: float

    def predicted(self, machine: Machine, efficiency: float) -> float:
        at = replace(machine, platform=replace(machine.platform, efficiency=efficiency))
        return replace(step(at, BENCH_LENGTHS, self.streams), prompts_s=0.0).tokens_per_s

    def error(self, machine: Machine, efficiency: float) -> float:
        """Predicted over measured, less one."""
        return self.predicted(machine, efficiency) / self.tokens_per_s - 1


def read_measured(path: Path) -> Sequence[Measurement]:
    """Raises NotFound, InvalidInput for a file that is not there, or no report of the bench."""
    content = read_bounded(path, MAX_FILE_BYTES)
    try:
        report: Any = json.loads(content)
        found = {
            int(named[1]): float(row["value"])
            for row in report["rows"]
            if (named := FIGURE.fullmatch(row["figure"])) and row["unit"] == "tokens/s"
        }
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidInput(f"{path} is no report of `ledge bench llm --json`") from None
    usable = [Measurement(streams, value) for streams, value in sorted(found.items()) if streams and 0 < value < 1e9]
    if not usable:
        raise InvalidInput(f"{path} tells no tokens per second: it must be a report of `ledge bench llm --json`")
    return usable


def calibrated(machine: Machine, measurements: Sequence[Measurement]) -> Machine:
    """The machine with the one efficiency that these measurements show."""

    def error_of(one: Measurement, efficiency: float) -> float:
        return one.error(machine, efficiency)

    efficiency = fit([lambda share, one=one: error_of(one, share) for one in measurements])  # type: ignore[misc]
    return replace(machine, platform=replace(machine.platform, efficiency=efficiency, fitted=True))
