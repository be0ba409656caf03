"""What an answer is made from, and the pieces that it comes in, whoever answers."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb


@dataclass(frozen=True)
class Question:
    """All that an answerer may go by."""

    items: tuple[pb.Item, ...]
    """The conversation; the last is what is to be answered."""
    settings: pb.Session
    """With what the response asks for in place."""
    language: str = ""
    """BCP-47; what was spoken, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Text:
    """To append to the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    citation: rag_pb2.Citation


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: rag_pb2.Verdict


@dataclass(frozen=True, slots=True)
class Stepped:
    step: rag_pb2.Step


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Passages were found."""


@dataclass(frozen=True, slots=True)
class Calls:
    """A piece of a function call; one with a name begins it."""

    call_id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class SpokenIn:
    """The language that the answer is in; comes before its text."""

    language: str
    translated_from: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """The last piece."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    is_cut: bool = False
    """The limit of tokens was reached."""
    degraded: tuple[str, ...] = field(default=())


Piece = Text | Cited | Judged | Stepped | Retrieved | Calls | SpokenIn | Done
Answerer = Callable[[Question], AsyncGenerator[Piece, None]]
