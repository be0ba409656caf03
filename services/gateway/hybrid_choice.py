"""What a body says of the two models behind `hybrid`, and what that service decided, as headers `ledge-hybrid-…`."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

from ledge.llm.v1 import llm_pb2 as pb
from pydantic import Field

from services.gateway.body import Body
from services.kit.context import current_call, enter_call
from services.kit.errors import InvalidInput

DECISION = "ledge-hybrid-"
HEADERS = tuple(f"{DECISION}{name}" for name in ("mode", "answered-by", "why", "score", "logprob"))
"""What a page of another origin may read; the services tell more, where a mode has more."""
Share = Annotated[float | None, Field(ge=0, le=1)]


class HybridChoice(Body):
    """`"hybrid": {…}` beside OpenAI's fields. Where one model answers alone, only the label means anything."""

    mode: Literal["local", "cloud", "route", "cascade", "guide", "bild"] | None = None
    local_only: bool = False
    guide_tokens: Annotated[int | None, Field(ge=1, le=4096)] = None
    threshold: float | None = None
    fallback_threshold: Share = None
    rollback_threshold: Annotated[float | None, Field(ge=0)] = None

    def to_protobuf(self) -> pb.Hybrid:
        """What is absent stays absent, so that the tenant's and the service's defaults hold."""
        told = pb.Hybrid(mode=self.mode and self.mode.upper(), local_only=self.local_only)
        for name in ("guide_tokens", "threshold", "fallback_threshold", "rollback_threshold"):
            if (value := getattr(self, name)) is not None:
                setattr(told, name, value)
        return told


def label(choice: HybridChoice | None, from_documents: bool = False) -> None:
    """Makes the whole call local only where its body says so, whichever services it goes through.

    Raises InvalidInput for more than a label on what is answered from documents: there `rag` words it, and is asked
    for no mode.
    """
    if choice is None:
        return
    if from_documents and choice.model_fields_set - {"local_only"}:
        raise InvalidInput("answers from documents take hybrid.local_only alone; their mode is the service's default")
    call = current_call()
    if choice.local_only and call is not None:
        enter_call(replace(call, local_only=True))


def note_decision(metadata: Iterable[tuple[str, Any]] | None) -> None:
    """Keeps what the metadata of a call says was decided, for the headers of the answer. Several calls made for one
    answer may decide differently: then each is told, in their order."""
    call = current_call()
    for key, value in metadata or ():
        if call is None or not key.startswith(DECISION):
            continue
        name, said = key.removeprefix("ledge-"), call.notes.get(key.removeprefix("ledge-"))
        if said is None:
            call.notes[name] = str(value)
        elif str(value) not in said.split(", "):
            call.notes[name] = f"{said}, {value}"
