"""Reads what `ledge bench llm --json` measured, to plan with one's own machine instead of published points."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.estimates.capacity.arithmetic import Lengths, Machine, step
from services.estimates.capacity.calibration import fit
from services.estimates.capacity.shapes import Shape
from services.kit.bounded_file import read_bounded
from services.kit.errors import InvalidInput

MAX_FILE_BYTES = 4 << 20
FIGURE = re.compile(r"tokens per second, (\d{1,4}) streams?")
ASSUMED_LENGTHS = Lengths(16, 96)
"""Of reports that tell none: what `ledge bench llm` asks by default. Its prompts lie in the prefix cache."""
ELSEWHERE = 2.0
"""How many times too fast or too slow the nearest of all rows is where they are of another machine."""


@dataclass(frozen=True)
class Measurement:
    """One row of the bench."""

    streams: int
    tokens_per_s: float
    lengths: Lengths = ASSUMED_LENGTHS

    def predicted(self, machine: Machine, efficiency: float) -> float:
        at = replace(machine, platform=replace(machine.platform, efficiency=efficiency))
        return replace(step(at, self.lengths, self.streams), prompts_s=0.0).tokens_per_s

    def error(self, machine: Machine, efficiency: float) -> float:
        """Predicted over measured, less one."""
        return self.predicted(machine, efficiency) / self.tokens_per_s - 1


@dataclass(frozen=True)
class Workload:
    """What a report says that it was taken of."""

    model: str
    lengths: Lengths

    def is_of(self, shape: Shape) -> bool:
        """Whether the model is of this size: a catalogue's id goes on after it (`llama-3.1-8b-instruct`)."""
        return f"{self.model.lower()}-".startswith(f"{shape.name}-")


def read_measured(path: Path) -> tuple[Sequence[Measurement], Workload | None]:
    """The rows; and of what they are, None in a report that does not tell.

    Raises NotFound, InvalidInput for a file that is not there, or no report of the bench.
    """
    content = read_bounded(path, MAX_FILE_BYTES)
    try:
        report: Any = json.loads(content)
        found = {
            int(named[1]): float(row["value"])
            for row in report["rows"]
            if (named := FIGURE.fullmatch(row["figure"])) and row["unit"] == "tokens/s"
        }
        workload = _workload(report["workload"]) if "workload" in report else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise InvalidInput(f"{path} is no report of `ledge bench llm --json`") from None
    lengths = ASSUMED_LENGTHS if workload is None else workload.lengths
    usable = [
        Measurement(streams, value, lengths) for streams, value in sorted(found.items()) if streams and 0 < value < 1e9
    ]
    if not usable:
        raise InvalidInput(f"{path} tells no tokens per second: it must be a report of `ledge bench llm --json`")
    return usable, workload


def _workload(told: Any) -> Workload:
    return Workload(str(told["model"]), Lengths(int(told["prompt_tokens"]), int(told["answer_tokens"])))


def calibrated(machine: Machine, measurements: Sequence[Measurement]) -> Machine:
    """The machine with the one efficiency that these measurements show.

    Raises InvalidInput where no efficiency comes near any of them.
    """

    def error_of(one: Measurement, efficiency: float) -> float:
        return one.error(machine, efficiency)

    efficiency = fit([lambda share, one=one: error_of(one, share) for one in measurements])  # type: ignore[misc]
    nearest = min(abs(math.log1p(one.error(machine, efficiency))) for one in measurements)
    if nearest > math.log(ELSEWHERE):
        raise InvalidInput(
            f"no efficiency makes a {machine.platform.name} with {machine.shape.name} in {machine.format.name} as fast "
            "as this was: it was measured on another machine, or in another format"
        )
    return replace(machine, platform=replace(machine.platform, efficiency=efficiency, fitted=True))
