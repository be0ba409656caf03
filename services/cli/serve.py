"""`ledge serve`: one service in the foreground, as the profile has it; this process becomes the service."""

import os
from typing import Annotated

import typer

from services.cli.local.config import LocalRunConfig
from services.cli.local.ports import busy_ports
from services.cli.profile import open_profile
from services.kit.errors import EngineFailed


def command(
    service: Annotated[str, typer.Argument(help="For example llm, embedding, rag, gateway.", show_default=False)],
    profile: Annotated[str | None, typer.Option(help="A profile.", show_default="embedded-cpu")] = None,
) -> None:
    """Run one service in the foreground, with the profile's settings. Ctrl-C ends it."""
    config = LocalRunConfig.read(profile=profile)
    _, plan, _ = open_profile(config)
    planned = plan.service(service)
    if busy := busy_ports([planned]):
        raise EngineFailed(busy[0].sentence())
    # For eyes, not for the supervisor's log; a user's own setting stands.
    log_format = {"LEDGE_LOG_FORMAT": os.environ.get("LEDGE_LOG_FORMAT", "text")}
    os.execve(planned.command[0], planned.command, {**os.environ, **planned.environment, **log_format})  # noqa: S606
