"""`ledge doctor`: whether this machine can run the suite and, where not, what to do. Exit 1: something must be done."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from services.cli.local.checks import (
    Check,
    check_cores,
    check_disk,
    check_engine,
    check_memory,
    check_model,
    check_packages,
    check_python,
)
from services.cli.local.config import LocalRunConfig
from services.cli.local.hardware import check_profiles, this_machine
from services.cli.local.plan import RunPlan
from services.cli.local.ports import busy_ports
from services.cli.local.suite import Suite
from services.cli.local.supervisor import left_behind
from services.cli.profile import open_profile
from services.cli.terminal import open_console
from services.kit.models import ModelStore
from services.kit.profiles import Profile, shipped_profiles

SIGNS = {"ok": ("ok      ", "green"), "warning": ("warning ", "yellow"), "failure": ("failure ", "red")}


def command(
    profile: Annotated[str | None, typer.Option(help="A profile.", show_default="embedded-cpu")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Say which profile fits; check Python, packages, cores, memory, disk, ports and models against the one chosen."""
    config = LocalRunConfig.read(profile=profile)
    loaded, plan, store = open_profile(config)
    console = open_console()
    checks = []
    for check in _checks(loaded, plan, store, Suite(config)):
        checks.append(check)
        if not as_json:
            sign, style = SIGNS[check.level]
            console.print(Text(sign, style) + Text(f"{check.name:<24} {check.found}"), soft_wrap=True)
            if check.advice:
                console.print(f"        {'':<24} → {check.advice}", soft_wrap=True)
    fits = not any(check.level == "failure" for check in checks)
    if as_json:
        typer.echo(
            json.dumps({"profile": loaded.name, "fits": fits, "checks": [asdict(check) for check in checks]}, indent=1)
        )
    if not fits:
        raise typer.Exit(1)


def _checks(profile: Profile, plan: RunPlan, store: ModelStore, suite: Suite) -> Iterator[Check]:
    yield check_python()
    yield check_profiles(
        this_machine(), [Profile.load(name, store.catalog) for name in shipped_profiles()], profile.name
    )
    yield check_packages(plan)
    for service in plan.services:
        if service.engine:
            yield check_engine(service)
    for absent in plan.left_out:
        yield Check(f"service {absent.name}", "warning", "is left out of the local run", absent.advice)
    yield check_cores(profile)
    yield check_memory(profile)
    yield check_disk("disk, state", suite.state.path, "LEDGE_STATE_DIR")
    yield check_disk("disk, models", store.directory, "LEDGE_MODELS_DIR")
    for model in profile.models:
        yield check_model(store, model)
    yield from _check_ports(plan, suite)


def _check_ports(plan: RunPlan, suite: Suite) -> Iterator[Check]:
    if suite.is_running:
        yield Check("ports", "ok", "in use by the suite, which is running")
        return
    if orphans := left_behind(suite.state):
        numbers = ", ".join(str(process.pid) for process in orphans)
        yield Check(
            "ports", "warning", f"an earlier run has left processes: {numbers}", "`ledge up` or `ledge down` ends them"
        )
        return
    busy = busy_ports(plan.services)
    for port in busy:
        yield Check("ports", "failure", *port.sentence().split(": ", 1))
    if not busy:
        yield Check("ports", "ok", "all free")
