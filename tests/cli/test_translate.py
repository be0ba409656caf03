"""`ledge translate`, against a real service."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.ledge_command import ROOT, Ledge
from tests.processes import ServiceProcess, service


@pytest.fixture(scope="module")
def translation() -> Iterator[ServiceProcess]:
    with service("translation", LEDGE_ENGINE="scripted") as process:
        yield process


def piped(ledge: Ledge, *arguments: str, given: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "translate", *arguments],
        env=ledge.environment,
        input=given.encode(),
        capture_output=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_words_are_translated(ledge: Ledge, translation: ServiceProcess) -> None:
    where = ("--address", translation.address, "--from", "en", "--to", "es")
    assert ledge.run("translate", "open", "the window", *where).stdout == "abre la ventana\n"
    kept = ledge.run("translate", "open the window", *where, "--keep", "the=LA", "--keep", "window")
    assert kept.stdout == "abre LA window\n"


def test_a_long_text_comes_whole_through_a_pipe(ledge: Ledge, translation: ServiceProcess) -> None:
    where = ("--address", translation.address, "--from", "en", "--to", "es")
    paragraph = "open the window\n\n  one two three.\n"
    assert piped(ledge, *where, given=paragraph) == "abre la ventana\n\n  uno dos tres.\n"
    assert piped(ledge, *where, given=paragraph * 5000) == "abre la ventana\n\n  uno dos tres.\n" * 5000
    unbroken = "x" * 45_000 + " one"
    assert piped(ledge, *where, given=unbroken) == "x" * 45_000 + " uno\n"


def test_the_language_is_detected(ledge: Ledge, translation: ServiceProcess) -> None:
    text = "Please open the window before it rains, and give us water."
    told = ledge.run("translate", text, "--address", translation.address, "--to", "es").stdout
    assert told == "Please abre la ventana before it rains, and give us agua.\n"


def test_a_pair_that_is_not_there_is_one_sentence(ledge: Ledge, translation: ServiceProcess) -> None:
    told = ledge.run("translate", "a", "--address", translation.address, "--from", "en", "--to", "de", code=None)
    assert told.returncode != 0
    assert "no model has en-de; there is en-es, es-en" in told.stderr
