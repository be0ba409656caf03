"""`ledge plan`: how many users a machine serves, what binds, and the settings to serve them with."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.bench.report import number
from services.cli.terminal import open_console
from services.estimates.capacity.arithmetic import Lengths, Machine
from services.estimates.capacity.calibration import WITHIN
from services.estimates.capacity.measured import calibrated, read_measured
from services.estimates.capacity.plan_report import as_json, chart_values
from services.estimates.capacity.planning import Objective, Plan, Service, explain, plan, settings
from services.estimates.capacity.platforms import PLATFORMS, platform
from services.estimates.capacity.published import POINTS
from services.estimates.capacity.shapes import FORMATS, SHAPES, format_, shape
from services.estimates.capacity.tiers import TIERS
from services.kit.errors import EngineFailed, InvalidInput

DEFAULT_PLATFORM = "h100"


def command(
    model: Annotated[str, typer.Option(help=f"One of {', '.join(SHAPES)}.")] = "llama-3.1-8b",
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", "--platform", help=f"One of {', '.join(PLATFORMS)}.", show_default=DEFAULT_PLATFORM),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Accelerators that hold one model together.", show_default="1"),
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="For what the nodes of a Kubernetes cluster offer.")
    ] = False,
    context: Annotated[
        str | None, typer.Option(help="With --cluster, of the kubeconfig.", show_default="the current one")
    ] = None,
    number_format: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}.", show_default="the platform's own"),
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Users who ask at once, and again once answered.")] = 200,
    prompt_tokens: Annotated[int, typer.Option("--in", min=1, help="Tokens of a prompt.")] = 1000,
    answer_tokens: Annotated[int, typer.Option("--out", min=1, help="Tokens of an answer.")] = 1000,
    user_tokens_per_s: Annotated[float, typer.Option(min=0, help="What each user must get at least.")] = 20.0,
    first_token_s: Annotated[
        float | None, typer.Option(min=0, help="How long a first token may take.", show_default="as long as it does")
    ] = None,
    observed: Annotated[
        float | None, typer.Option(help="Explain this many tokens/s of all users.", show_default=False)
    ] = None,
    measured: Annotated[
        Path | None, typer.Option(help="Take the efficiency from a `ledge bench llm --json` file.", show_default=False)
    ] = None,
    values: Annotated[Path | None, typer.Option(help="Write values for the chart here.", show_default=False)] = None,
    published: Annotated[bool, typer.Option(help="Hold the arithmetic against every published point.")] = False,
    tiers: Annotated[bool, typer.Option(help="Device, edge and cloud, one user each.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the plan to this file, as JSON.")
    ] = None,
) -> None:
    """How many users a machine serves: tokens per second, first token, memory, what binds, and values for the chart."""
    out = open_console()
    if published:
        _published(out)
        return
    if tiers:
        _tiers(out)
        return
    lengths = Lengths(prompt_tokens, answer_tokens)
    if cluster:
        if gpu is not None or count is not None:
            raise InvalidInput("--gpu and --count say what --cluster finds out: one or the other")
        gpu, count = _of_cluster(out, context, model, number_format, lengths)
    on = platform(gpu or DEFAULT_PLATFORM, count or 1)
    machine = Machine(shape(model), format_(number_format or on.default_format), on)
    if measured is not None:
        machine = _calibrated(out, machine, measured)
    found = plan(machine, lengths, users, Objective(user_tokens_per_s, first_token_s))
    _show(out, found)
    if observed is not None:
        out.print()
        for sentence in explain(machine, lengths, users, observed):
            out.print(f"- {sentence}")
    if values is not None:
        _write(values, chart_values(found))
    if json_file is not None:
        _write(json_file, json.dumps(as_json(found), indent=2) + "\n")


def _of_cluster(
    out: Console, context: str | None, model: str, number_format: str | None, lengths: Lengths
) -> tuple[str, int]:
    from services.cli.cluster.planning import choose

    def holds(name: str, count: int) -> bool:
        on = platform(name, count)
        machine = Machine(shape(model), format_(number_format or on.default_format), on)
        try:
            plan(machine, lengths, users=1)
        except InvalidInput:
            return False
        return True

    return choose(context, out, holds)


def _calibrated(out: Console, machine: Machine, path: Path) -> Machine:
    rows, workload = read_measured(path)
    if workload is not None and not workload.is_of(machine.shape):
        raise InvalidInput(f"{path.name} was measured with {workload.model}, and this plan is of {machine.shape.name}")
    found = calibrated(machine, rows)
    efficiency = found.platform.efficiency
    out.print(f"efficiency {efficiency:.3f} from {path.name}, in place of {machine.platform.efficiency:.3f}")
    lengths = rows[0].lengths
    told = f"{lengths.prompt_tokens} tokens in, {lengths.answer_tokens} out"
    if workload is None:
        out.print(f"  {path.name} does not tell its model and lengths; taken for {machine.shape.name}, {told}")
    else:
        out.print(f"  measured with {workload.model}, {told}")
    for row in rows:
        error = row.error(machine, efficiency)
        off = f"; off by {error:+.0%}, which one efficiency cannot mend" if abs(error) > WITHIN else ""
        out.print(
            f"  {row.streams} streams: measured {number(row.tokens_per_s)} tokens/s, "
            f"modelled {number(row.predicted(machine, efficiency))}{off}"
        )
    return found


def _show(out: Console, found: Plan) -> None:
    machine, lengths = found.machine, found.lengths
    known = "" if machine.platform.fitted else "; no point is published for it, so this is its nearest relative's"
    title = f"{machine.shape.name} in {machine.format.name} on {machine.platform.name}"
    table = Table(
        title=f"{title}, {lengths.prompt_tokens} tokens in, {lengths.answer_tokens} out",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("users", "tokens/s each", "tokens/s", "first token", "by bandwidth alone", "most of a step"):
        table.add_column(heading, justify="left" if heading == "most of a step" else "right")
    for service in _with_asked(found):
        mark = "→ " if service is found.asked else ""
        table.add_row(
            f"{mark}{service.users}",
            number(service.step.user_tokens_per_s),
            number(service.step.tokens_per_s),
            f"{number(service.first_token_s)} s",
            number(service.ceiling_tokens_per_s),
            service.step.binding,
        )
    out.print(table)
    out.print(
        f"weights {found.weights_bytes / 1e9:.1f} GB; attention cache for {found.cache_tokens:,} tokens: "
        f"{found.fits} answers side by side"
    )
    if found.asked.served < found.asked.users:
        out.print(f"{found.asked.users - found.asked.served} of {found.asked.users} users wait for a seat")
    if found.largest:
        out.print(f"most users within the objective: {found.largest}; then binds {found.binding}")
    else:
        out.print(f"not even one user gets the objective: {found.binding}")
    out.print("settings: " + " ".join(f"{name}={value}" for name, value in settings(found).items()), soft_wrap=True)
    out.print(f"modelled, not measured; efficiency {machine.platform.efficiency:.3f} of the data sheet{known}")


def _with_asked(found: Plan) -> list[Service]:
    """The curve as far as anybody asks, with what was asked for in its place."""
    far = 2 * max(found.asked.users, found.largest)
    others = [service for service in found.curve if service.users != found.asked.users and service.users <= far]
    return sorted([*others, found.asked], key=lambda service: service.users)


def _published(out: Console) -> None:
    table = Table(title="published beside modelled, tokens/s of a user", title_justify="left", title_style="bold")
    for heading in ("point", "published", "modelled", "error", "source"):
        table.add_column(heading, justify="right" if heading in ("published", "modelled", "error") else "left")
    for point in POINTS:
        error = point.error()
        miss = " MISS" if abs(error) > WITHIN else ""
        assumed = f" (assumed: {point.assumed})" if point.assumed else ""
        figures = number(point.user_tokens_per_s), number(point.predicted()), f"{error:+.0%}{miss}"
        table.add_row(point.name, *figures, point.source + assumed)
    out.print(table)
    missed = [point for point in POINTS if abs(point.error()) > WITHIN]
    out.print(f"{len(POINTS) - len(missed)} of {len(POINTS)} within {WITHIN:.0%}, one efficiency a platform")


def _tiers(out: Console) -> None:
    table = Table(title="one user, weights alone", title_justify="left", title_style="bold")
    for heading in ("tier", "model", "machine", "ceiling", "realistic"):
        table.add_column(heading, justify="right" if heading in ("ceiling", "realistic") else "left")
    for tier in TIERS:
        ceiling, realistic = tier.ceiling_tokens_per_s, tier.realistic_tokens_per_s
        table.add_row(tier.name, tier.model, tier.machine, f"{ceiling:.0f} tokens/s", f"{realistic:.0f} tokens/s")
    out.print(table)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise EngineFailed(f"cannot write {path}: {error.strerror}") from error
