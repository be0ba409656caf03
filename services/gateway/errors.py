"""The one mapping from the suite's errors to HTTP, in the shape OpenAI's clients read."""

import math
from typing import Any

import grpc
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.kit.errors import EngineFailed, LedgeError, from_rpc

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def body_of(message: str, status: int, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def response_of(error: LedgeError) -> Response:
    """The HTTP response of an error; `Retry-After` in whole seconds where it names a delay."""
    headers = {} if error.retry_after_s is None else {"retry-after": str(math.ceil(error.retry_after_s))}
    return JSONResponse(body_of(error.message, error.http, code=error.reason.lower()), error.http, headers=headers)


def ledge_error(error: BaseException) -> LedgeError:
    """What went wrong, as one of the seven classes."""
    if isinstance(error, LedgeError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc(error)
    return EngineFailed("internal error")


async def on_error(_: Request, error: Exception) -> Response:
    """Handler of the suite's own errors and of upstream statuses."""
    return response_of(ledge_error(error))


async def on_invalid_request(_: Request, error: RequestValidationError) -> Response:
    """Handler of a body that does not fit the schema: names the first field at fault, never its content."""
    fault = error.errors()[0]
    param = ".".join(str(part) for part in fault["loc"] if part != "body") if fault["type"] != "json_invalid" else ""
    message = f"{param}: {fault['msg']}" if param else str(fault["msg"])
    return JSONResponse(body_of(message, 400, code="invalid_input", param=param or None), 400)


async def on_http_exception(_: Request, error: HTTPException) -> Response:
    """Handler of unknown paths and methods."""
    return JSONResponse(body_of(str(error.detail), error.status_code), error.status_code, headers=error.headers)
