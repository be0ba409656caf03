"""The `ledge` command.

Exit 0: done. 1: failed, or not all is well. 2: wrongly asked. 130: interrupted. What fails is told in one sentence on
standard error; LEDGE_LOG_LEVEL=DEBUG adds where it came from.
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from services.cli.lazy import lazy_group

MEMBERS = {
    "up": "services.cli.up:command",
    "down": "services.cli.down:command",
    "connect": "services.cli.connect:command",
    "status": "services.cli.status:command",
    "logs": "services.cli.logs:command",
    "doctor": "services.cli.doctor:command",
    "ask": "services.cli.ask:command",
    "ingest": "services.cli.ingest:command",
    "search": "services.cli.search:command",
    "transcribe": "services.cli.transcribe:command",
    "say": "services.cli.say:command",
    "voices": "services.cli.voices:command",
    "translate": "services.cli.translate:command",
    "talk": "services.cli.talk:command",
    "documents": "services.cli.documents:app",
    "collections": "services.cli.collections:app",
    "models": "services.cli.models:app",
    "serve": "services.cli.serve:command",
    "try": "services.cli.trial:command",
    "calibrate": "services.cli.calibrate:command",
    "calibrate-bild": "services.cli.calibrate_bild:command",
    "train": "services.cli.train:app",
    "plan": "services.cli.plan:command",
    "bench": "services.cli.bench:app",
}

app = typer.Typer(
    name="ledge",
    cls=lazy_group(MEMBERS),
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from services.kit.ops import release

        typer.echo(release())
        raise typer.Exit


@app.callback()
def _ledge(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the release.")
    ] = False,
) -> None:
    """An inference suite for one enterprise edge server: questions answered from documents, with citations."""


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    # One way to be stopped: what Ctrl-C cleans up, SIGTERM cleans up.
    signal.raise_signal(signal.SIGINT)


def main() -> NoReturn:
    """The entry point. Never returns."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    # A script's shell starts `ledge … &` with interrupts ignored, and then neither signal would end it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What a library would log is told by the command itself, once and for people.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        get_command(app)(prog_name="ledge")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get("LEDGE_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        raise SystemExit(_tell(error)) from None
    raise SystemExit(0)


def _tell(error: Exception) -> int:
    import grpc

    from services.kit.errors import InvalidInput, LedgeError, from_rpc

    if isinstance(error, grpc.aio.AioRpcError):
        error = from_rpc(error)
    if isinstance(error, LedgeError):
        print(f"ledge: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, InvalidInput) else 1
    if isinstance(error, OSError):
        print(f"ledge: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        return 1
    name = type(error).__name__
    print(
        f"ledge: unexpected {name}: {error} (a fault of ours: LEDGE_LOG_LEVEL=DEBUG shows where; please report it)",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    main()
