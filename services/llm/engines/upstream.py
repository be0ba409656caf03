"""An OpenAI-compatible server over HTTP: bounded connections, retries before the first byte, its errors as the suite's.

post ──► connected? ──no──► tries left? ──yes──► wait, again          (also 429, 502, 503, 504 with a short wait)
          │yes                └──no──► NotReady
          └──► status 200 ──► events until `[DONE]`                   nothing is tried again from here on
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import httpx

from services.kit.errors import EngineFailed, InvalidInput, LedgeError, NotFound, NotReady, Overloaded, TooSlow

CONNECT_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
"""A server that asks for more patience is not asked again; its caller is told."""
TRIED_AGAIN = frozenset({429, 502, 503, 504})
MAX_EVENT_BYTES = 4 * 2**20
MAX_BODY_BYTES = 64 * 2**20
MAX_TOLD_CHARACTERS = 400


class Upstream:
    """Shared by all calls of one event loop.

    Args:
        url: with its version, as OpenAI's clients take it.
        api_key: sent with each request; in no error and no log.
        connections: requests at a time; a further one waits.
    """

    def __init__(self, url: str, api_key: str | None, connections: int, timeout_s: float, retries: int) -> None:
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # The wait for a connection is the caller's own deadline: the service admits no more than there are.
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S, pool=None),
        )
        self._url = url.rstrip("/")
        # vLLM's own paths stand beside OpenAI's version, not under it.
        self._root = self._url.removesuffix("/v1")
        self._retries = retries
        self._timeout_s = timeout_s

    async def close(self) -> None:
        await self._http.aclose()

    async def models(self) -> list[dict[str, Any]]:
        """What the server lists. Raises as `events`."""
        response = await self._sent("GET", f"{self._url}/models", None)
        listed = _json(await self._read(response)).get("data")
        return [model for model in listed if isinstance(model, dict)] if isinstance(listed, list) else []

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One answer of a path beside the version (`/tokenize`). Raises as `events`."""
        return _json(await self._read(await self._sent("POST", self._root + path, body)))

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The server-sent events of a streamed answer. Closing it closes the connection, which ends the generation.

        Raises:
            InvalidInput, NotFound, Overloaded, NotReady, TooSlow: what the server's status means.
            EngineFailed: it failed, broke the stream off, or refuses our key.
        """
        response = await self._sent("POST", self._url + path, body)
        try:
            async with aclosing(_lines(response)) as lines:
                async for line in lines:
                    if not line.startswith(b"data:"):
                        continue
                    told = line[5:].strip()
                    if told == b"[DONE]":
                        return
                    event = _json(told)
                    if event.get("error"):
                        raise _failure(_status_in(event), event, None)
                    yield event
        except httpx.TimeoutException as error:
            raise TooSlow(f"the model's server said nothing for {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise EngineFailed("the model's server broke the answer off") from error
        finally:
            await response.aclose()

    async def _sent(self, method: str, url: str, body: dict[str, Any] | None) -> httpx.Response:
        """An answer of status 200 whose body is still to be read."""
        for attempt in range(self._retries + 1):
            error, pause_s = await self._try(method, url, body)
            if isinstance(error, httpx.Response):
                return error
            if pause_s is None or pause_s > LONGEST_PAUSE_S or attempt == self._retries:
                raise error
            await asyncio.sleep(max(pause_s, FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1)))  # noqa: S311
        raise AssertionError("the last attempt returns or raises")

    async def _try(
        self, method: str, url: str, body: dict[str, Any] | None
    ) -> tuple[httpx.Response | LedgeError, float | None]:
        """The answer, or the error with how long to wait before another try; None: another would not help."""
        try:
            request = self._http.build_request(method, url, json=body)
            response = await self._http.send(request, stream=True)
        except (httpx.ConnectTimeout, httpx.ConnectError):
            return NotReady("the model's server cannot be reached"), 0.0
        except httpx.TimeoutException:
            return TooSlow(f"the model's server said nothing for {self._timeout_s:g} s"), None
        except httpx.HTTPError:
            # A connection that was kept open may have been closed meanwhile; nothing was answered yet.
            return NotReady("the model's server closed the connection"), 0.0
        if response.status_code == httpx.codes.OK:
            return response, None
        try:
            told = _json_or_none(await self._read(response))
        except LedgeError:
            told = None
        wait_s = _retry_after_s(response.headers.get("retry-after"))
        error = _failure(response.status_code, told, wait_s)
        return error, (wait_s or 0.0) if response.status_code in TRIED_AGAIN else None

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise EngineFailed("the model's server answers with more than an answer can be")
        except httpx.TimeoutException as error:
            raise TooSlow(f"the model's server said nothing for {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise EngineFailed("the model's server broke its answer off") from error
        finally:
            await response.aclose()
        return bytes(body)


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    held = b""
    async for chunk in response.aiter_bytes():
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(held) > MAX_EVENT_BYTES:
            raise EngineFailed("the model's server sends events of megabytes")
    if held:
        yield held


def _json(text: bytes) -> dict[str, Any]:
    told = _json_or_none(text)
    if told is None:
        raise EngineFailed("the model's server answers with no JSON object")
    return told


def _json_or_none(text: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _failure(status: int, told: dict[str, Any] | None, retry_after_s: float | None) -> LedgeError:
    """What a status means here; the server's own words go to the caller where the request is at fault."""
    said = _words(told)
    match status:
        case 400 | 413 | 422:
            return InvalidInput(said or "the model's server refuses the request")
        case 401 | 403:
            # Our key, not the caller's.
            return EngineFailed("the model's server refuses the key that LEDGE_UPSTREAM_API_KEY tells")
        case 404:
            return NotFound(said or "the model's server has no such model or path")
        case 408 | 504:
            return TooSlow("the model's server ran out of time")
        case 429:
            return Overloaded(said or "the model's server has too much to do", retry_after_s or 1.0)
        case 502 | 503:
            error = NotReady(said or "the model's server is not ready")
            error.retry_after_s = retry_after_s or NotReady.retry_after_s
            return error
        case _:
            return EngineFailed(f"the model's server failed with status {status}")


def _words(told: dict[str, Any] | None) -> str:
    """OpenAI's `error.message`; older vLLM and FastAPI say `message` or `detail`."""
    if told is None:
        return ""
    error = told.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    for words in (message, told.get("message"), told.get("detail")):
        if isinstance(words, str) and words:
            return words[:MAX_TOLD_CHARACTERS]
    return ""


def _status_in(event: dict[str, Any]) -> int:
    """An error within a stream comes after status 200; its code says what it would have been."""
    error = event["error"]
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 500


def _retry_after_s(header: str | None) -> float | None:
    """Seconds, or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time())
    except ValueError:
        return None
