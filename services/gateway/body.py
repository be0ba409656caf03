"""What the bodies of all surfaces have in common: how JSON is read, and what its parts are checked against."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

MAX_UINT32 = 2**32 - 1


class Body(BaseModel):
    """A part of a request. `null` means absent, as OpenAI's clients send it.

    Fields that OpenAI knows and this suite has no use for (`store`, `user`, `service_tier`, …) are let through.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, body: Any) -> Any:
        return {key: value for key, value in body.items() if value is not None} if isinstance(body, dict) else body


class _JsonRequest(Request):
    async def json(self) -> Any:
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


class JsonRoute(APIRoute):
    """Reads bodies by pydantic's parser, which is fast, bounds nesting, and refuses what UTF-8 cannot hold.

    Python's own lets lone surrogates through, which no protobuf message takes.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_JsonRequest(request.scope, request.receive))

        return handle
