"""One efficiency a platform, from what was measured on it."""

import math
from collections.abc import Callable, Sequence

from services.kit.errors import InvalidInput

WITHIN = 0.15
"""How far a prediction may be off its measurement before it is called a miss."""
STEP = 0.005
Error = Callable[[float], float]
"""Of one measurement: predicted over measured less one, at an efficiency."""


def fit(errors: Sequence[Error]) -> float:
    """The efficiency, in steps of half a percent, with the fewest misses; among those the least squares of logarithms.

    Raises InvalidInput without a measurement.
    """
    if not errors:
        raise InvalidInput("nothing was measured")
    candidates: list[float] = [STEP * count for count in range(10, round(1 / STEP) + 1)]

    def badness(efficiency: float) -> tuple[int, float]:
        found = [error(efficiency) for error in errors]
        return sum(abs(error) > WITHIN for error in found), sum(math.log1p(error) ** 2 for error in found)

    best = min(candidates, key=badness)
    return round(best, 3)
