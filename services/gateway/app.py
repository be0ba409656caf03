"""The FastAPI app: routes, the edge in front of them, one error mapping behind them."""

from collections.abc import Sequence
from functools import partial

import grpc
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from services.gateway import errors, hybrid_choice
from services.gateway.api_description import describe
from services.gateway.audio_form import AudioUploads
from services.gateway.config import GatewayConfig
from services.gateway.edge import Edge
from services.gateway.peers import Peers
from services.gateway.realtime.door import RealtimeDoor
from services.gateway.routes import (
    blueprint_answers,
    blueprint_collections,
    blueprint_documents,
    chat,
    completions,
    embeddings,
    health,
    libretranslate,
    metadata,
    models,
    page,
    plan,
    ranking,
    realtime,
    rerank,
    responses,
    speech,
    tei,
    transcriptions,
)
from services.gateway.routes.mcp import McpDoor
from services.gateway.uploads import Uploads
from services.kit import ops
from services.kit.auth import Keys
from services.kit.errors import LedgeError

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own would tell every request twice, with the messages of exceptions, which may quote it."""


ROUTES = {
    "openai": (chat, completions, responses, embeddings, models, transcriptions, speech, realtime),
    "nemo retriever": (ranking,),
    "cohere and jina": (rerank,),
    "text embeddings inference": (tei,),
    "libretranslate": (libretranslate,),
    "rag blueprint": (blueprint_answers, blueprint_documents, blueprint_collections),
    "management": (health, metadata),
    "page": (page, plan),
}
"""The doors, one module each, under the name of whose clients they serve."""


def make_app(config: GatewayConfig, peers: Peers, status: ops.Status) -> FastAPI:
    """The app for one gateway. Its interactive documentation would load from a CDN, so only the schema is served."""
    app = FastAPI(
        title="Ledge",
        version=ops.release(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.peers = peers
    app.state.status = status
    app.state.keys = Keys(config.keys())
    app.state.origins = frozenset(config.cors_allow_origins)
    app.state.uploads = Uploads(peers.rag_uploads, config.max_uploads)
    app.state.audio_uploads = AudioUploads(config.max_audio_uploads)
    app.state.realtime = RealtimeDoor(config, peers)
    for door, modules in ROUTES.items():
        for module in modules:
            app.include_router(module.router, tags=[door])
    app.state.mcp = McpDoor(peers, config.cors_allow_origins)
    own = [*management(status), app.state.mcp.route()]
    app.router.routes += own
    app.add_exception_handler(LedgeError, errors.on_error)
    app.add_exception_handler(grpc.aio.AioRpcError, errors.on_error)
    app.exception_handler(RequestValidationError)(errors.on_invalid_request)
    app.exception_handler(HTTPException)(errors.on_http_exception)
    app.add_middleware(Edge, config=config, paths=[*(route.path for route in own), "/v1/openapi.json"])
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    if config.cors_allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_allow_origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after", "retry-after-ms", *hybrid_choice.HEADERS],
        )
    return app


def management(status: ops.Status) -> Sequence[Route]:
    """The management paths, except those that tell of models: the gateway's tell of the whole suite's."""
    return [route for route in ops.routes(status) if route.path not in ("/v1/models", "/v1/metadata", "/v1/license")]
