"""retrieval → folder: a collection's points in the order of their ids, page by page; cut off, it goes on from there."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.cli.moving.embedding import check_records, served_model
from services.cli.moving.folder import PARTS, Folder, Manifest, Part, framed, read_json, sha256_of, write_json
from services.cli.moving.pages import PAGE_POINTS, page_of
from services.kit.errors import EngineFailed, InvalidInput, NotFound
from services.rag.collections import Collection
from services.rag.encoding import encoding

Tell = Callable[[str, int, int], None]
"""(part, points so far, points in all)."""


@dataclass
class _Checkpoint:
    """How far a part has come."""

    page_token: str = ""
    bytes: int = 0
    points: int = 0
    ended: bool = False


async def export(retrieval: Any, embedding: Any, collection: Collection, path: Path, tell: Tell) -> Manifest:
    """Raises LedgeError: no such collection, another model, or it was changed meanwhile."""
    model, _ = await served_model(embedding)
    there = {it.name: it for it in (await retrieval.ListCollections(pb.ListCollectionsRequest())).collections}
    names = {"chunks": collection.chunks, "documents": collection.documents}
    for name in names.values():
        if name not in there:
            raise NotFound(f"there is no collection {collection.name!r} of documents")
    first, _ = await page_of(retrieval, collection.documents, "", PAGE_POINTS)
    check_records(first.points, model)
    folder = _open(path, collection)
    begun = {"collection": collection.name, "encoding": encoding(model)}
    state = read_json(path / "export.json")
    if {key: state.get(key) for key in begun} != begun:
        state = {**begun, "parts": {}}
    # Before anything else lies there, so that the folder is known again when the first page fails.
    write_json(path / "export.json", state)
    parts = {}
    for part in PARTS:
        checkpoint = _Checkpoint(**state["parts"].get(part, {}))
        if _bytes_in(folder.points_file(part)) < checkpoint.bytes:
            checkpoint = _Checkpoint()  # what it knows is gone: this part begins anew
        async for _ in _pages(retrieval, names[part], folder.points_file(part), checkpoint):
            state["parts"][part] = vars(checkpoint)
            write_json(path / "export.json", state)
            tell(part, checkpoint.points, there[names[part]].points)
        count = (await retrieval.Count(pb.CountRequest(collection=names[part]))).points
        if count != checkpoint.points:
            (path / "export.json").unlink(missing_ok=True)
            raise EngineFailed(
                f"the collection {collection.name!r} was changed while it was exported ({checkpoint.points} points "
                f"written, {count} there now): run it again when nobody writes"
            )
        file = folder.points_file(part)
        parts[part] = Part(there[names[part]].dimensions, checkpoint.points, file.stat().st_size, sha256_of(file))
    manifest = Manifest(collection.name, model, encoding(model), parts)
    folder.write_manifest(manifest)
    (path / "export.json").unlink(missing_ok=True)
    return manifest


def _open(path: Path, collection: Collection) -> Folder:
    """Raises InvalidInput where something else lies there already."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be made: {error.strerror}") from error
    if (path / "manifest.json").exists():
        raise InvalidInput(f"{path} holds an exported collection already: name another folder, or delete this one")
    if any(path.iterdir()) and read_json(path / "export.json").get("collection") != collection.name:
        raise InvalidInput(f"{path} is not empty, and holds no export of {collection.name!r} that could go on")
    return Folder(path)


def _bytes_in(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


async def _pages(retrieval: Any, name: str, file: Path, checkpoint: _Checkpoint) -> AsyncIterator[None]:
    """Writes page after page; yields when one is on the disk and in the checkpoint."""
    with file.open("ab") as out:
        out.truncate(checkpoint.bytes)
        limit = PAGE_POINTS
        while not checkpoint.ended:
            page, limit = await page_of(retrieval, name, checkpoint.page_token, limit)
            for point in page.points:
                out.write(framed(point))
            out.flush()
            os.fsync(out.fileno())
            checkpoint.bytes = out.tell()
            checkpoint.points += len(page.points)
            checkpoint.page_token = page.next_page_token
            checkpoint.ended = not page.next_page_token
            yield
