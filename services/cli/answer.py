"""One question put to `rag`, its events gathered while they stream: printed for people, or one object for programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc
from rich.console import Console
from rich.text import Text

from services.cli.terminal import printable

SHOWN_PASSAGE_CHARACTERS = 420


@dataclass
class Answer:
    """What came of one question; complete when `ask` has returned."""

    text: str = ""
    answered: bool = False
    citations: list[pb.Citation] = field(default_factory=list)
    passages: list[pb.Passage] = field(default_factory=list)
    done: pb.Done = field(default_factory=pb.Done)
    verdicts: list[pb.Verdict] = field(default_factory=list)
    """In the order they came."""

    @property
    def replaced(self) -> int:
        """Composed sentences that the quotation replaced."""
        return sum(verdict.kind == pb.Verdict.REPLACED_BY_QUOTE for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """The form that interfaces and benches rely on."""
        steps = [
            {"name": step.name, "detail": step.detail, "elapsed_ms": round(step.elapsed_ms, 2)}
            for step in self.done.steps
        ]
        timings_ms = {step.name: 0.0 for step in self.done.steps}
        for step in self.done.steps:
            timings_ms[step.name] = round(timings_ms[step.name] + step.elapsed_ms, 2)
        return {
            "answer": self.text,
            "answered": self.answered,
            "citations": [citation_json(citation) for citation in self.citations],
            "steps": steps,
            "timings_ms": {
                **timings_ms,
                "first_token": round(self.done.first_token_ms, 2),
                "total": round(self.done.elapsed_ms, 2),
            },
            "degraded": list(self.done.degraded),
            "budget_exhausted": self.done.budget_exhausted,
            "route": pb.Route.Name(self.done.route).lower(),
            "steps_taken": self.done.steps_taken,
            "verdicts": [_verdict_json(verdict) for verdict in self.verdicts],
        }


def passage_json(passage: pb.Passage) -> dict[str, Any]:
    """Where a passage stands, and what it says."""
    return {
        "document": passage.document,
        "page": passage.page if passage.HasField("page") else None,
        "heading": " › ".join(passage.headings),
        "text": passage.text,
        "score": round(passage.score, 6),
    }


def citation_json(citation: pb.Citation) -> dict[str, Any]:
    """A passage, with the number that the answer gives it and the words that the answer rests on."""
    evidence = citation.passage.text[citation.start : citation.end]
    return {"number": citation.number, **passage_json(citation.passage), "evidence": evidence}


async def ask(
    rag: "rpc.RagServiceAsyncStub",
    request: pb.AnswerRequest,
    on_text: Callable[[str], None] = lambda text: None,
    on_step: Callable[[pb.Step], None] = lambda step: None,
) -> Answer:
    """Puts a question; `on_text` gets the pieces of the answer as they arrive, `on_step` the steps."""
    answer = Answer()
    call = rag.Answer(request)
    async for event in call:
        match event.WhichOneof("event"):
            case "token":
                answer.text += event.token.text
                on_text(event.token.text)
            case "retrieval":
                answer.passages = list(event.retrieval.passages)
            case "citation":
                answer.citations.append(event.citation)
            case "step":
                on_step(event.step)
            case "done":
                answer.done = event.done
                answer.verdicts = list(event.done.verdicts)
                answer.answered = event.done.answered
                answer.citations = list(event.done.citations) or answer.citations
                answer.text = event.done.answer or answer.text
    return answer


def _verdict_json(verdict: pb.Verdict) -> dict[str, Any]:
    of = [verdict.start, verdict.end] if verdict.HasField("start") else None
    confidence = round(verdict.confidence, 4) if verdict.HasField("confidence") else None
    kind = pb.Verdict.Kind.Name(verdict.kind).lower()
    return {"kind": kind, "reason": verdict.reason, "confidence": confidence, "of": of}


def print_step(console: Console, step: pb.Step) -> None:
    """One move of the agent: its name, its time, and what came of it."""
    console.print(Text(f"{step.name:>10} {step.elapsed_ms:7.1f} ms  {printable(step.detail)}", "dim"), soft_wrap=True)


def print_marks(answer: Answer, console: Console) -> None:
    """What was found wrong with parts of the answer, or kept out of it."""
    said = {
        pb.Verdict.UNSUPPORTED_CLAIM: "not supported by what it cites",
        pb.Verdict.NOT_USEFUL: "beside the question",
        pb.Verdict.BLOCKED: "a topic that is not talked about",
        pb.Verdict.REDACTED: "personal data taken out",
        pb.Verdict.NOT_CHECKED: "kept back, for it could not be checked",
    }
    for verdict in answer.verdicts:
        if verdict.kind in said:
            of = f" “{answer.text[verdict.start : verdict.end]}”" if verdict.HasField("start") else ""
            reason = f" ({verdict.reason})" if verdict.kind in (pb.Verdict.BLOCKED, pb.Verdict.REDACTED) else ""
            console.print(Text(f"{said[verdict.kind]}{reason}:{printable(of)}".rstrip(":"), "yellow"), soft_wrap=True)


def print_sources(answer: Answer, console: Console) -> None:
    """What the numbers in the answer stand for: document, page or heading, and the passage, its evidence in bold."""
    for citation in answer.citations:
        passage = citation.passage
        console.print()
        console.print(Text(f"[{citation.number}] ", "bold cyan") + Text(place(passage), "cyan"), soft_wrap=True)
        print_indented(_excerpt(passage.text, citation.start, citation.end), console)


def print_indented(text: Text, console: Console, indent: int = 4) -> None:
    """A paragraph set in from the left, without the blanks that a padded one would end its lines with."""
    for line in text.wrap(console, max(20, console.width - indent)):
        line.rstrip()
        console.print(Text(" " * indent) + line, soft_wrap=True)


def print_timings(answer: Answer, console: Console) -> None:
    """The time that each stage took, and what was done without."""
    spent_ms: dict[str, list[float]] = {}
    for step in answer.done.steps:
        spent_ms.setdefault(step.name, []).append(step.elapsed_ms)
    stages = [
        f"{len(times)} × {name} {sum(times):.0f} ms" if len(times) > 1 else f"{name} {times[0]:.0f} ms"
        for name, times in spent_ms.items()
    ]
    total = [f"first words {answer.done.first_token_ms:.0f} ms", f"total {answer.done.elapsed_ms:.0f} ms"]
    console.print()
    console.print(Text(" · ".join([*stages, *total]), "dim"), soft_wrap=True)
    if answer.done.degraded:
        console.print(Text(f"done without: {', '.join(answer.done.degraded)}", "yellow"), soft_wrap=True)
    if answer.done.budget_exhausted:
        console.print(Text("the budget ended first: this is the best answer so far", "yellow"), soft_wrap=True)


def place(passage: pb.Passage) -> str:
    """Where a passage stands: document, page, headings."""
    parts = [passage.document]
    if passage.HasField("page"):
        parts.append(f"page {passage.page}")
    if passage.headings:
        parts.append(" › ".join(passage.headings))
    return printable(", ".join(parts)).replace("\n", " ")


def _excerpt(text: str, start: int, end: int) -> Text:
    """The evidence in bold, with as much of the passage around it as is worth reading."""
    around = max(0, SHOWN_PASSAGE_CHARACTERS - (end - start)) // 2
    begin = _next_beginning(text, start - around, start) if start > around else 0
    finish = _previous_end(text, end, end + around) if end + around < len(text) else len(text)
    pieces: Sequence[tuple[str, str]] = (
        ("… " if begin else "", "dim"),
        (printable(text[begin:start]), ""),
        (printable(text[start:end]), "bold"),
        (printable(text[end:finish]), ""),
        (" …" if finish < len(text) else "", "dim"),
    )
    return Text.assemble(*pieces)


def _next_beginning(text: str, place: int, limit: int) -> int:
    """The first line or else word that begins in [place, limit]: an excerpt starts with a whole one."""
    for separator in ("\n", " "):
        found = text.find(separator, place, limit)
        if found >= 0:
            return found + 1
    return limit


def _previous_end(text: str, limit: int, place: int) -> int:
    """The last line or else word that ends in [limit, place]."""
    for separator in ("\n", " "):
        found = text.rfind(separator, limit, place)
        if found >= 0:
            return found
    return limit
