"""Scores a question before anything is generated: how much likelier the big model is to answer it right.

A router is a JSON file, data with its provenance:

```json
{"kind": "length", "threshold": 5.3, "provenance": "the seed of this file, its data, its licence"}
```

`length` scores by the logarithm of the characters of the last user message: what every learned router has to beat.
`lexical` is one that `ledge train router` made from outcomes; see services/hybrid/routing.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.routing.lexical import LexicalRouter
from services.kit.errors import InvalidInput, NotFound

DEFAULT_LENGTH_THRESHOLD = math.log(400)
"""Four hundred characters. A guess: nobody's data stands behind it."""


class Router(Protocol):
    """Shared by all requests; answers within a millisecond, for it stands before each of them."""

    @property
    def threshold(self) -> float:
        """The score from which on the big model answers, unless the settings or the request say another."""

    def score(self, question: str) -> float:
        """Higher: rather the big model. Any finite number, on the router's own scale."""


@dataclass(frozen=True)
class LengthRouter:
    threshold: float = DEFAULT_LENGTH_THRESHOLD

    def score(self, question: str) -> float:
        return math.log(len(question) + 1)


def load_router(path: Path | None) -> Router:
    """Raises NotFound, InvalidInput for a file that is not there or none of a router."""
    if path is None:
        return LengthRouter()
    try:
        told: Any = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise NotFound(f"LEDGE_ROUTER_FILE: there is no {path}") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"LEDGE_ROUTER_FILE: {path} cannot be read as JSON") from error
    if isinstance(told, dict) and told.get("kind") == "lexical":
        try:
            return LexicalRouter.from_json(told)
        except ValueError as error:
            raise InvalidInput(f"LEDGE_ROUTER_FILE: {path}: {error}") from None
    match told:
        case {"kind": "length", "threshold": int() | float() as threshold} if math.isfinite(threshold):
            return LengthRouter(float(threshold))
        case _:
            raise InvalidInput(f"LEDGE_ROUTER_FILE: {path} is no router: see services/hybrid/router.py")


def question_of(messages: Sequence[pb.Message]) -> str:
    """What a router looks at: the last thing that the user said."""
    return next((message.content for message in reversed(messages) if message.role == pb.Message.USER), "")
