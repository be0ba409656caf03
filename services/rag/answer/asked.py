"""What a caller asks, checked at the edge."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ledge.rag.v1 import rag_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2

from services.kit.errors import InvalidInput
from services.rag.answer.budget import Allowance
from services.rag.answer.effort import EFFORTS, MOVES, Effort
from services.rag.collection_settings import CollectionSettings, SettingsOfCollections
from services.rag.collections import Collection, collection
from services.rag.evidence.search import Scope

MAX_QUERY_CHARACTERS = 8192
MAX_HISTORY_TURNS = 64
MAX_HISTORY_CHARACTERS = 262_144
MAX_COLLECTIONS = 16
MAX_PASSAGES = 100
DEFAULT_FOUND = 5
DEFAULT_CANDIDATES = 20
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class AskedSearch:
    """A checked SearchRequest."""

    query: str
    limit: int
    scope: Scope
    guards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the turns before a question."""

    is_user: bool
    text: str


@dataclass(frozen=True, slots=True)
class AskedAnswer:
    """A checked AnswerRequest."""

    question: str
    history: tuple[Turn, ...]
    """Oldest first."""
    scope: Scope
    candidates: int
    policy: "pb.Policy"
    judge: "pb.Judge"
    language: str
    effort: Effort
    allowance: Allowance
    guards: tuple[str, ...]
    refuses_unchecked: bool
    """Whether nothing passes that not all the guards' deciders could decide of."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads requests; what they leave open is as the settings of their collections, or of the deployment, say."""

    settings: SettingsOfCollections = field(default_factory=SettingsOfCollections)
    otherwise: CollectionSettings = field(default_factory=CollectionSettings)

    def search(self, request: pb.SearchRequest) -> AskedSearch:
        """Raises InvalidInput for what the contract forbids."""
        limit = _bounded("limit", request.limit if request.HasField("limit") else DEFAULT_FOUND, MAX_PASSAGES)
        scope = _scope(request)
        settings = self.settings.of(scope.collections, self.otherwise)
        return AskedSearch(_text("query", request.query), limit, scope, settings.guards)

    def answer(self, request: pb.AnswerRequest) -> AskedAnswer:
        """Raises InvalidInput for what the contract forbids."""
        question = _text("question", request.question)
        if request.language and not _LANGUAGE.fullmatch(request.language):
            raise InvalidInput(f"language {request.language[:40]!r} is no BCP-47 tag")
        scope = _scope(request)
        settings = self.settings.of(scope.collections, self.otherwise)
        candidates = request.candidates if request.HasField("candidates") else settings.candidates
        effort = _effort(request, settings)
        return AskedAnswer(
            question=question,
            history=_turns(request.history),
            scope=scope,
            candidates=_bounded("candidates", DEFAULT_CANDIDATES if candidates is None else candidates, MAX_PASSAGES),
            policy=_known("policy", request.policy, pb.Policy) or _named(pb.Policy, settings.policy),
            judge=_known("judge", request.judge, pb.Judge) or _named(pb.Judge, settings.judge),
            language=request.language,
            effort=effort,
            allowance=_allowance(request.budget, effort.allowance),
            guards=settings.guards,
            refuses_unchecked=settings.guard_failure == "refuse",
        )


def _scope(request: pb.SearchRequest | pb.AnswerRequest) -> Scope:
    if len(request.collections) > MAX_COLLECTIONS:
        raise InvalidInput(f"{len(request.collections)} collections; a request takes up to {MAX_COLLECTIONS}")
    collections: tuple[Collection, ...] = tuple(dict.fromkeys(collection(name) for name in request.collections or [""]))
    restriction: retrieval_pb2.Filter | None = request.filter if request.HasField("filter") else None
    return Scope(collections, restriction, _known("mode", request.mode, pb.RetrievalMode))


def _known(name: str, value: Any, kind: Any) -> Any:
    """The value of an enum; one of a newer contract is refused rather than guessed."""
    if value not in kind.values():
        raise InvalidInput(f"{name} has no value {value}")
    return value


def _text(name: str, text: str) -> str:
    if not text.strip():
        raise InvalidInput(f"{name} is empty")
    if len(text) > MAX_QUERY_CHARACTERS:
        raise InvalidInput(f"{name} has {len(text)} characters; it may have {MAX_QUERY_CHARACTERS}")
    # The form that text search counts words in; it may be longer by a little.
    return unicodedata.normalize("NFKC", text).strip()[:MAX_QUERY_CHARACTERS]


def _bounded(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise InvalidInput(f"{name} is 1 to {most}")
    return value


def _turns(history: Sequence[pb.Turn]) -> tuple[Turn, ...]:
    if len(history) > MAX_HISTORY_TURNS:
        raise InvalidInput(f"{len(history)} turns of history; a request takes up to {MAX_HISTORY_TURNS}")
    if sum(len(turn.text) for turn in history) > MAX_HISTORY_CHARACTERS:
        raise InvalidInput(f"the history has more than {MAX_HISTORY_CHARACTERS} characters")
    for turn in history:
        if turn.role not in (pb.Turn.USER, pb.Turn.ASSISTANT):
            raise InvalidInput("a turn of the history has no role")
    return tuple(Turn(turn.role == pb.Turn.USER, unicodedata.normalize("NFKC", turn.text)) for turn in history)


def _named(kind: Any, name: str | None) -> Any:
    """The value of an enum that a setting names; 0 where it names none."""
    return kind.Value(name.upper()) if name else 0


def _effort(request: pb.AnswerRequest, settings: CollectionSettings) -> Effort:
    effort = EFFORTS[_known("effort", request.effort, pb.Effort) or _named(pb.Effort, settings.effort) or pb.FAST]
    for move in request.without:
        if move not in MOVES:
            raise InvalidInput(f"without has no move {move[:40]!r}; it takes {', '.join(MOVES)}")
    return effort.without(request.without)


def _allowance(budget: pb.Budget, allowance: Allowance) -> Allowance:
    return allowance.at_most(
        budget.steps if budget.HasField("steps") else None,
        budget.tokens if budget.HasField("tokens") else None,
        budget.wall_time_ms / 1000 if budget.HasField("wall_time_ms") else None,
    )
