"""Decides how a request is answered, before anything is asked of either model.

named model ──► label ──► is there a big one? ──► wanted mode (request, tenant, default) ─► can it hold the request?
     │            │            │ no                                                          │ no: asked for: refused
     │            └ LOCAL      └ LOCAL                                                       └     by default: LOCAL
     └ LOCAL or CLOUD (labelled: refused)                               ROUTE ──► the question's score ──► one of both

The budget and the state of the big model come after: they change from one moment to the next.
"""

import math
from dataclasses import dataclass

from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.modes import Mode, Why, mode_of
from services.hybrid.router import Router, question_of
from services.hybrid.tenants import Tenant
from services.kit.errors import InvalidInput

Request = pb.ChatRequest | pb.CompleteRequest
MAX_GUIDE_TOKENS = 4096


@dataclass(frozen=True)
class Names:
    """What requests may call the models; sets of ids and aliases, the empty name among none of them."""

    little: frozenset[str] = frozenset()
    big: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Settings:
    """What holds where requests say nothing."""

    has_big: bool
    router: Router
    route_threshold: float
    cascade_threshold: float
    guide_tokens: int
    fallback: float
    rollback: float


@dataclass(frozen=True)
class Choice:
    """What is to be done, and who said so."""

    mode: Mode
    why: Why
    score: float | None = None
    """Of the question, in ROUTE."""
    threshold: float = 0.0
    """Of ROUTE and CASCADE."""
    guide_tokens: int = 0
    fallback: float = 0.0
    rollback: float = 0.0

    @property
    def to_little(self) -> bool:
        """Whether the little model is to write the whole answer, and nobody else is asked."""
        return self.mode is Mode.LOCAL or (self.mode is Mode.ROUTE and not self.to_big)

    @property
    def to_big(self) -> bool:
        """Whether the big model is to write the whole answer."""
        if self.mode is Mode.ROUTE:
            return self.score is not None and self.score >= self.threshold
        return self.mode is Mode.CLOUD


def choose(request: Request, tenant: Tenant, labelled: bool, names: Names, settings: Settings) -> Choice:
    """Raises InvalidInput for a choice out of range, or one that cannot be what the request asks for."""
    hybrid = request.hybrid
    local_only = labelled or hybrid.local_only or tenant.local_only
    if request.model in names.big and request.model not in names.little:
        if local_only:
            raise InvalidInput(f"{request.model!r} is the big model, and the request is labelled local only")
        return Choice(Mode.CLOUD, Why.MODEL)
    asked = _asked(hybrid)
    if request.model in names.little:
        return Choice(Mode.LOCAL, Why.MODEL)
    if local_only:
        return Choice(Mode.LOCAL, Why.LOCAL_ONLY)
    mode, why = (tenant.mode, tenant.why) if asked is None else (asked, Why.REQUEST)
    if mode is Mode.LOCAL:
        return Choice(mode, why)
    if not settings.has_big:
        return Choice(Mode.LOCAL, Why.NO_BIG)
    if hindrance := _hindrance(mode, request):
        if asked is not None:
            raise InvalidInput(f"the mode {mode.value} cannot hold this request: {hindrance}")
        return Choice(Mode.LOCAL, Why.UNSUITED)
    threshold = settings.route_threshold if mode is Mode.ROUTE else settings.cascade_threshold
    score = settings.router.score(_question(request)) if mode is Mode.ROUTE else None
    return Choice(
        mode,
        Why.ROUTER if mode is Mode.ROUTE else why,
        score=score,
        threshold=hybrid.threshold if hybrid.HasField("threshold") else threshold,
        guide_tokens=hybrid.guide_tokens if hybrid.HasField("guide_tokens") else settings.guide_tokens,
        fallback=hybrid.fallback_threshold if hybrid.HasField("fallback_threshold") else settings.fallback,
        rollback=hybrid.rollback_threshold if hybrid.HasField("rollback_threshold") else settings.rollback,
    )


def _asked(hybrid: pb.Hybrid) -> Mode | None:
    """The mode that the request asks for, its numbers checked."""
    try:
        mode = mode_of(hybrid.mode)
    except ValueError:
        raise InvalidInput(f"no hybrid mode has the number {hybrid.mode}") from None
    if hybrid.HasField("guide_tokens") and not 1 <= hybrid.guide_tokens <= MAX_GUIDE_TOKENS:
        raise InvalidInput(f"guide_tokens is {hybrid.guide_tokens}; its range is 1 to {MAX_GUIDE_TOKENS}")
    if hybrid.HasField("threshold") and not math.isfinite(hybrid.threshold):
        raise InvalidInput("threshold is no finite number")
    if hybrid.HasField("fallback_threshold") and not 0 <= hybrid.fallback_threshold <= 1:
        raise InvalidInput(f"fallback_threshold is {hybrid.fallback_threshold:g}; its range is 0 to 1")
    if hybrid.HasField("rollback_threshold") and not 0 <= hybrid.rollback_threshold < math.inf:
        raise InvalidInput(f"rollback_threshold is {hybrid.rollback_threshold:g}; it must be 0 or more")
    return mode


def _hindrance(mode: Mode, request: Request) -> str:
    """Why the mode cannot make this answer; empty where it can."""
    if isinstance(request, pb.CompleteRequest) and request.WhichOneof("input") == "token_ids":
        return "token ids mean other things to other models: name the one that they are of"
    if mode not in (Mode.GUIDE, Mode.BILD):
        return ""
    sampling = request.sampling
    if isinstance(request, pb.CompleteRequest):
        return "it is for chats"
    if sampling.logit_bias:
        return "it holds no logit_bias, whose token ids are of one model"
    if request.tools and request.tool_choice.mode != pb.ToolChoice.NONE:
        return "it makes no tool calls"
    if request.constraint.WhichOneof("kind"):
        return "it holds no constraint"
    if request.HasField("template_arguments"):
        return "it takes no template_arguments"
    if sampling.n > 1:
        return "it makes one answer, and n is more"
    if sampling.HasField("top_logprobs"):
        return "it tells no log-probabilities"
    if mode is Mode.BILD and not _greedy(sampling):
        return "it is greedy: set temperature to 0, and leave penalties and min_p away"
    return ""


def _greedy(sampling: pb.Sampling) -> bool:
    plain = (
        (sampling.presence_penalty, 0.0),
        (sampling.frequency_penalty, 0.0),
        (sampling.min_p, 0.0),
        (sampling.repetition_penalty if sampling.HasField("repetition_penalty") else 1.0, 1.0),
    )
    greedy = sampling.HasField("temperature") and sampling.temperature == 0
    return greedy and all(value == neutral for value, neutral in plain)


def _question(request: Request) -> str:
    return question_of(request.messages) if isinstance(request, pb.ChatRequest) else request.prompt
