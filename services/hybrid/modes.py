"""The ways in which two models make one answer, and how requests, settings and metrics name them."""

import enum
from typing import cast

from ledge.llm.v1 import llm_pb2


class Mode(enum.Enum):
    """By the names of the settings."""

    LOCAL = "local"
    CLOUD = "cloud"
    ROUTE = "route"
    CASCADE = "cascade"
    GUIDE = "guide"
    BILD = "bild"

    @property
    def message(self) -> llm_pb2.Hybrid.Mode:
        """The contract's number for it."""
        return cast("llm_pb2.Hybrid.Mode", llm_pb2.Hybrid.Mode.Value(self.name))


def mode_of(number: int) -> Mode | None:
    """None where the request leaves it to its caller's default. Raises ValueError for a number that is none."""
    return None if number == llm_pb2.Hybrid.MODE_UNSPECIFIED else Mode[llm_pb2.Hybrid.Mode.Name(number)]


class Why(enum.Enum):
    """Who or what decided."""

    DEFAULT = "default"
    TENANT = "tenant"
    REQUEST = "request"
    MODEL = "model"
    """The request names one of the two models."""
    LOCAL_ONLY = "local-only"
    NO_BIG = "no-big"
    UNSUITED = "unsuited"
    """The caller's default mode cannot hold this request."""
    ROUTER = "router"
    CONFIDENT = "confident"
    UNSURE = "unsure"
    BUDGET = "budget"
    BIG_DOWN = "big-down"
    BIG_SLOW = "big-slow"
    BIG_FAILED = "big-failed"
    UNPROFITABLE = "unprofitable"
    """Big Little decoding has switched itself off."""
    OTHER_VOCABULARY = "other-vocabulary"
    """The big model means other things by the little one's token ids."""
    NO_VERIFIER = "no-verifier"
    """The big model's engine verifies no drafts."""
