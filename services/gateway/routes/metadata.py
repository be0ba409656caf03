"""`GET /v1/metadata` and `/v1/license`: NIM's, for the models of the whole suite."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.gateway.peers import Peers
from services.gateway.routes.models import served
from services.kit import ops

router = APIRouter()


@router.get("/v1/metadata")
async def metadata(request: Request) -> Response:
    """The version, the models that are served now, and their licences."""
    peers: Peers = request.app.state.peers
    return JSONResponse(ops.metadata_of("gateway", list((await served(peers)).values())))


@router.get("/v1/license")
async def licences(request: Request) -> Response:
    """The licence of the suite, and of each model that is served now."""
    peers: Peers = request.app.state.peers
    return JSONResponse(ops.licences_of(list((await served(peers)).values())))
