"""From the true end of a spoken question to the first audible sample of its answer, with the default engines."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledge.rag.v1 import rag_pb2, rag_pb2_grpc
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc
from rich.console import Console

from services.cli.bench.asr_speech import Samples, silence, spoken
from services.cli.bench.question_set import AskedQuestion, read_questions
from services.cli.bench.rag_suite import COLLECTION
from services.cli.bench.report import Row, percentile
from services.cli.bench.voice_caller import Caller
from services.cli.bench.voice_suite import Peers, voice
from services.kit.client import open_channel
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed

CHOSEN = (
    *("test-041", "test-020", "test-051", "dev-026", "test-035", "dev-193", "test-071", "dev-020"),
    *("test-034", "cal-040", "dev-129", "test-042", "dev-101", "dev-175", "test-053", "dev-299"),
)
"""Of the sample questions some of those that the default recogniser hears right when flite says them without a pause.
What is measured is time, and an answer to something else is no answer. (Of all 440 one-hop questions 366 were answered
right, cited, when they were typed, and 207 when they were spoken.)"""
WITHOUT = {
    "without speculation": {"LEDGE_SPECULATION": "false"},
    "without clause streaming": {"LEDGE_CLAUSE_STREAMING": "false"},
}
LEAD_S = 0.3
DOCUMENTS = pb.Documents(collections=[COLLECTION])
STAGES = ("endpoint_ms", "transcript_ms", "retrieval_ms", "first_text_ms", "first_audio_ms")


@dataclass(frozen=True)
class SpokenQuestion:
    asked: AskedQuestion
    samples: Samples


@dataclass
class Times:
    first_audible_ms: list[float] = field(default_factory=list)
    right: int = 0
    asked: int = 0
    speculative: int = 0
    stages_ms: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})


def spoken_questions(count: int) -> list[SpokenQuestion]:
    """The first of the chosen questions, said by flite."""
    folder = deploy_directory() / "samples" / "questions"
    known = {asked.id: asked for file in sorted(folder.glob("*.jsonl")) for asked in read_questions(file)}
    asked = [known[name] for name in CHOSEN[:count]]
    # The mark at the end is the speaker's.
    said = spoken(tuple(question.question.rstrip("?.!") for question in asked))
    return [SpokenQuestion(question, samples) for question, samples in zip(asked, said, strict=True)]


def latency_rows(peers: Peers, callers: Sequence[int], questions: int, rounds: int) -> list[Row]:
    """One caller as things are and with each means left out, in turns; then more callers at a time."""
    asked = spoken_questions(questions)
    ways: dict[str, Mapping[str, str]] = {"": {}, **WITHOUT}
    rows: list[Row] = []
    for count in callers:
        times = {way: Times() for way in (ways if count == 1 else [""])}
        for number, way in itertools.product(range(rounds), times):
            told = f"{count} callers {way}, round {number + 1} of {rounds}"
            with voice(peers, **ways[way]) as running, Console(stderr=True, highlight=False).status(told):
                asyncio.run(_round(running.address, asked, count, times[way]))
        rows += _rows(count, times)
        if count == 1:
            rows.append(_right(times[""], asyncio.run(_typed(peers["LEDGE_RAG_ADDRESS"], asked))))
    return rows


def _rows(count: int, times: Mapping[str, Times]) -> list[Row]:
    who = "1 caller" if count == 1 else f"{count} callers"
    ours = times[""]
    if not all(other.first_audible_ms for other in times.values()):
        raise EngineFailed("every answer began before its question had ended: the questions hold pauses")
    shares = f"{ours.right} of {ours.asked} right with their citation, {ours.speculative} begun speculatively"
    stages = ", ".join(
        f"{stage.removesuffix('_ms').replace('_', ' ')} {percentile(values, 50):.0f}"
        for stage, values in ours.stages_ms.items()
        if values
    )
    rows = []
    for percent in (50, 95):
        figure = f"end of speech to the first audible sample p{percent}, {who}"
        value = percentile(ours.first_audible_ms, percent)
        note = (
            f"{len(ours.first_audible_ms)} answers; {shares if percent == 95 else f'p50 of each stage, ms: {stages}'}"
        )
        rows += [
            Row(figure, value, "ms", way, percentile(other.first_audible_ms, percent), note=note)
            for way, other in times.items()
            if way
        ] or [Row(figure, value, "ms", note=note)]
    return rows


def _right(times: Times, typed: float) -> Row:
    note = f"{times.asked} answers"
    return Row("spoken questions answered right, cited", times.right / times.asked, "share", "typed", typed, note=note)


async def _round(address: str, asked: Sequence[SpokenQuestion], count: int, times: Times) -> None:
    """Each caller asks all of the questions, from another one on, each in a session of its own."""
    async with open_channel(address) as channel:
        stub = rpc.VoiceServiceStub(channel)

        async def caller(number: int) -> None:
            # Begun one after the other, as people would.
            await asyncio.sleep(number * 3.0 / count)
            for place in range(len(asked)):
                question = asked[(place + number) % len(asked)]
                await _ask(stub, question, times)

        # The first question of a service finds nothing warm.
        await _ask(stub, asked[0], Times())
        await asyncio.gather(*(caller(number) for number in range(count)))


async def _ask(stub: "rpc.VoiceServiceAsyncStub", question: SpokenQuestion, times: Times) -> None:
    async with Caller(stub, documents=DOCUMENTS, language="en") as caller:
        caller.say(silence(LEAD_S))
        _, end_s = caller.say(question.samples)
        answer = await caller.answer()
        if answer.first_audible_s is None:
            raise EngineFailed(f"nothing was heard of an answer: {pb.ResponseState.Status.Name(answer.done.status)}")
        # A pause within a question may end it too early; then the answer to the rest counts.
        if answer.first_audible_s < end_s:
            times.asked += 1
            return
    times.asked += 1
    times.first_audible_ms.append((answer.first_audible_s - end_s) * 1000)
    times.right += is_right(question.asked, answer.text, answer.citations)
    times.speculative += answer.timings.speculative
    for stage in STAGES:
        if answer.timings.HasField(stage):
            times.stages_ms[stage].append(getattr(answer.timings, stage))


def is_right(asked: AskedQuestion, text: str, citations: Sequence[rag_pb2.Citation]) -> bool:
    """Whether an answer says what is asked for, and cites a document where it stands."""
    return asked.is_in(text) and any(asked.is_of(citation.passage) for citation in citations)


async def _typed(address: str, asked: Sequence[SpokenQuestion]) -> float:
    """The share of the same questions that rag answers right when it reads them."""
    right = 0
    async with open_channel(address) as channel:
        rag = rag_pb2_grpc.RagServiceStub(channel)
        for question in asked:
            request = rag_pb2.AnswerRequest(question=question.asked.question, collections=[COLLECTION])
            async for event in rag.Answer(request):
                if event.HasField("done"):
                    right += is_right(question.asked, event.done.answer, event.done.citations)
    return right / len(asked)
