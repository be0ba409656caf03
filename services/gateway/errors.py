"""The one mapping from the suite's errors to HTTP, in the shape that the clients of the path read."""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import grpc
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.gateway.error_shapes import Told, invalid_status, shape_of
from services.kit.context import current_call
from services.kit.errors import EngineFailed, InvalidInput, LedgeError, TooSlow, from_rpc

log = logging.getLogger("ledge.gateway")
_FIELD = re.compile(r"(?!str$)[a-z_]{1,64}")
"""A field's name as the schema has it, told from the names pydantic gives to the branches of a union."""


def told(error: LedgeError) -> Told:
    """What the caller hears of an error."""
    return Told(error.message, error.http, code=error.reason.lower())


def refusal(path: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The response to a request that no route sees."""
    return JSONResponse(shape_of(path)(Told(message, status)), status, headers=headers)


def response_of(path: str, error: LedgeError) -> Response:
    """The HTTP response of an error, with the headers that tell a client whether and when to try again."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        headers["retry-after-ms"] = str(max(1, round(error.retry_after_s * 1000)))
    if error.http == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, EngineFailed | TooSlow):
        # OpenAI's SDK repeats what failed with 5xx, and would make the model fail or run out of time twice more.
        headers["x-should-retry"] = "false"
    return JSONResponse(shape_of(path)(told(error)), error.http, headers=headers)


def ledge_error(error: BaseException) -> LedgeError:
    """What went wrong, as one of the seven classes; what an operator must know is logged."""
    if isinstance(error, LedgeError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            log.error("a service refused the gateway's own key: set LEDGE_PEER_API_KEY")
            return EngineFailed("the gateway is not allowed to call a service that this call needs")
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            log.warning("a peer cannot be reached", extra={"reason": error.details()})
        return from_rpc(error)
    log.error("unexpected error", exc_info=error)
    call = current_call()
    return EngineFailed(f"internal error; the log has it under request id {call.request_id if call else ''}")


async def on_error(request: Request, error: Exception) -> Response:
    """Handler of the suite's own errors and of upstream statuses."""
    return response_of(request.url.path, ledge_error(error))


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    """Handler of a body that does not fit the schema: names the first field at fault, never its content."""
    return _invalid(request.url.path, *first_fault(error.errors()))


def first_fault(faults: Sequence[Mapping[str, Any]]) -> tuple[str, str | None]:
    """What is wrong with a body, of all that pydantic found, and the field at fault where it is one."""
    # Where a field may be of several types, the branch that the value was meant for tells more than "not a string".
    fault = next((fault for fault in faults if not fault["type"].endswith("_type")), faults[0])
    if fault["type"] == "json_invalid":
        return f"the body is no JSON: {fault['ctx']['error']}", None
    if fault["loc"] == ("body",) and fault["type"] != "value_error":
        wanted = "list" if fault["type"] == "list_type" else "object"
        return f"the body must be a JSON {wanted}, sent with `content-type: application/json`", None
    place = [str(part) for part in fault["loc"] if isinstance(part, int) or _FIELD.fullmatch(part)]
    param = ".".join(part for part in place if part != "body") or None
    return str(fault["msg"]).removeprefix("Value error, "), param


def _invalid(path: str, message: str, param: str | None) -> Response:
    sentence = f"{param}: {message}" if param else message
    fault = replace(told(InvalidInput(sentence)), status=invalid_status(path), param=param)
    return JSONResponse(shape_of(path)(fault), fault.status)


class BodyRefused(HTTPException):
    """A body that is too large, or comes too slowly. The edge answers it, because the rest of it may be on its way."""


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Handler of unknown paths and methods."""
    if isinstance(error, BodyRefused):
        raise error
    return refusal(request.url.path, str(error.detail), error.status_code, error.headers)
