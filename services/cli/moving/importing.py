"""folder → retrieval: page by page, each durable before the next; then all is read back and compared."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.cli.moving.embedding import served_model
from services.cli.moving.exporting import Tell
from services.cli.moving.folder import PARTS, Folder, Manifest, read_json, write_json
from services.cli.moving.pages import PAGE_POINTS, page_of
from services.kit.errors import EngineFailed, InvalidInput
from services.rag.collections import Collection
from services.rag.collections import collection as named
from services.rag.encoding import encoding

MOST_PAGE_BYTES = 4 * 2**20
LEAST_COSINE = 0.99999
"""Stores may keep a vector with a last bit changed; another vector is another one."""


@dataclass(frozen=True)
class Imported:
    """What was read back and found the same."""

    collection: str
    chunks: int
    documents: int


async def import_(retrieval: Any, embedding: Any, collection: Collection | None, path: Path, tell: Tell) -> Imported:
    """Raises LedgeError: the folder is not whole, another model, a collection of that name, or it came out otherwise.

    Args:
        collection: None: of the name it had.
    """
    folder = Folder(path)
    manifest = folder.manifest()
    target = collection or named(manifest.collection)
    model, dimensions = await served_model(embedding)
    _same_model(manifest, model, dimensions)
    for part in PARTS:
        folder.checked(part, manifest.parts[part])
    names = {"chunks": target.chunks, "documents": target.documents}
    place = path / f"import-{target.name}.json"
    state = read_json(place)
    sums = {part: manifest.parts[part].sha256 for part in PARTS}
    if state.get("sums") != sums or not await _holds_what_was_written(retrieval, names, state.get("points", {})):
        await _must_be_free(retrieval, target)
        state = {"sums": sums, "offsets": {}, "points": {}}
    write_json(place, state)
    for part in PARTS:
        request = pb.CreateCollectionRequest(name=names[part], dimensions=manifest.parts[part].dimensions)
        await retrieval.CreateCollection(request)
        done = int(state["points"].get(part, 0))
        for page, offset in _batches(folder, part, int(state["offsets"].get(part, 0))):
            await retrieval.Upsert(iter([pb.UpsertRequest(collection=names[part], points=page)]))
            done += len(page)
            state["offsets"][part], state["points"][part] = offset, done
            write_json(place, state)
            tell(part, done, manifest.parts[part].points)
    try:
        for part in PARTS:
            await _compare(retrieval, names[part], folder, part, manifest.parts[part].points, tell)
    except EngineFailed:
        # What is there is wrong: there is nothing to go on from.
        place.unlink(missing_ok=True)
        raise
    place.unlink(missing_ok=True)
    return Imported(target.name, manifest.parts["chunks"].points, manifest.parts["documents"].points)


def _same_model(manifest: Manifest, model: str, dimensions: int) -> None:
    if manifest.model != model or manifest.parts["chunks"].dimensions != dimensions:
        raise InvalidInput(
            f"the vectors of {manifest.collection!r} were made by {manifest.model}, and {model} runs here: questions "
            "would find nothing; run the same embedding model, or ingest the documents again"
        )
    if manifest.encoding != encoding(model):
        raise InvalidInput(
            f"{manifest.collection!r} was exported by a release that keeps chunks otherwise ({manifest.encoding}, here "
            f"{encoding(model)}): ingest the documents again"
        )


async def _holds_what_was_written(retrieval: Any, names: dict[str, str], points: dict[str, int]) -> bool:
    """False for another store than the import began with, or where a collection was deleted or filled meanwhile."""
    there = {it.name for it in (await retrieval.ListCollections(pb.ListCollectionsRequest())).collections}
    for part, name in names.items():
        known = int(points.get(part, 0))
        found = (await retrieval.Count(pb.CountRequest(collection=name))).points if name in there else 0
        # The last page may have been written and not yet noted.
        if not known <= found <= known + PAGE_POINTS:
            return False
    return True


async def _must_be_free(retrieval: Any, target: Collection) -> None:
    there = (await retrieval.ListCollections(pb.ListCollectionsRequest())).collections
    full = [it for it in there if it.name in (target.chunks, target.documents) and it.points]
    if full:
        raise InvalidInput(
            f"there is a collection {target.name!r} with {full[0].points} points already: delete it, or name another "
            "with --as"
        )


def _batches(folder: Folder, part: str, offset: int) -> Iterator[tuple[list[pb.Point], int]]:
    page: list[pb.Point] = []
    size = 0
    for point, following in folder.points(part, offset):
        if page and (len(page) == PAGE_POINTS or size + point.ByteSize() > MOST_PAGE_BYTES):
            yield page, offset
            page, size = [], 0
        page.append(point)
        size += point.ByteSize()
        offset = following
    if page:
        yield page, offset


async def _compare(retrieval: Any, name: str, folder: Folder, part: str, points: int, tell: Tell) -> None:
    """Reads all back, beside the file: both are in the order of ids."""
    written = folder.points(part)
    same = 0
    async for stored in _stored(retrieval, name):
        wanted = next(written, None)
        if wanted is None or not _is_same(wanted[0], stored):
            raise EngineFailed(
                f"what was read back from {name!r} is not what was written, from point {stored.id} on: delete the "
                "collection and import it again"
            )
        same += 1
        if same % PAGE_POINTS == 0:
            tell(f"{part} read back", same, points)
    if same != points:
        raise EngineFailed(
            f"{same} of {points} points of {name!r} were found when they were read back: delete the collection and "
            "import it again"
        )
    tell(f"{part} read back", same, points)


async def _stored(retrieval: Any, name: str) -> AsyncIterator[pb.Point]:
    token, limit = "", PAGE_POINTS
    while True:
        page, limit = await page_of(retrieval, name, token, limit)
        for point in page.points:
            yield point
        if not (token := page.next_page_token):
            return


def _is_same(one: pb.Point, other: pb.Point) -> bool:
    return (
        one.id == other.id
        and one.text == other.text
        and dict(one.attachments) == dict(other.attachments)
        and MessageToDict(one.metadata) == MessageToDict(other.metadata)
        and _cosine(one.vector, other.vector) >= LEAST_COSINE
    )


def _cosine(one: bytes, other: bytes) -> float:
    """Of two vectors of length 1."""
    a, b = memoryview(one).cast("f"), memoryview(other).cast("f")
    return sum(x * y for x, y in zip(a, b, strict=True)) if len(a) == len(b) else 0.0
