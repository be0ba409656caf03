"""Speaking into an answer: how soon it falls silent, and that a cough or a "mm-hm" takes nothing away from it."""

import asyncio
from collections.abc import Sequence

from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc
from rich.console import Console

from services.cli.bench.asr_speech import Samples, silence, spoken
from services.cli.bench.cough import cough
from services.cli.bench.report import Row, percentile
from services.cli.bench.voice_caller import Caller, Heard, answer_in, is_idle
from services.cli.bench.voice_latency import DOCUMENTS, LEAD_S, SpokenQuestion, spoken_questions
from services.cli.bench.voice_suite import Peers, voice
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

INTERRUPTIONS = (
    "stop please i have another question",
    "no that is not what i want to know",
    "wait how much does the ticket cost",
    "thank you what about the other house",
)
BACKCHANNELS = ("um hum", "uh huh", "okay", "yeah")
"""flite reads "mm-hm" as letters ("em aitch em"); the first two have its sounds."""
INTO_ANSWER_S = 1.2
"""Of the answer that is heard before somebody speaks into it."""
SETTLED_S = 2.5
"""Within which it has been decided what it was."""


def barge_rows(peers: Peers, count: int, rounds: int) -> list[Row]:
    """Each interruption and each false alarm, into an answer of the default engines."""
    (question,) = spoken_questions(1)
    interruptions = spoken(INTERRUPTIONS[:count])
    alarms = {"a cough": [cough(seed) for seed in range(count)], "a “mm-hm”": spoken(BACKCHANNELS[:count])}
    with voice(peers) as running, Console(stderr=True, highlight=False).status("speaking into answers"):
        silent_ms, ducked_ms, late_bytes = asyncio.run(_interrupted(running.address, question, interruptions * rounds))
        note = f"{len(silent_ms)} interruptions, {min(silent_ms):.0f} to {max(silent_ms):.0f} ms"
        if ducked_ms:
            note += f"; softer after {percentile(ducked_ms, 50):.0f} ms (p50)"
        rows = [
            Row(f"user's speech to silence p{percent}", percentile(silent_ms, percent), "ms", note=note)
            for percent in (50, 95)
        ]
        rows.append(Row("audio of an answer after it was interrupted", late_bytes, "bytes"))
        for name, sounds in alarms.items():
            rows += asyncio.run(_false_alarms(running.address, question, name, list(sounds) * rounds))
    return rows


async def _interrupted(
    address: str, question: SpokenQuestion, sounds: Sequence[Samples]
) -> tuple[list[float], list[float], int]:
    silent_ms: list[float] = []
    ducked_ms: list[float] = []
    late_bytes = 0
    async with open_channel(address) as channel:
        stub = rpc.VoiceServiceStub(channel)
        for sound in sounds:
            async with Caller(stub, documents=DOCUMENTS, language="en") as caller:
                after = await _into_answer(caller, question)
                spoken_s, _ = caller.say(sound)
                silent = await caller.until(_is_silence, after)
                await caller.until(lambda heard: heard.kind == "response_done", after)
                silent_ms.append((silent.at_s - spoken_s) * 1000)
                ducked_ms += [(heard.at_s - spoken_s) * 1000 for heard in caller.heard[after:] if _is(heard, "DUCK")][
                    :1
                ]
                done = next(one for one in caller.heard[after:] if one.kind == "response_done").event.response_done
                if done.status != pb.ResponseState.CANCELLED:
                    raise EngineFailed("an interrupted answer was not cancelled: it may have been too short")
                place = caller.heard.index(silent)
                late_bytes += sum(
                    len(heard.event.audio_delta.audio)
                    for heard in caller.heard[place:]
                    if heard.kind == "audio_delta" and heard.event.audio_delta.response_id == done.id
                )
    return silent_ms, ducked_ms, late_bytes


async def _false_alarms(address: str, question: SpokenQuestion, name: str, sounds: Sequence[Samples]) -> list[Row]:
    """The answer as a whole with the alarm in it, beside the same answer without."""
    stopped = noticed = 0
    lost_s: list[float] = []
    async with open_channel(address) as channel:
        stub = rpc.VoiceServiceStub(channel)
        whole = await _whole(stub, question, silence(0.1))
        for sound in sounds:
            heard = await _whole(stub, question, sound)
            stopped += heard.status != pb.ResponseState.COMPLETED
            noticed += heard.was_ducked
            # Heard otherwise the question has another answer, with which there is nothing to compare.
            # What was stopped is counted above.
            if heard.text == whole.text and heard.status == whole.status:
                lost_s.append(max(0.0, whole.audio_s - heard.audio_s))
    count = len(sounds)
    note = f"{count} of them, of which {noticed} made the answer softer or paused it"
    rows = [Row(f"answers stopped by {name}", stopped / count, "share", note=note)]
    if lost_s:
        compared = f"{len(lost_s)} answers, each the same as without"
        rows.append(Row(f"audio lost by {name}", max(lost_s), "s", "in an answer", whole.audio_s, note=compared))
    return rows


class _Whole:
    """An answer that ran to its end, or not."""

    def __init__(self, heard: Sequence[Heard]) -> None:
        ends: dict[str, int] = {}
        self.was_ducked = any(one.kind == "playback_control" for one in heard)
        answer = answer_in(list(heard))
        self.text, self.status = answer.text, answer.done.status
        for one in heard:
            if one.kind == "audio_delta":
                delta = one.event.audio_delta
                # Counted by where it stands: what is sent again after an alarm is no more of it.
                end_ms = delta.offset_ms + len(delta.audio) * 1000 // 48_000
                ends[delta.response_id] = max(ends.get(delta.response_id, 0), end_ms)
        self.audio_s = next(iter(ends.values()), 0) / 1000


async def _whole(stub: "rpc.VoiceServiceAsyncStub", question: SpokenQuestion, sound: Samples) -> _Whole:
    async with Caller(stub, documents=DOCUMENTS, language="en") as caller:
        after = await _into_answer(caller, question)
        caller.say(sound)
        # Past the time in which the alarm could have had a consequence.
        caller.say(silence(SETTLED_S))
        await caller.until(lambda heard: heard.kind == "response_done")
        await caller.until(is_idle, after)
        return _Whole(caller.heard)


async def _into_answer(caller: Caller, question: SpokenQuestion) -> int:
    """Asks, and waits until some of the answer has been heard. The number of events until then."""
    caller.say(silence(LEAD_S))
    caller.say(question.samples)
    first = await caller.until(lambda heard: heard.kind == "audio_delta")
    after = len(caller.heard)
    await caller.reach(first.at_s + INTO_ANSWER_S)
    return after


def _is(heard: Heard, action: str) -> bool:
    control = heard.event.playback_control
    return heard.kind == "playback_control" and control.action == pb.PlaybackControl.Action.Value(action)


def _is_silence(heard: Heard) -> bool:
    """Either tells the player to drop what it has."""
    return heard.kind == "speech_started" or _is(heard, "STOP")
