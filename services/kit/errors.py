"""The error model of the suite: seven classes, one mapping to gRPC and one to HTTP.

LedgeError               gRPC                  HTTP  retry
├── InvalidInput         INVALID_ARGUMENT      400   never: the caller's fault
├── Unauthenticated      UNAUTHENTICATED       401   never
├── NotFound             NOT_FOUND             404   never: model, voice, collection, document
├── Overloaded           RESOURCE_EXHAUSTED    429   after the delay it names (RetryInfo / Retry-After)
├── NotReady             UNAVAILABLE           503   yes: loading or draining
├── TooSlow              DEADLINE_EXCEEDED     504   perhaps: says which step ran out
└── EngineFailed         INTERNAL              500   no: the model failed on valid input

Raise anywhere; `calls.py` maps to gRPC once, the gateway's one handler to HTTP.
An upstream status passes through unchanged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "ledge"
MAX_MESSAGE_BYTES = 1024
"""Messages travel in trailing metadata, of which gRPC takes 8 KiB: past it a caller would see another error."""


class LedgeError(Exception):
    """What every error of the suite is. The message is one sentence for the caller, without secrets.

    It may quote the request; what is longer than `MAX_MESSAGE_BYTES` is cut.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    http: ClassVar[int] = 500
    reason: ClassVar[str] = "INTERNAL"
    retry_after_s: float | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = _bounded(message)


class InvalidInput(LedgeError):
    """The request is wrong, and will be wrong again."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    http = 400
    reason = "INVALID_INPUT"


class Unauthenticated(LedgeError):
    """No API key, or not a known one."""

    code = grpc.StatusCode.UNAUTHENTICATED
    http = 401
    reason = "UNAUTHENTICATED"


class NotFound(LedgeError):
    """A model, voice, collection or document that is not there."""

    code = grpc.StatusCode.NOT_FOUND
    http = 404
    reason = "NOT_FOUND"


class Overloaded(LedgeError):
    """A bounded queue is full; try again after `retry_after_s`."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    http = 429
    reason = "OVERLOADED"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReady(LedgeError):
    """The service is loading its model, or draining."""

    code = grpc.StatusCode.UNAVAILABLE
    http = 503
    reason = "NOT_READY"
    retry_after_s = 1.0


class TooSlow(LedgeError):
    """The deadline passed; the message names the step that ran out."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    http = 504
    reason = "TOO_SLOW"


class EngineFailed(LedgeError):
    """The engine failed on valid input. Never turned into an empty result."""

    code = grpc.StatusCode.INTERNAL
    http = 500
    reason = "ENGINE_FAILED"


_CLASS_OF_CODE: dict[grpc.StatusCode, type[LedgeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.ALREADY_EXISTS: InvalidInput,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Unauthenticated,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: NotReady,
    grpc.StatusCode.DEADLINE_EXCEEDED: TooSlow,
}


def _bounded(message: str) -> str:
    # What UTF-8 cannot hold (a lone surrogate out of JSON) no status can carry.
    encoded = message.encode(errors="replace")
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return encoded.decode()
    return encoded[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "…"


def to_details(error: LedgeError) -> bytes:
    """The serialised `google.rpc.Status` (ErrorInfo, RetryInfo) that travels in the trailing metadata."""
    parts = [any_pb2.Any()]
    parts[0].Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        parts.append(any_pb2.Any())
        parts[1].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=error.code.value[0], message=error.message, details=parts)
    serialised: bytes = status.SerializeToString()
    return serialised


def from_rpc(error: grpc.aio.AioRpcError) -> LedgeError:
    """The error that a status means. What gRPC itself said, not a service, is told in our own words."""
    message = error.details() or error.code().name
    if not upstream_details(error):
        return _said_by_grpc(error.code(), message)
    kind = _CLASS_OF_CODE.get(error.code(), EngineFailed)
    if kind is Overloaded:
        return Overloaded(message, retry_after_s=retry_delay_s(error.trailing_metadata()) or 1.0)
    return kind(message)


def _said_by_grpc(code: grpc.StatusCode, message: str) -> LedgeError:
    """gRPC quotes addresses and exceptions, and calls too large a message an exhausted resource."""
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return NotReady("a service that this call needs cannot be reached")
        case grpc.StatusCode.CANCELLED:
            return NotReady("a service that this call needs is stopping")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return InvalidInput("a message of this call is larger than the services take: ask for less at a time")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return TooSlow("a service that this call needs did not answer in time")
        case grpc.StatusCode.UNIMPLEMENTED:
            return EngineFailed("a service that this call needs does not know the call")
        case _:
            kind = _CLASS_OF_CODE.get(code, EngineFailed)
            return kind(message) if kind is not EngineFailed else EngineFailed("a service that this call needs failed")


def retry_delay_s(trailing_metadata: Any) -> float | None:
    """The delay, in seconds, that a RetryInfo in the trailing metadata names."""
    for key, value in trailing_metadata or ():
        if key == DETAILS_KEY:
            for detail in status_pb2.Status.FromString(value).details:
                retry = error_details_pb2.RetryInfo()
                if detail.Unpack(retry):
                    return float(retry.retry_delay.ToNanoseconds() / 1e9)
    return None


def upstream_details(error: grpc.aio.AioRpcError) -> Sequence[tuple[str, bytes]]:
    """The part of an upstream's trailing metadata that is passed on with its status."""
    return [(key, value) for key, value in error.trailing_metadata() or () if key == DETAILS_KEY]  # type: ignore[misc]


@contextmanager
def step(name: str) -> Iterator[None]:
    """Names the step in the error when a call inside runs out of time."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TooSlow(f"{name} ran out of time") from error
        raise
    except TimeoutError as error:
        raise TooSlow(f"{name} ran out of time") from error
