"""`/v1/documents` and `/v1/status`: the RAG blueprint's ingestion."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Body, Query, Request
from google.protobuf.json_format import MessageToDict
from ledge.rag.v1 import rag_pb2 as pb
from pydantic import Field, JsonValue, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, Response

from services.gateway.body import Body as JsonBody
from services.gateway.body import JsonRoute
from services.gateway.forms import check_origin, read_form
from services.gateway.peers import Peers
from services.gateway.streaming import while_connected
from services.gateway.uploads import Document, Upload, Uploads
from services.kit.context import current_call
from services.kit.errors import InvalidInput

router = APIRouter(route_class=JsonRoute)
MAX_FILES = 256
MAX_DATA_BYTES = 2**20
MAX_LISTED = 10_000
PAGE = 1000
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["documents"],
                    "properties": {
                        "documents": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "data": {
                            "type": "string",
                            "description": "JSON: collection_name, blocking, custom_metadata.",
                        },
                    },
                }
            }
        },
    }
}
"""What FastAPI cannot tell by itself, since it would hold each file in memory first."""


class CustomMetadata(JsonBody):
    filename: str
    metadata: dict[str, JsonValue]


class UploadSettings(JsonBody):
    """How to cut documents is the suite's own affair: `split_options` and the like are let through unread."""

    REFUSED: ClassVar[Mapping[str, str]] = {"generate_summary": "no summaries are made"}
    collection_name: str = ""
    blocking: bool = False
    custom_metadata: list[CustomMetadata] = Field(default_factory=list, max_length=MAX_FILES, fail_fast=True)


@router.post("/v1/documents", openapi_extra=UPLOAD)
async def upload_documents(request: Request) -> Response:
    """Takes files in: at once where `data` says `blocking`, else in the background, followed by `/v1/status`."""
    return await _take_in(request)


@router.patch("/v1/documents", openapi_extra=UPLOAD)
async def update_documents(request: Request) -> Response:
    """The same: a file whose content is known changes nothing, and another content replaces the old one."""
    return await _take_in(request)


@router.get("/v1/status")
async def status(task_id: str, request: Request) -> Response:
    """What became of an upload: PENDING, FINISHED, FAILED, or UNKNOWN (to this gateway)."""
    uploads: Uploads = request.app.state.uploads
    upload = uploads.find(task_id, _tenant())
    if upload is None:
        nothing = {"extraction_completed": 0, "document_wise_status": {}}
        result = {"message": "this gateway knows no such upload"}
        return JSONResponse({"state": "UNKNOWN", "result": result, "nv_ingest_status": nothing})
    states = dict.fromkeys(upload.names, "pending")
    for name, outcome in upload.results.items():
        states[name] = "failed" if outcome.outcome == pb.DocumentResult.REJECTED else "completed"
    done = {"extraction_completed": len(upload.results), "document_wise_status": states}
    return JSONResponse({"state": upload.state, "result": _result(upload), "nv_ingest_status": done})


@router.get("/v1/documents")
async def list_documents(
    request: Request, collection_name: str = "", max_results: Annotated[int, Query(ge=1)] = PAGE
) -> Response:
    """The documents of a collection."""
    documents = await while_connected(request, _all(request.app.state.peers, collection_name, max_results))
    told = [_listed(document) for document in documents]
    return JSONResponse({"message": "Documents listed.", "total_documents": len(told), "documents": told})


@router.delete("/v1/documents")
async def delete_documents(
    names: Annotated[list[str], Field(max_length=1000, fail_fast=True), Body()],
    request: Request,
    collection_name: str = "",
) -> Response:
    """Removes the documents named; an empty list removes all of the collection's."""
    deleted = await while_connected(request, _delete(request.app.state.peers, collection_name, names))
    told = [{"document_name": name, "metadata": {}, "document_info": {}} for name in deleted]
    return JSONResponse({"message": "Documents deleted.", "total_documents": len(told), "documents": told})


