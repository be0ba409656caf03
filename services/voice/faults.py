"""Mistakes in an event of a session, and failures behind it, as the client is told of them."""

import grpc
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import EngineFailed, InvalidInput, LedgeError, TooSlow, Unauthenticated, from_rpc

CALLERS_FAULT, OURS = "invalid_request_error", "server_error"


class Fault(InvalidInput):
    """A mistake of the client. It changes nothing, and the session goes on; in the first message it ends the stream."""

    def __init__(self, event_code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.event_code = event_code
        self.param = param


def told(error: Exception, event_id: str = "") -> pb.Error:
    """The error as an event tells it. What is not made for callers is not told."""
    if isinstance(error, Fault):
        return pb.Error(
            type=CALLERS_FAULT, code=error.event_code, message=error.message, param=error.param, event_id=event_id
        )
    known = known_error(error)
    kind = CALLERS_FAULT if known.http < 500 and known.http != 429 else OURS
    return pb.Error(type=kind, code=known.reason.lower(), message=known.message, event_id=event_id)


def known_error(error: Exception) -> LedgeError:
    """The same among the errors of the suite."""
    match error:
        case LedgeError():
            return error
        case grpc.aio.AioRpcError():
            known = from_rpc(error)
            # Whoever calls this service has shown a key that it takes; that its own is not taken is not their fault.
            return EngineFailed("a service that this call needs refused its key") if _is_key(known) else known
        case TimeoutError():
            return TooSlow("a step of the answer ran out of time")
        case _:
            return EngineFailed("internal error")


def _is_key(error: LedgeError) -> bool:
    return isinstance(error, Unauthenticated)
