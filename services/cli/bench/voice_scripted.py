"""What voice adds to engines that take just so long, with many conversations at a time; and whether any starves."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import psutil
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc
from rich.console import Console

from services.cli.bench.asr_speech import RATE_HZ, SENTENCES, Samples, silence, spoken
from services.cli.bench.report import Row, percentile
from services.cli.bench.voice_caller import PLAYED_HZ, Caller
from services.cli.bench.voice_suite import scripted_suite, voice
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

ASR_MS, LLM_MS, TTS_MS = 100.0, 350.0, 80.0
"""For a final transcript, for the words of a first clause, and to speak it: as Whisper on a GPU, a model of 8 B and a
neural voice take them."""
ANSWER = "The pump house is twelve metres tall."
SOFT_END_MS, SILENCE_MS = 190.0, 500.0
WARM_UP_TURNS = 1
MARGIN_S = 0.3
"""After an answer, until the next question."""
MODEL = "scripted"


@dataclass
class Turns:
    """Of all sessions of a round."""

    added_ms: list[list[float]] = field(default_factory=list)
    """By session."""
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    """Of the voice service."""

    @property
    def all_ms(self) -> list[float]:
        return [added_ms for session in self.added_ms for added_ms in session]


def scripted_rows(sessions: Sequence[int], seconds: float, piece_s: float, *, in_step: bool = False) -> list[Row]:
    """The end of a turn told by the client, where the delays alone are known exactly; then found in the audio.

    Args:
        in_step: the pieces of all sessions leave at the same moments, as those of independent people never do.
    """
    (said,) = spoken(SENTENCES[:1])
    said = _whole_pieces(said, piece_s)
    rows: list[Row] = []
    with scripted_suite(ANSWER, asr_ms=ASR_MS, llm_ms=LLM_MS, tts_ms=TTS_MS) as peers, voice(peers) as running:
        for manual in (True, False):
            for count in sessions:
                told = f"{count} sessions, {'told' if manual else 'heard'} ends of turns"
                with Console(stderr=True, highlight=False).status(told):
                    began_s, spent_s = time.perf_counter(), cpu_s(running.pid)
                    turns = asyncio.run(
                        _round(running.address, said, count, seconds, piece_s, manual=manual, in_step=in_step)
                    )
                    turns.elapsed_s, turns.cpu_s = time.perf_counter() - began_s, cpu_s(running.pid) - spent_s
                rows += _rows(count, turns, piece_s, manual=manual)
    return rows


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def alone_ms(*, manual: bool) -> float:
    """The first audio if nothing but the engines took time."""
    engines_ms = ASR_MS + LLM_MS + TTS_MS
    # What is begun at the soft end is not told before the turn has ended.
    return engines_ms if manual else max(SILENCE_MS, SOFT_END_MS + engines_ms)


def _rows(count: int, turns: Turns, piece_s: float, *, manual: bool) -> list[Row]:
    who = f"{count} session{'s' if count > 1 else ''}"
    how = "the client ends the turn" if manual else "silence ends the turn"
    alone = alone_ms(manual=manual)
    added = turns.all_ms
    medians = [percentile(session, 50) + alone for session in turns.added_ms]
    baseline = f"the delays alone ({how})"
    told = f"p50 {percentile(added, 50):.0f}, p95 {percentile(added, 95):.0f}"
    # Silence is known of when the piece that holds the last of it is there.
    waits = "" if manual else f", of which up to {piece_s * 1000:.0f} for the piece that silence comes in"
    return [
        Row(
            f"first audio p95, {how}, {who}",
            percentile(added, 95) + alone,
            "ms",
            baseline,
            alone,
            note=f"added: {told} ms{waits}; {len(added)} turns",
        ),
        Row(
            f"slowest session's median, {how}, {who}",
            max(medians),
            "ms",
            "the fastest session's",
            min(medians),
            note=f"{min(map(len, turns.added_ms))} to {max(map(len, turns.added_ms))} turns a session",
        ),
        Row(
            f"processor time of voice, {how}, {who}",
            turns.cpu_s * 1000 / turns.elapsed_s / count,
            "ms",
            note="a second and session",
        ),
    ]


async def _round(
    address: str, said: Samples, count: int, seconds: float, piece_s: float, *, manual: bool, in_step: bool
) -> Turns:
    turns = Turns([[] for _ in range(count)])
    kind = pb.TurnDetection.MANUAL if manual else pb.TurnDetection.SERVER
    async with open_channel(address) as channel:
        stub = rpc.VoiceServiceStub(channel)

        async def session(number: int) -> None:
            if not in_step:
                # Microphones run by clocks of their own.
                await asyncio.sleep(piece_s * number / count)
            detection = pb.TurnDetection(kind=kind)
            async with Caller(stub, piece_s, model=MODEL, turn_detection=detection, language="en") as caller:
                # Not all at once: people are not in step.
                caller.say(silence(piece_s * round(number * 2.0 / count / piece_s)))
                ends_s = time.perf_counter() + seconds
                taken = 0
                while time.perf_counter() < ends_s or len(turns.added_ms[number]) == 0:
                    added_ms = await _turn(caller, said, piece_s, manual=manual)
                    taken += 1
                    if taken > WARM_UP_TURNS:
                        turns.added_ms[number].append(added_ms)

        await asyncio.gather(*(session(number) for number in range(count)))
    return turns


async def _turn(caller: Caller, said: Samples, piece_s: float, *, manual: bool) -> float:
    """Milliseconds that the first audio came later than the delays alone explain."""
    after = len(caller.heard)
    caller.say(silence(piece_s * 2))
    _, end_s = caller.say(said)
    if manual:
        # The last piece leaves when it is over; what ends the turn follows it.
        await asyncio.sleep(max(0.0, end_s - time.perf_counter()))
        begun_s = await caller.end_turn()
    else:
        begun_s = end_s
    answer = await caller.answer(after)
    if answer.first_audible_s is None:
        raise EngineFailed(f"nothing was heard of an answer: {pb.ResponseState.Status.Name(answer.done.status)}")
    first = next(heard for heard in caller.heard[after:] if heard.kind == "audio_delta")
    # Heard to its end, for what is said into an answer interrupts it.
    await caller.reach(first.at_s + answer.audio_bytes / 2 / PLAYED_HZ + MARGIN_S)
    return (first.at_s - begun_s) * 1000 - alone_ms(manual=manual)


def _whole_pieces(samples: Samples, piece_s: float) -> Samples:
    """With silence before, so that its last sample is a piece's last."""
    size = round(piece_s * RATE_HZ)
    return np.pad(samples, (-len(samples) % size, 0))
