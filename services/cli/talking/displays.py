"""How a conversation is shown: lines for people, with the state below them; or its events, one a line, for programs."""

import json
import sys
from typing import Any

from google.protobuf.json_format import MessageToDict
from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb
from rich.console import Console
from rich.status import Status
from rich.text import Text

from services.cli.answer import Answer, print_sources
from services.cli.terminal import one_line, printable

STATES = {
    pb.IDLE: "listening",
    pb.USER_SPEAKING: "you speak",
    pb.SOFT_END: "you pause",
    pb.COMMITTED: "understood",
    pb.GENERATING: "looking it up",
    pb.SPEAKING: "answering",
    pb.INTERRUPT_PENDING: "you interrupt?",
}
SHOWN_CHARACTERS = 70
STAGES = (
    ("endpoint_ms", "end of turn"),
    ("transcript_ms", "transcript"),
    ("retrieval_ms", "passages"),
    ("first_text_ms", "first words"),
    ("first_audio_ms", "first sound"),
    ("done_ms", "all"),
)


class People:
    """What is said and answered, on standard output; the state, where there is a terminal, on the last line.

    Args:
        typed: questions are typed: then the last line is the person's own while nothing is under way.
    """

    def __init__(self, console: Console, *, typed: bool = False) -> None:
        self._console = console
        self._typed = typed
        self._idle = STATES[pb.IDLE]
        self._status = Status(self._idle, console=console)
        self._state = pb.IDLE
        self._answering = ""
        self._answer = Answer()

    def show(self, event: pb.ConverseResponse) -> None:
        match event.WhichOneof("event"):
            case "session_created":
                self._show_state()
                self._prompt()
            case "state_changed":
                self._state = event.state_changed.state
                self._show_state()
            case "transcript_partial":
                self._show_state(event.transcript_partial.text)
            case "transcript_completed":
                # What was no word, a cough or a door, is not told of.
                if event.transcript_completed.text:
                    self._line(Text("you: ", "bold green"), event.transcript_completed.text)
            case "transcript_failed":
                self._line(Text("not understood: ", "yellow"), event.transcript_failed.error.message)
            case "response_created":
                self._answer = Answer()
            case "citation":
                self._answer.citations.append(event.citation.citation)
            case "text_delta":
                self._write(event.text_delta.response_id, event.text_delta.text)
            case "transcript_delta":
                self._write(event.transcript_delta.response_id, event.transcript_delta.text)
            case "verdict" if event.verdict.verdict.kind == rag_pb2.Verdict.NO_SUPPORT:
                self._answer.citations.clear()
            case "arguments_done":
                called = event.arguments_done
                self._line(Text("calls ", "magenta"), f"{called.name}({called.arguments_json})")
            case "timings" if event.timings.HasField("done_ms"):
                self._end_answer()
                self._line(Text(_stages(event.timings), "dim"))
            case "response_done":
                self._done(event.response_done)
            case "error":
                self._line(Text("error: ", "yellow"), event.error.message)
                self._prompt()

    def invite(self, idle: str) -> None:
        self._idle = idle
        self._show_state()

    def close(self) -> None:
        """Leaves the terminal as it was."""
        self._end_answer()
        self._status.stop()

    def _show_state(self, partial: str = "") -> None:
        if not self._console.is_terminal or self._answering:
            return
        if self._typed and self._state == pb.IDLE:
            # What is redrawn would wipe away what is being typed.
            self._status.stop()
            return
        state = self._idle if self._state == pb.IDLE else STATES.get(self._state, "")
        said = f" {printable(one_line(partial[-SHOWN_CHARACTERS:], SHOWN_CHARACTERS))}" if partial else ""
        self._status.update(Text.assemble((state, "cyan"), (said, "dim")))
        self._status.start()

    def _write(self, response_id: str, text: str) -> None:
        if self._answering != response_id:
            # A line that is redrawn and one that grows do not go together.
            self._status.stop()
            self._answering = response_id
        sys.stdout.write(printable(text))
        sys.stdout.flush()

    def _end_answer(self) -> None:
        if self._answering:
            self._answering = ""
            sys.stdout.write("\n")
            sys.stdout.flush()
            print_sources(self._answer, self._console)
            self._answer = Answer()
        self._show_state()

    def _done(self, done: pb.ResponseState) -> None:
        self._end_answer()
        match done.status:
            case pb.ResponseState.CANCELLED:
                self._line(Text("(interrupted)", "dim"))
            case pb.ResponseState.FAILED:
                self._line(Text("failed: ", "yellow"), done.error.message)
            case pb.ResponseState.INCOMPLETE:
                self._line(Text(f"(cut short: {done.reason})", "dim"))
        if done.degraded:
            self._line(Text("done without: ", "yellow"), ", ".join(done.degraded))
        self._prompt()

    def _prompt(self) -> None:
        if self._typed and self._console.is_terminal:
            self._status.stop()
            self._console.print(Text("> ", "bold green"), end="")

    def _line(self, head: Text, text: str = "") -> None:
        self._console.print(head + Text(printable(text)), soft_wrap=True)


def _stages(timings: pb.Timings) -> str:
    """Where the time went, from the end of speech."""
    told = [f"{name} {getattr(timings, field):.0f} ms" for field, name in STAGES if timings.HasField(field)]
    if timings.speculative:
        told.append("begun while you paused")
    return " · ".join(told)


class Programs:
    """One JSON object a line for each event: its kind in `event`, and its fields as the contract names them."""

    def show(self, event: pb.ConverseResponse) -> None:
        kind = str(event.WhichOneof("event"))
        told: dict[str, Any] = MessageToDict(getattr(event, kind), preserving_proto_field_name=True)
        if kind == "audio_delta":
            # Whoever wants the samples names a file with -o.
            told["audio_bytes"] = len(event.audio_delta.audio)
            del told["audio"]
        sys.stdout.write(json.dumps({"event": kind, **told}, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def invite(self, idle: str) -> None:
        pass

    def close(self) -> None:
        pass
