"""Everything that holds for each request of a client: its context, errors, metrics, trace, one log line."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import grpc
from opentelemetry import trace

from services.kit import telemetry
from services.kit.context import CallContext, enter_call
from services.kit.errors import EngineFailed, LedgeError, TooSlow, from_rpc
from services.wyoming.wire import Gone

log = logging.getLogger("ledge.wyoming")
SERVICE = "wyoming"


@contextlib.asynccontextmanager
async def served(method: str) -> AsyncIterator[None]:
    """Inside, calls of other services belong to this request. Whatever is raised leaves it as an error of the suite,
    or as what says that nobody waits for an answer any more."""
    started_s = time.monotonic()
    enter_call(CallContext())
    code = grpc.StatusCode.OK
    telemetry.CALLS_IN_FLIGHT.labels(SERVICE).inc()
    with telemetry.tracer().start_as_current_span(
        f"{SERVICE}/{method}", kind=trace.SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except (asyncio.CancelledError, Gone):
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            told = _told(error)
            code = told.code
            raise told from error
        finally:
            if code is not grpc.StatusCode.OK:
                span.set_status(trace.StatusCode.ERROR, code.name)
            elapsed_s = time.monotonic() - started_s
            telemetry.CALLS_IN_FLIGHT.labels(SERVICE).dec()
            telemetry.CALLS.labels(SERVICE, method, code.name).inc()
            telemetry.CALL_SECONDS.labels(SERVICE, method).observe(elapsed_s)
            log.info("call", extra={"method": method, "code": code.name, "elapsed_ms": round(elapsed_s * 1000, 1)})


def _told(error: Exception) -> LedgeError:
    if isinstance(error, LedgeError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc(error)
    if isinstance(error, TimeoutError):
        return TooSlow("the answer was not ready in time")
    log.error("unexpected error", exc_info=error)
    return EngineFailed("internal error; the door's log has it")
