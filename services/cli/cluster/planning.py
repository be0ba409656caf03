"""`ledge plan --cluster`: which accelerators of a cluster the plan is made for, told with what else there is."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from services.cli.cluster.accelerators import Accelerators, accelerators
from services.cli.cluster.access import Cluster
from services.cli.cluster.chart_gpus import chart_values
from services.kit.errors import InvalidInput, NotFound
from services.kit.models.store import ModelStore
from services.kit.profiles import Profile, shipped_profiles


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
    _tell_chart(out, found)
    known = [each for each in found if each.platform is not None]
    if not known:
        raise NotFound("the planner knows none of these devices: name the nearest with --gpu and --count")
    best = max(known, key=_memory_mib)
    platform = best.platform or ""
    if best.sharing in ("timeSlicing", "mps"):
        out.print(f"{best.node} shares each GPU {best.slots // best.devices} ways; the plan is for a model alone on it")
    counts = [2**power for power in range(7) if 2**power <= best.devices]
    for count in counts:
        if holds(platform, count):
            return platform, count
    raise InvalidInput(f"the {best.devices} of {best.node} together do not hold this model: a smaller one, or --format")


def _memory_mib(each: Accelerators) -> int:
    return each.devices * (each.memory_mib or 0)


def _tell_chart(out: Console, found: Sequence[Accelerators]) -> None:
    """Of the node that has most: what the chart takes, or why it takes nothing as it is."""
    best = max(found, key=_memory_mib)
    node = [each for each in found if (each.node, each.sharing) == (best.node, best.sharing)]
    catalog = ModelStore.from_environment().catalog
    values = chart_values(node, [Profile.load(name, catalog) for name in shipped_profiles()])
    if values is not None:
        out.print(f"for the chart: {values.arguments}", soft_wrap=True)
        if values.needs:
            out.print(values.needs, soft_wrap=True)
    elif not best.resource.startswith("nvidia.com/"):
        out.print(
            f"the chart serves from {best.resource} by a server beside it: services.llm.engine openai", soft_wrap=True
        )
    elif best.memory_mib is None and best.sharing != "mig":
        out.print(
            "the node does not label its GPUs' memory (GPU feature discovery), so no values are told", soft_wrap=True
        )
    else:
        out.print(
            f"no values file of the chart fits {best.node}: its devices are smaller than any profile's", soft_wrap=True
        )


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
