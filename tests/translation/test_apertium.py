"""apertium: what it says, what its stream format must not break, and what happens when a program of it dies."""

import asyncio
import random
import re
import signal
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from ledge.translation.v1 import translation_pb2 as pb
from ledge.translation.v1 import translation_pb2_grpc as rpc

from services.kit.errors import EngineFailed, NotFound
from services.translation.config import TranslationConfig
from services.translation.engines.apertium import load_apertium
from tests.processes import service
from tests.translation.asking import translated
from tests.translation.conftest import need_apertium

SENTENCES = {
    "The house is very big.": "La casa es muy grande.",
    "Good morning": "Buenos días",
    "I have two dogs.": "Tengo dos perros.",
}


async def test_english_and_spanish_both_ways(apertium: Any) -> None:
    assert await translated(apertium, *SENTENCES) == list(SENTENCES.values())
    assert await translated(apertium, "Buenos días", source="es", target="en") == ["Good morning"]
    # There are two Englishes, of which the region chooses.
    assert await translated(apertium, "Buenos días", source="es-MX", target="en-US") == ["Good morning"]


async def test_the_licence_is_that_of_the_data(apertium: Any) -> None:
    listed = await apertium.ListLanguagePairs(pb.ListLanguagePairsRequest())
    assert [(model.id, model.licence) for model in listed.models] == [("apertium-eng-spa", "GPL-2.0-only")]


async def test_marks_of_the_stream_format_are_only_characters(apertium: Any) -> None:
    """A hundred texts of the characters that mean something to apertium's programs: each keeps its own."""
    source = random.Random(1)
    texts = ["".join(source.choices("[]{}^$/\\@<>~*#+_&.:;?!|\"'-=", k=12)) + " house" for _ in range(100)]
    answers = await asyncio.gather(*(translated(apertium, text) for text in texts))
    for text, (answer,) in zip(texts, answers, strict=True):
        assert answer.split(" ")[0] == text.split(" ")[0], (text, answer)
        assert "asa" in answer


async def test_a_word_in_quotes_keeps_both(apertium: Any) -> None:
    (answer,) = await translated(apertium, "He said 'open the door' twice.")
    assert re.search(r"'\w+ la puerta'", answer)


async def test_a_program_that_dies_is_replaced_and_nothing_is_lost() -> None:
    need_apertium()
    with service("translation", LEDGE_BATCH_TIMEOUT_S="5") as running:
        async with grpc.aio.insecure_channel(running.address) as channel:
            stub = rpc.TranslationServiceStub(channel)
            assert await translated(stub, "Good morning") == ["Buenos días"]
            for how in (signal.SIGKILL, signal.SIGSTOP):
                programs = psutil.Process(running.process.pid).children()
                assert len(programs) > 5
                programs[len(programs) // 2].send_signal(how)
                answers = await asyncio.gather(*(translated(stub, f"Good morning {{{n}}}") for n in range(20)))
                assert [answer for (answer,) in answers] == [f"Buenos días {{{n}}}" for n in range(20)]
            programs = psutil.Process(running.process.pid).children()
        running.terminate()
        assert running.wait() == 0
    assert psutil.wait_procs(programs, timeout=5)[1] == [], "its programs end with it"


async def test_programs_end_when_the_service_is_killed() -> None:
    need_apertium()
    with service("translation") as running:
        programs = psutil.Process(running.process.pid).children()
        running.kill()
        assert psutil.wait_procs(programs, timeout=10)[1] == []


async def test_a_sentence_that_breaks_the_programs_breaks_no_other(tmp_path: Path) -> None:
    """A chain of one program that ends when it reads the word `poison`, and else passes everything on."""
    program = tmp_path / "filter"
    program.write_text("#!/bin/sh\nexec sed -u -z -e '/poison/Q' -e s/good/buen/\n")
    program.chmod(0o755)
    (tmp_path / "eng-spa.mode").write_text(f"{program} /x/apertium-eng-spa/y")
    engine = await load_apertium(TranslationConfig(modes_dir=tmp_path, batch_timeout_s=5))
    try:
        asked = [engine.translate([text], engine.pairs[0]) for text in ("good 1", "poison", "good 2", "good 3")]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [answers[0], *answers[2:]] == [["buen 1"], ["buen 2"], ["buen 3"]]
        assert isinstance(answers[1], EngineFailed)
    finally:
        await engine.close()


async def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="apertium-eng-spa"):
        await load_apertium(TranslationConfig(modes_dir=tmp_path))
    (tmp_path / "eng-spa.mode").write_text("no-such-program '/x/apertium-eng-spa/y'")
    with pytest.raises(NotFound, match="no-such-program is not installed"):
        await load_apertium(TranslationConfig(modes_dir=tmp_path))
