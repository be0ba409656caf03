"""The doors of speech before real engines, and speech clients in an environment of their own."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ServiceProcess, service
from tests.tts.conftest import need_flite

PROGRAMS = Path(__file__).parent / "programs"
PAGE = Path(__file__).parent.parent.parent / "docs" / "speech.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
TIMEOUT_S = 100


def python_of(variable: str, target: str) -> str:
    """The Python that an environment variable names; skips where `make` has not set it."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"the clients are in an environment of their own: run `make {target}`")
    return python


def said_by(python: str, program: str, door: ServiceProcess, **settings: str) -> Any:
    """The JSON that a program of `programs` writes, run against a door."""
    done = run([python, "-I", str(PROGRAMS / program)], ADDRESS=door.address, **settings)
    return json.loads(done)


def printed_by_snippet(python: str, part: str, door: ServiceProcess) -> str:
    """What the snippet of docs/speech.md that holds `part` prints, run as it stands but for the address."""
    (code,) = [code for code in SNIPPETS if part in code]
    host, _, port = door.address.rpartition(":")
    code = code.replace("127.0.0.1:50051", door.address).replace('"127.0.0.1", 10300', f'"{host}", {port}')
    return run([python, "-I", "-c", code])


def run(command: list[str], **settings: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **settings}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def door(name: str, voices: str = "flite", **settings: str) -> Iterator[ServiceProcess]:
    """A door with pocketsphinx and an engine of voices behind it."""
    if voices == "flite":
        need_flite()
    pytest.importorskip("pocketsphinx")
    with service("asr", LEDGE_ENGINE="pocketsphinx") as asr, service("tts", LEDGE_ENGINE=voices) as tts:
        addresses = {"LEDGE_ASR_ADDRESS": asr.address, "LEDGE_TTS_ADDRESS": tts.address}
        with service(name, **{**addresses, **settings}) as running:
            yield running
