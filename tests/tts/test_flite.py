"""What only flite does: speech in processes that may die, and hostile text."""

import asyncio
import os
import signal
from pathlib import Path

import grpc
import numpy as np
import pytest
from ledge.tts.v1 import tts_pb2_grpc as rpc

from tests.processes import ServiceProcess, service
from tests.tts.asking import level_db, pcm, say, say_stream
from tests.tts.conftest import Start, need_flite


def children(process: ServiceProcess) -> list[int]:
    pid = process.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    "text",
    ["Naïve café in Łódź", "Привет", "مرحبا", "100 % \\n %s %n %x", "a" * 500, "(((((", "& < > \" '", "!" * 300 + "a",
     "1" * 300, "\x01\x02bell\x07", "word\u0000null", "-" * 1000 + "x", "<speak>Hello</speak>"],
)  # fmt: skip
async def test_hostile_text_is_spoken_or_left_out(flite: rpc.TtsServiceStub, text: str) -> None:
    answer = await say(flite, text)
    assert len(answer.audio) == 2 * round(answer.duration_ms * answer.sample_rate_hz / 1000)
    assert level_db(pcm((await say(flite, "Still here, as before.")).audio)) > -30


async def test_it_is_heard_at_once(flite: rpc.TtsServiceStub) -> None:
    """The voice itself begins with a fifth of a second of silence."""
    answer = await say(flite, "Good morning. Log books are kept.", word_times=True)
    samples = np.abs(pcm(answer.audio))
    assert int((samples > 0.01).argmax()) < 0.06 * answer.sample_rate_hz
    assert answer.words[0].start_ms < 60
    assert answer.words[-1].end_ms <= answer.duration_ms
    between = samples[round(answer.words[1].end_ms * answer.sample_rate_hz / 1000) :][: answer.sample_rate_hz // 10]
    assert between.max() < 0.01, "the pause between two sentences stays"


async def test_a_process_that_dies_is_replaced(start: Start) -> None:
    need_flite()

    with service("tts", LEDGE_ENGINE="flite", LEDGE_WORKERS="1") as tts:
        async with grpc.aio.insecure_channel(tts.address) as channel:
            stub = rpc.TtsServiceStub(channel)
            before = (await say(stub, "Good morning.")).audio
            (child,) = children(tts)
            os.kill(child, signal.SIGKILL)
            # The call that finds it dead may fail; no later one does.
            await asyncio.gather(say(stub, "Good morning."), return_exceptions=True)
            assert (await say(stub, "Good morning.")).audio == before
            assert children(tts) != [child]
        tts.terminate()
        assert tts.wait() == 0


async def test_a_first_word_goes_before_what_others_hear_later() -> None:
    need_flite()
    report = " ".join(
        f"This is sentence number {word} of the long report." for word in "one two three four five".split()
    )
    clauses: list[str] = []
    all_begun = asyncio.Event()
    with service("tts", LEDGE_ENGINE="flite", LEDGE_WORKERS="1") as tts:
        async with grpc.aio.insecure_channel(tts.address) as channel:
            stub = rpc.TtsServiceStub(channel)

            async def listen(name: str) -> None:
                async for response in say_stream(stub, [report], word_times=True):
                    if response.words:
                        clauses.append(name)
                    if len(set(clauses)) == 12:
                        all_begun.set()

            early = [asyncio.create_task(listen(f"early {number}")) for number in range(12)]
            await all_begun.wait()
            # Each of the twelve has a clause in the queue, which it needs in some seconds; one comes who needs one now.
            before = len(clauses)
            await asyncio.gather(*early, listen("late"))
    assert clauses.index("late") - before < 6