async def _take_in(request: Request) -> Response:
    check_origin(request)
    uploads: Uploads = request.app.state.uploads
    with uploads.slot() as slot:
        form = await read_form(request, max_files=MAX_FILES, max_fields=16, max_field_bytes=MAX_DATA_BYTES)
        try:
            settings = _settings(form)
            documents, twice = _documents(form, settings)
            upload = Upload(_tenant(), settings.collection_name, documents)
        except BaseException:
            await form.close()
            raise
        if settings.blocking:
            await while_connected(request, uploads.ingest(upload))
            return JSONResponse(_result(upload) | {"validation_errors": twice})
        task_id = uploads.begin(upload, slot)
    return JSONResponse({"message": "Ingestion started in background", "task_id": task_id})


def _settings(form: FormData) -> UploadSettings:
    data = form.get("data", "{}")
    try:
        return UploadSettings.model_validate_json(data if isinstance(data, str) else "")
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, ("data", *fault["loc"])))
        raise InvalidInput(f"{place}: {fault['msg'].removeprefix('Value error, ')}") from error


def _documents(form: FormData, settings: UploadSettings) -> tuple[list[Document], list[dict[str, Any]]]:
    """The files, one of each name, and what is told of those that come twice."""
    metadata = {given.filename: given.metadata for given in settings.custom_metadata}
    documents: dict[str, Document] = {}
    twice: list[dict[str, Any]] = []
    for file in form.getlist("documents"):
        if not isinstance(file, UploadFile):
            raise InvalidInput("documents: send files")
        name = PurePosixPath((file.filename or "").replace("\\", "/")).name
        if not name:
            raise InvalidInput("documents: a file has no name")
        if name in documents:
            twice.append({"error": "the name comes twice; the first was taken", "metadata": {"filename": name}})
        else:
            documents[name] = Document(name, file, metadata.get(name, {}))
    if not documents:
        raise InvalidInput("documents: send at least one file")
    return list(documents.values()), twice


def _result(upload: Upload) -> dict[str, Any]:
    failed: list[dict[str, Any]] = []
    stored: list[dict[str, Any]] = []
    for name, result in upload.results.items():
        if result.outcome == pb.DocumentResult.REJECTED:
            failed.append({"document_name": name, "error_message": result.reason})
        else:
            info = {
                "outcome": pb.DocumentResult.Outcome.Name(result.outcome).lower(),
                "pages": result.pages,
                "total_elements": result.chunks,
            }
            stored.append({"document_id": name, "document_name": name, "metadata": {}, "document_info": info})
    message = "Documents are being taken in."
    if upload.state == "FINISHED":
        message = "Documents were taken in." if not failed else "Some documents were not taken in."
    elif upload.error is not None:
        message = upload.error.message
    return {
        "message": message,
        "total_documents": len(upload.names),
        "documents_completed": len(upload.results),
        "batches_completed": 0,
        "documents": stored,
        "failed_documents": failed,
        "validation_errors": [],
    }


def _listed(document: pb.Document) -> dict[str, Any]:
    return {
        "document_name": document.name,
        "metadata": MessageToDict(document.metadata),
        "document_info": {
            "document_type": document.media_type,
            "file_size": document.size_bytes,
            "date_created": document.ingested_at,
            "pages": document.pages,
            "total_elements": document.chunks,
        },
    }


async def _all(peers: Peers, collection: str, limit: int) -> Sequence[pb.Document]:
    documents: list[pb.Document] = []
    call = pb.ListDocumentsRequest(collection=collection)
    limit = min(limit, MAX_LISTED)
    while len(documents) < limit:
        call.limit = min(PAGE, limit - len(documents))
        response = await peers.rag.ListDocuments(call)
        documents.extend(response.documents)
        if not response.next_page_token:
            break
        call.page_token = response.next_page_token
    return documents


async def _delete(peers: Peers, collection: str, names: Sequence[str]) -> list[str]:
    deleted: list[str] = []
    # Page by page: what is deleted is not listed again.
    batch = list(names) or [document.name for document in await _all(peers, collection, PAGE)]
    while batch:
        for name in batch:
            await peers.rag.DeleteDocument(pb.DeleteDocumentRequest(collection=collection, name=name))
        deleted.extend(batch)
        batch = [] if names else [document.name for document in await _all(peers, collection, PAGE)]
    return deleted


def _tenant() -> str:
    call = current_call()
    return call.tenant if call is not None else ""
