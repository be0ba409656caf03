"""How each door's clients expect an error to look; all that is told is the same everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """An error as the caller hears it."""

    message: str
    status: int
    """Of HTTP."""
    code: str | None = None
    """The suite's word for it, for example `too_slow`."""
    param: str | None = None
    """The field at fault, where one is."""


Shape = Callable[[Told], dict[str, Any]]
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_JSON_RPC = {400: -32600, 404: -32601}
_JSON_RPC_SERVER = -32000


def openai(told: Told) -> dict[str, Any]:
    """OpenAI's error object, which NIM, vLLM and Jina share."""
    kind = _TYPES.get(told.status, "invalid_request_error" if told.status < 500 else "server_error")
    return {"error": {"message": told.message, "type": kind, "param": told.param, "code": told.code}}


def nemo_retriever(told: Told) -> dict[str, Any]:
    """NeMo Retriever's: its clients print the title, then the detail."""
    return {"status": told.status, "title": told.code or "error", "detail": told.message, **openai(told)}


def message(told: Told) -> dict[str, Any]:
    """A sentence by the name of `message`: Cohere's, and the RAG blueprint's, whose page reads `detail` as well."""
    return {"message": told.message, "detail": told.message, "code": told.code}


def tei(told: Told) -> dict[str, Any]:
    """Text Embeddings Inference's: a sentence and a word."""
    return {"error": told.message, "error_type": told.code or "error"}


def libretranslate(told: Told) -> dict[str, Any]:
    """LibreTranslate's: a sentence."""
    return {"error": told.message}


def json_rpc(told: Told) -> dict[str, Any]:
    """JSON-RPC's, for what fails before its message is read."""
    code = _JSON_RPC.get(told.status, _JSON_RPC_SERVER)
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": told.message}}


RAG_BLUEPRINT = (
    "/v1/generate", "/v1/search", "/v1/documents", "/v1/collections", "/v1/collection", "/v1/status",
)  # fmt: skip
LIBRETRANSLATE = ("/translate", "/detect", "/languages", "/frontend/settings")
_SHAPES: dict[str, Shape] = {
    "/v1/ranking": nemo_retriever,
    "/v1/rerank": message,
    "/v2/rerank": message,
    "/rerank": tei,
    "/embed": tei,
    **dict.fromkeys(RAG_BLUEPRINT, message),
    **dict.fromkeys(LIBRETRANSLATE, libretranslate),
    "/mcp": json_rpc,
}


def shape_of(path: str) -> Shape:
    """The shape of errors under a path; OpenAI's where no other is known."""
    return _SHAPES.get(path, openai)


def invalid_status(path: str) -> int:
    """The HTTP status of a body that does not fit the schema: the RAG blueprint's clients know it by 422."""
    return 422 if path in RAG_BLUEPRINT else 400
