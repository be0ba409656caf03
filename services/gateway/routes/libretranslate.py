"""`/translate`, `/detect`, `/languages`: LibreTranslate's, for the applications that know its API."""

import html
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import grpc
from fastapi import APIRouter, Request
from ledge.translation.v1 import translation_pb2 as pb
from pydantic import Field, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from services.gateway.body import Body
from services.gateway.forms import check_origin
from services.gateway.language_names import name_of
from services.gateway.peers import Peers
from services.gateway.streaming import while_connected
from services.kit.auth import Keys
from services.kit.context import CallContext, current_call, enter_call
from services.kit.errors import InvalidInput, Unauthenticated

router = APIRouter()
Answer = TypeVar("Answer")
_TAG = re.compile(r"(<[^<>]*>)")
# What must stay as it is written for the text to stay HTML.
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|nbsp|#60|#62|#38|#160);)(?:#\w{1,8}|\w{2,32});")
MAX_TEXTS = 256


class TranslateRequest(Body):
    """`alternatives` are asked for by some pages; the models here have one answer each, so there are none."""

    q: str | Annotated[list[str], Field(min_length=1, max_length=MAX_TEXTS, fail_fast=True)]
    source: str
    target: str
    format: Literal["text", "html"] = "text"
    alternatives: Annotated[int, Field(ge=0)] = 0


class DetectRequest(Body):
    q: str


@router.post("/translate")
async def translate(request: Request) -> Response:
    """The text, or each of the texts, in another language."""
    peers: Peers = request.app.state.peers
    body = _read(TranslateRequest, await _fields(request))
    texts = [body.q] if isinstance(body.q, str) else body.q
    source = "" if body.source == "auto" else body.source
    call = pb.TranslateRequest(
        texts=[_plain(text) for text in texts] if body.format == "html" else texts,
        source_language=source,
        target_language=body.target,
    )
    response = await while_connected(request, _told(lambda: peers.translating().Translate(call)))
    several = not isinstance(body.q, str)
    answer: dict[str, Any] = {"translatedText": _one_or_all([one.text for one in response.translations], several)}
    if not source:
        detected = await _told(lambda: peers.translating().DetectLanguage(pb.DetectLanguageRequest(texts=call.texts)))
        languages = [
            _detected(one.source_language, candidates.candidates)
            for one, candidates in zip(response.translations, detected.detected, strict=True)
        ]
        answer["detectedLanguage"] = _one_or_all(languages, several)
    if body.alternatives:
        answer["alternatives"] = _one_or_all([list[str]() for _ in texts], several)
    return JSONResponse(answer)


@router.post("/detect")
async def detect(request: Request) -> Response:
    """The languages that the text may be in, best first."""
    peers: Peers = request.app.state.peers
    body = _read(DetectRequest, await _fields(request))
    response = await while_connected(
        request, _told(lambda: peers.translating().DetectLanguage(pb.DetectLanguageRequest(texts=[body.q])))
    )
    candidates = response.detected[0].candidates
    return JSONResponse([_detected(one.language, candidates) for one in candidates])


@router.get("/languages")
async def languages(request: Request) -> Response:
    """The languages there are, each with those that it can be translated to."""
    peers: Peers = request.app.state.peers
    await _fields(request)
    return JSONResponse(await _languages(peers))


@router.get("/frontend/settings")
async def frontend_settings(request: Request) -> Response:
    """What pages made for LibreTranslate ask for before they show themselves."""
    peers: Peers = request.app.state.peers
    listed = await _languages(peers)
    first: dict[str, Any] = next(iter(listed), {"code": "en", "targets": ["es"]})
    ends: dict[str, str] = {"source": first["code"], "target": first["targets"][0]}
    keys: Keys = request.app.state.keys
    return JSONResponse(
        {
            "apiKeys": keys.wanted,
            "charLimit": -1,
            "filesTranslation": False,
            "frontendTimeout": 500,
            "keyRequired": keys.wanted,
            "language": {end: {"code": code, "name": name_of(code)} for end, code in ends.items()},
            "suggestions": False,
            "supportedFilesFormat": [],
        }
    )


async def _languages(peers: Peers) -> list[dict[str, Any]]:
    listed = await _told(lambda: peers.translating().ListLanguagePairs(pb.ListLanguagePairsRequest()))
    targets: dict[str, dict[str, None]] = {}
    for pair in listed.pairs:
        targets.setdefault(pair.source_language, {})[pair.target_language] = None
    return [{"code": code, "name": name_of(code), "targets": list(to)} for code, to in targets.items()]


async def _fields(request: Request) -> dict[str, Any]:
    """What the client sent as JSON, as a form or in the address; LibreTranslate takes any of them.

    Its key comes among them, unless it came in the header, where the edge has looked at it.
    """
    fields: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            body = from_json(await request.body(), allow_inf_nan=False)
        except ValueError as error:
            raise InvalidInput(f"the body is no JSON: {error}") from None
        if not isinstance(body, dict):
            raise InvalidInput("the body must be a JSON object")
        fields |= body
    elif request.headers.get("content-type"):
        check_origin(request)
        async with request.form(max_files=0, max_fields=64) as form:
            fields |= {name: value for name, value in form.items() if isinstance(value, str)}
    _let_in(request, fields.get("api_key"))
    return fields


def _let_in(request: Request, key: Any) -> None:
    """Raises HTTPException, 403 as LibreTranslate has it."""
    if "authorization" in request.headers:
        return
    keys: Keys = request.app.state.keys
    try:
        tenant = keys.tenant(f"Bearer {key}" if isinstance(key, str) else "")
    except Unauthenticated:
        raise HTTPException(403, "an accepted API key is needed: send it as api_key") from None
    call = current_call()
    if call is not None:
        enter_call(CallContext(call.deadline_s, call.request_id, tenant, local_only=call.local_only))


Form = TypeVar("Form", bound=Body)


def _read(form: type[Form], fields: dict[str, Any]) -> Form:
    """Raises InvalidInput, which names the first field at fault and never its content."""
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        name = next((str(part) for part in fault["loc"] if part in form.model_fields), "request")
        missing = fault["type"] == "missing"
        raise InvalidInput(f"missing {name} parameter" if missing else f"{name}: {fault['msg']}") from None


async def _told(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """A pair of languages that nobody has is 400, as LibreTranslate has it."""
    try:
        return await call()
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            raise InvalidInput(error.details() or "not supported") from error
        raise


def _one_or_all(answers: list[Any], several: bool) -> Any:
    return answers if several else answers[0]


def _detected(language: str, candidates: Any) -> dict[str, Any]:
    confidence = next((one.confidence for one in candidates if one.language == language), 0.0)
    return {"confidence": round(100 * confidence, 1), "language": language}


def _plain(text: str) -> str:
    """HTML whose letters are written as letters; tags are kept by the service."""
    pieces = _TAG.split(text)
    pieces[::2] = [_ENTITY.sub(lambda entity: html.unescape(entity[0]), piece) for piece in pieces[::2]]
    return "".join(pieces)
