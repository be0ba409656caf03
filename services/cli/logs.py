"""`ledge logs`: what services wrote, readable, one service or all, to its end or on and on."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.text import Text

from services.cli.local.config import LocalRunConfig
from services.cli.local.log_lines import LogLine, parse, tail
from services.cli.local.state import StateDirectory
from services.cli.terminal import open_console, printable
from services.kit.errors import NotFound

PAUSE_S = 0.2
STYLES = {"error": "red", "critical": "red", "warning": "yellow", "debug": "dim"}


def command(
    service: Annotated[str | None, typer.Argument(help="One service; none: all of them.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new lines come; Ctrl-C ends it.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines to begin with.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Lines as the services wrote them.")] = False,
) -> None:
    """Show the logs of the services."""
    state = StateDirectory(LocalRunConfig.read().state_dir)
    known = sorted(path.stem for path in state.logs.glob("*.log"))
    if service is not None and service not in known:
        there = f"; there are: {', '.join(known)}" if known else "; nothing has run here yet"
        raise NotFound(f"no log of {service!r} in {state.logs}{there}")
    names = [service] if service else [name for name in known if name != "supervisord"]
    console = open_console()
    # Places first: what comes while the tail is printed is then not missed.
    follower = _Follower({name: state.log(name) for name in names})
    recent = [(line, name) for name in names for line in tail(state.log(name))]
    if len(names) > 1:
        recent = sorted((pair for pair in recent if pair[0].time), key=lambda pair: pair[0].time)
    for line, name in recent[len(recent) - min(lines, len(recent)) :]:
        _print(console, line, name, as_json, named=len(names) > 1)
    if follow:
        typer.secho(f"following {', '.join(names)}; Ctrl-C ends it", dim=True, err=as_json)
    while follow:
        for line, name in follower.new_lines():
            _print(console, line, name, as_json, named=len(names) > 1)
        time.sleep(PAUSE_S)


def _print(console: Console, line: LogLine, name: str, as_json: bool, named: bool) -> None:
    if as_json:
        typer.echo(line.text)
        return
    text = Text(printable(line.readable()), STYLES.get(line.level, ""))
    console.print(Text(f"{name:<11}", "cyan") + text if named else text, soft_wrap=True)


class _Follower:
    """Reads what is appended to some logs; a rotated log is taken up again from its new beginning."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._open: dict[str, BinaryIO] = {}
        self._partial: dict[str, bytes] = {}
        for name, path in paths.items():
            file = path.open("rb")
            file.seek(0, os.SEEK_END)
            self._open[name] = file

    def new_lines(self) -> Iterator[tuple[LogLine, str]]:
        for name, path in self._paths.items():
            rotated = self._is_rotated(name)
            # Asked first: nothing is written to the old file after a new one has taken its place.
            yield from self._read(name)
            if rotated:
                self._open[name].close()
                self._open[name] = path.open("rb")
                yield from self._read(name)

    def _is_rotated(self, name: str) -> bool:
        try:
            return self._paths[name].stat().st_ino != os.fstat(self._open[name].fileno()).st_ino
        except FileNotFoundError:
            # Between the old file's new name and the new file.
            return False

    def _read(self, name: str) -> Iterator[tuple[LogLine, str]]:
        pieces = (self._partial.pop(name, b"") + self._open[name].read()).split(b"\n")
        if pieces[-1]:
            self._partial[name] = pieces[-1]
        for piece in pieces[:-1]:
            yield parse(piece.decode(errors="replace")), name
