"""Questions with known answers, as JSONL: one object a line, as interfaces has them and as the samples are."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledge.rag.v1 import rag_pb2 as pb

from services.kit.errors import InvalidInput

KINDS = ("one-hop", "two-hop", "follow-up", "unanswerable")


@dataclass(frozen=True)
class AskedQuestion:
    """One line of the file."""

    id: str
    kind: str
    question: str
    history: tuple[str, ...]
    """Earlier user turns, oldest first."""
    gold: tuple[str, ...]
    """Any of these strings makes an answer right; none: there is no answer."""
    documents: tuple[str, ...]
    """Where the answer stands; empty: anywhere counts."""

    @property
    def is_answerable(self) -> bool:
        return bool(self.gold)

    def is_in(self, text: str) -> bool:
        """Whether a text holds a gold string, as whole words, whatever its case and spaces."""
        folded = " ".join(text.split()).casefold()
        return any(
            re.search(rf"(?<!\w){re.escape(' '.join(gold.split()).casefold())}(?!\w)", folded) for gold in self.gold
        )

    def is_of(self, passage: pb.Passage) -> bool:
        """Whether a passage is of a document that the answer, or a part of the way to it, stands in."""
        return not self.documents or passage.document in self.documents

    def is_answered_by(self, passage: pb.Passage) -> bool:
        """Whether a passage of the right document holds the answer."""
        return self.is_of(passage) and self.is_in(passage.text)

    def turns(self) -> list[pb.Turn]:
        return [pb.Turn(role=pb.Turn.USER, text=text) for text in self.history]


def read_questions(file: Path) -> list[AskedQuestion]:
    """Raises InvalidInput for a file that cannot be read, and for a line that is no question, by its number."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the questions in {file}: {error}") from error
    questions = [_question(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not questions:
        raise InvalidInput(f"{file} holds no questions")
    return questions


def _question(line: str, file: Path, number: int) -> AskedQuestion:
    try:
        body: dict[str, Any] = json.loads(line)
        asked = AskedQuestion(
            id=str(body.get("id", number)),
            kind=str(body["kind"]),
            question=str(body["question"]),
            history=_texts(body.get("history")),
            gold=_texts(body.get("gold")),
            documents=_texts(body.get("docs")),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{file}, line {number}: no question ({error})") from error
    if asked.kind not in KINDS or (asked.kind == "unanswerable") == asked.is_answerable:
        raise InvalidInput(
            f"{file}, line {number}: `kind` is one of {', '.join(KINDS)}, and all but the last have `gold`"
        )
    return asked


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(text, str) for text in value):
        raise ValueError("a list of strings is expected")
    return tuple(value)
