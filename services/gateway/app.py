"""The FastAPI app: routes, the edge in front of them, one error mapping behind them."""

from collections.abc import Sequence

import grpc
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from services.gateway import errors
from services.gateway.config import GatewayConfig
from services.gateway.edge import Edge
from services.gateway.peers import Peers
from services.gateway.routes import chat, embeddings, health, models
from services.kit import ops
from services.kit.errors import LedgeError


def make_app(config: GatewayConfig, peers: Peers, status: ops.Status) -> FastAPI:
    """The app for one gateway. Its interactive documentation would load from a CDN, so only the schema is served."""
    app = FastAPI(title="Ledge", version=ops.release(), docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.peers = peers
    for module in (chat, embeddings, models, health):
        app.include_router(module.router)
    app.router.routes += management(status)
    app.add_exception_handler(LedgeError, errors.on_error)
    app.add_exception_handler(grpc.aio.AioRpcError, errors.on_error)
    app.exception_handler(RequestValidationError)(errors.on_invalid_request)
    app.exception_handler(HTTPException)(errors.on_http_exception)
    app.add_exception_handler(Exception, errors.on_error)
    app.add_middleware(Edge, config=config)
    if config.cors_allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_allow_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "x-request-id"],
        )
    return app


def management(status: ops.Status) -> Sequence[Route]:
    """The management paths, except the list of models: the gateway's is that of the whole suite."""
    return [route for route in ops.routes(status) if route.path != "/v1/models"]
