"""`ledge bench NAME`: each bench is a module here with a function `command`; what is not there is not listed."""

from importlib.util import find_spec

import typer

from services.cli.lazy import lazy_group

NAMES = (
    *("llm", "embedding", "retrieval", "ingest", "rag", "orchestration"),
    *("start", "tts", "asr", "translation", "voice", "bild", "gkt", "length", "route"),
)
MEMBERS = {name: f"{__name__}.{name}:command" for name in NAMES if find_spec(f"{__name__}.{name}")}

app = typer.Typer(
    cls=lazy_group(MEMBERS),
    no_args_is_help=True,
    add_completion=False,
    help="Measure, beside a baseline in the same run. Prints a table; exits non-zero only when it could not measure.",
)


@app.callback()
def _group() -> None:
    """Keeps this a group however many benches there are."""
