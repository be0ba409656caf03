"""`ledge down`: stops the suite; what was ingested stays."""

from services.cli.local.config import LocalRunConfig
from services.cli.local.suite import Suite
from services.cli.terminal import open_console


def command() -> None:
    """Stop the suite: callers first, then what they call, so that answers in flight are finished."""
    suite = Suite(LocalRunConfig.read())
    console = open_console()
    with suite.state.locked(lambda: console.print("waiting for another `ledge up` or `ledge down`")):
        with console.status("stopping"):
            ran = suite.stop()
        console.print("stopped" if ran else "nothing was running")
