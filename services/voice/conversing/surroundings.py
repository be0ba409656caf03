"""What a reply is begun with: what it shares with others, what was asked, and who is told how it goes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ledge.voice.v1 import voice_pb2 as pb

from services.voice.answering.pieces import Answerer
from services.voice.conversation import Conversation
from services.voice.conversing.outbox import Outbox
from services.voice.peers import Peers


@dataclass(frozen=True)
class Surroundings:
    """What all replies of a session share."""

    peers: Peers
    outbox: Outbox
    conversation: Conversation
    answerer: Answerer
    document_language: str
    speech_timeout_s: float
    """How long `tts` may owe speech."""
    ahead_ms: float
    by_clause: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A response that the client asked for."""

    request: pb.CreateResponse
    settings: pb.Session
    items: list[pb.Item] | None = None
    """What to answer to; None: the conversation."""


@dataclass(frozen=True)
class Listeners:
    """Who is told how a reply goes."""

    audio_began: Callable[[], Awaitable[None]]
    ended: Callable[[bool], Awaitable[None]]
    """With whether it is still heard."""
    played_out: Callable[[], Awaitable[None]]
