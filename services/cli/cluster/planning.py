"""`ledge plan --cluster`: which accelerators of a cluster the plan is made for, told with what else there is."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from services.cli.cluster.accelerators import Accelerators, accelerators
from services.cli.cluster.access import Cluster
from services.kit.errors import InvalidInput, NotFound


def choose(context: str | None, out: Console, holds: Callable[[str, int], bool]) -> tuple[str, int]:
    """The platform and how many of it, of the node that has most memory of what the planner knows.

    Args:
        holds: whether so many of a platform hold the model.

    Raises:
        NotFound: no node offers any, or none that the planner knows.
        InvalidInput: all of a node's together do not hold the model.
    """
    cluster = Cluster(context=context)
    found = accelerators(cluster.nodes())
    if not found:
        raise NotFound("no node offers an accelerator: `ledge plan --gpu cpu-2` plans for a processor")
    out.print(_table(found))
    known = [each for each in found if each.platform is not None]
    if not known:
        raise NotFound("the planner knows none of these devices: name the nearest with --gpu and --count")
    best = max(known, key=lambda each: each.devices * (each.memory_mib or 0))
    platform = best.platform or ""
    if best.sharing in ("timeSlicing", "mps"):
        out.print(f"{best.node} shares each GPU {best.slots // best.devices} ways; the plan is for a model alone on it")
    values = best.chart_values()["gpu"]
    out.print("the chart's values: " + " ".join(f"gpu.{name}={value}" for name, value in values.items()))
    counts = [2**power for power in range(7) if 2**power <= best.devices]
    for count in counts:
        if holds(platform, count):
            return platform, count
    raise InvalidInput(f"the {best.devices} of {best.node} together do not hold this model: a smaller one, or --format")


def _table(found: Sequence[Accelerators]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("node", "device", "count", "memory of each", "shared", "planned as"):
        table.add_column(heading, justify="right" if heading in ("count", "memory of each") else "left")
    for each in found:
        table.add_row(
            each.node,
            each.product or each.resource,
            str(each.devices),
            f"{each.memory_mib} MiB" if each.memory_mib else "-",
            each.sharing if each.sharing == "exclusive" else f"{each.sharing}, {each.slots} slots",
            each.platform or "-",
        )
    return table
