"""What the bodies of all surfaces have in common: how JSON is read, and what its parts are checked against."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar

from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

MAX_UINT32 = 2**32 - 1


class Body(BaseModel):
    """A part of a request. `null` means absent, as OpenAI's clients send it.

    Fields that nobody here knows are let through unread: clients send more (`user`, `service_tier`, …) than any server
    has a use for. What would change the answer and cannot be honoured is refused, never ignored.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
    REFUSED: ClassVar[Mapping[str, str]] = {}
    """Fields that may only be absent, false or empty, each with what to do instead."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        for field, instead in cls.REFUSED.items():
            if body.get(field):
                raise ValueError(f"{field} is not supported: {instead}")
        return {key: value for key, value in body.items() if value is not None}


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
