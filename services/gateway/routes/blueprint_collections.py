"""`/v1/collections` and `/v1/collection`: the RAG blueprint's collections."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import grpc
from fastapi import APIRouter, Body, Request
from ledge.rag.v1 import rag_pb2 as pb
from pydantic import Field
from starlette.responses import JSONResponse, Response

from services.gateway.body import Body as JsonBody
from services.gateway.body import JsonRoute
from services.gateway.errors import ledge_error
from services.gateway.peers import Peers
from services.gateway.streaming import while_connected
from services.kit.errors import InvalidInput, NotFound

router = APIRouter(route_class=JsonRoute)
Names = Annotated[list[str], Field(min_length=1, max_length=100, fail_fast=True), Body()]


class NewCollection(JsonBody):
    collection_name: Annotated[str, Field(min_length=1)]


@router.get("/v1/collections")
async def list_collections(request: Request) -> Response:
    """Every collection with what it holds."""
    peers: Peers = request.app.state.peers
    response = await while_connected(request, peers.rag.ListCollections(pb.ListCollectionsRequest()))
    collections = [
        {
            "collection_name": collection.name,
            "num_entities": collection.chunks,
            "metadata_schema": [],
            "collection_info": {"number_of_files": collection.documents},
        }
        for collection in response.collections
    ]
    told = {"message": "Collections listed.", "total_collections": len(collections), "collections": collections}
    return JSONResponse(told)


@router.post("/v1/collection")
async def create_collection(body: NewCollection, request: Request) -> Response:
    """An empty collection; one that is there stays as it is."""
    peers: Peers = request.app.state.peers
    name = body.collection_name
    response = await while_connected(request, peers.rag.CreateCollection(pb.CreateCollectionRequest(name=name)))
    message = f"Collection {name} {'created' if response.created else 'was there already'}."
    return JSONResponse({"message": message, "collection_name": name})


@router.post("/v1/collections")
async def create_collections(names: Names, request: Request) -> Response:
    """Several at once; each that fails is told by name."""
    peers: Peers = request.app.state.peers
    return await _each(request, names, lambda name: peers.rag.CreateCollection(pb.CreateCollectionRequest(name=name)))


@router.delete("/v1/collections")
async def delete_collections(names: Names, request: Request) -> Response:
    """Removes collections with all their documents; each that fails is told by name."""
    peers: Peers = request.app.state.peers
    return await _each(request, names, lambda name: peers.rag.DeleteCollection(pb.DeleteCollectionRequest(name=name)))


async def _each(request: Request, names: list[str], call: Callable[[str], Awaitable[Any]]) -> Response:
    """One call a name, one after the other. What is wrong with a name is told; what is wrong here ends it."""
    successful: list[str] = []
    failed: list[dict[str, str]] = []
    for name in names:
        try:
            if not name:
                raise InvalidInput("a name is empty")
            await while_connected(request, call(name))
        except (grpc.aio.AioRpcError, InvalidInput) as error:
            told = ledge_error(error)
            if not isinstance(told, InvalidInput | NotFound):
                raise told from error
            failed.append({"collection_name": name, "error_message": told.message})
        else:
            successful.append(name)
    return JSONResponse(
        {
            "message": f"{len(successful)} of {len(names)} done.",
            "successful": successful,
            "failed": failed,
            "total_success": len(successful),
            "total_failed": len(failed),
        }
    )
