"""A Qdrant server as the engine, or its client's local mode: nothing is kept here, so replicas may share one server.

A point's payload: `text`, `metadata`, `switches` (its booleans), `terms` (ids of its BM25 terms, which are counted) and
`attachments` (base64, by the hexadecimal of their names).
"""

import base64
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from services.kit.errors import EngineFailed, InvalidInput, LedgeError, NotFound, NotReady, Overloaded
from services.retrieval.analysis import Analysis, rarity
from services.retrieval.config import RetrievalConfig
from services.retrieval.engine import Collection, Filter, Hit, Point, Query, Selection, TermCount
from services.retrieval.engines.qdrant_client_filter import indexes, to_qdrant
from services.retrieval.engines.qdrant_shard import METADATA, SWITCHES, TEXT, switches
from services.retrieval.fusion import fuse

DENSE, TERMS, ATTACHMENTS = "dense", "terms", "attachments"
PREFIX = "ledge-"
"""Of collections' names on the server, which others may use too."""
REQUEST_BYTES = 8 * 2**20
"""A server takes 32 MiB of JSON; attachments and vectors grow by a third and more on the way there."""
PIECE_POINTS = 64
Ranking = list[tuple[str, float]]


class Qdrant:
    """Shared by all threads; in local mode one call at a time."""

    name = "qdrant"

    def __init__(self, config: RetrievalConfig) -> None:
        self._analysis = Analysis(config.language, config.average_terms)
        self._max_collections = config.max_collections
        self._links, self._build_effort = config.hnsw_links, config.hnsw_build_effort
        self._effort = config.hnsw_search_effort
        self._most_answer_bytes = config.max_message_bytes
        self._dimensions: dict[str, int] = {}
        self._indexed: set[tuple[str, str]] = set()
        self._is_local = config.qdrant_url is None
        self._lock: Any = threading.RLock() if self._is_local else nullcontext()
        if config.qdrant_url is None:
            config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._client = QdrantClient(
                    path=str(config.data_dir / "qdrant-local"), force_disable_check_same_thread=True
                )
            except RuntimeError as error:
                raise InvalidInput(f"LEDGE_DATA_DIR: {config.data_dir} is in use by another process") from error
        else:
            self._client = QdrantClient(
                url=config.qdrant_url,
                api_key=config.qdrant_key(),
                timeout=config.qdrant_timeout_s,
                check_compatibility=False,
            )
        with self._asking():
            self._client.get_collections()

    def create_collection(self, name: str, dimensions: int) -> bool:
        with self._asking():
            try:
                there = self.dimensions(name)
            except NotFound:
                pass
            else:
                if there != dimensions:
                    raise InvalidInput(f"collection {name!r} exists with {there} dimensions")
                return False
            if len(self._names()) >= self._max_collections:
                raise InvalidInput(f"there are {self._max_collections} collections, as many as may be: delete one")
            self._client.create_collection(
                PREFIX + name,
                # Vectors have length 1: the product is the cosine.
                vectors_config={DENSE: models.VectorParams(size=dimensions, distance=models.Distance.DOT)},
                sparse_vectors_config={TERMS: models.SparseVectorParams()},
                hnsw_config=models.HnswConfigDiff(m=self._links, ef_construct=self._build_effort),
            )
            self._index(name, TERMS, models.PayloadSchemaType.INTEGER)
            self._dimensions[name] = dimensions
            return True

    def collections(self) -> Sequence[Collection]:
        with self._asking():
            return [Collection(name, self.dimensions(name), self.count(name, Filter())) for name in self._names()]

    def dimensions(self, collection: str) -> int:
        with self._asking(collection):
            known = self._dimensions.get(collection)
            if known is None:
                if not self._client.collection_exists(PREFIX + collection):
                    raise NotFound(f"there is no collection {collection!r}")
                vectors: Any = self._client.get_collection(PREFIX + collection).config.params.vectors
                if not isinstance(vectors, dict) or DENSE not in vectors:
                    raise EngineFailed(f"collection {collection!r} on the Qdrant server was not made by Ledge")
                known = self._dimensions[collection] = int(vectors[DENSE].size)
            return known

    def delete_collection(self, name: str) -> None:
        self.dimensions(name)
        with self._asking(name):
            self._client.delete_collection(PREFIX + name)
            self._dimensions.pop(name, None)
            self._indexed = {index for index in self._indexed if index[0] != name}

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        self.dimensions(collection)
        with self._asking(collection):
            for piece in _pieces({point.id: point for point in points}.values()):
                made = [self._stored(point) for point in piece]
                self._client.upsert(PREFIX + collection, made, wait=True)

    def delete(self, collection: str, ids: Sequence[str], filter: Filter | None) -> int:
        self.dimensions(collection)
        with self._asking(collection):
            deleted = 0
            gone: list[Any] = [models.HasIdCondition(has_id=list(dict.fromkeys(ids)))] if ids else []
            for condition in (*gone, *([] if filter is None else [to_qdrant(filter) or models.Filter()])):
                chosen = condition if isinstance(condition, models.Filter) else models.Filter(must=[condition])
                deleted += self._client.count(PREFIX + collection, count_filter=chosen, exact=True).count
                self._client.delete(PREFIX + collection, models.FilterSelector(filter=chosen), wait=True)
            return deleted

    def search(self, collection: str, query: Query) -> Sequence[Hit]:
        self.dimensions(collection)
        with self._asking(collection):
            self._want_indexes(collection, query.filter)
            found, cosines = self._found(collection, query)
            points = {point.id: point for point in self._fetch(collection, [id for id, _ in found], query.selection)}
            return [Hit(points[id], score, cosines.get(id)) for id, score in found if id in points]

    def scroll(
        self, collection: str, filter: Filter, limit: int, start: str | None, selection: Selection
    ) -> tuple[Sequence[Point], str | None]:
        self.dimensions(collection)
        with self._asking(collection):
            self._want_indexes(collection, filter)
            records, following = self._client.scroll(
                PREFIX + collection,
                scroll_filter=to_qdrant(filter),
                limit=limit,
                offset=start,
                with_payload=False,
                with_vectors=False,
            )
            page = self._fetch(collection, [str(record.id) for record in records], selection)
            return page, None if following is None else str(following)

    def count(self, collection: str, filter: Filter) -> int:
        self.dimensions(collection)
        with self._asking(collection):
            self._want_indexes(collection, filter)
            return int(self._client.count(PREFIX + collection, count_filter=to_qdrant(filter), exact=True).count)

    def count_terms(self, collection: str, text: str) -> tuple[Sequence[TermCount], int]:
        self.dimensions(collection)
        with self._asking(collection):
            found: dict[str, TermCount] = {}
            for term in self._analysis.terms(text):
                if term.term not in found:
                    found[term.term] = TermCount(term.word, term.term, self._holding(collection, term.id))
            return list(found.values()), self._with_text(collection)

    def close(self) -> None:
        with self._lock:
            self._client.close()

    def _found(self, collection: str, query: Query) -> tuple[Ranking, dict[str, float]]:
        """The best points, and the cosines of those to the query's vector."""
        if query.vector is None:
            return self._by_terms(collection, query, query.limit), {}
        if not query.text:
            found = self._by_vector(collection, query, query.limit)
            return found, dict(found)
        dense = self._by_vector(collection, query, query.candidates)
        text = self._by_terms(collection, query, query.candidates)
        fused = fuse([[id for id, _ in dense], [id for id, _ in text]])
        if query.min_cosine is None:
            fused = fused[: query.limit]
        cosines = dict(dense)
        if missing := {id for id, _ in fused} - cosines.keys():
            among = models.Filter(must=[models.HasIdCondition(has_id=list(missing))])
            params = models.SearchParams(exact=True)
            cosines |= dict(self._ranking(collection, query.vector.tolist(), DENSE, len(missing), among, params, None))
        if query.min_cosine is not None:
            # A point that is gone since has no cosine any more.
            fused = [(id, score) for id, score in fused if cosines.get(id, -2.0) >= query.min_cosine]
        return fused[: query.limit], cosines

    def _by_vector(self, collection: str, query: Query, limit: int) -> Ranking:
        assert query.vector is not None  # noqa: S101 - asked for by vector
        params = models.SearchParams(exact=query.exact, hnsw_ef=max(self._effort, limit))
        vector = query.vector.tolist()
        return self._ranking(collection, vector, DENSE, limit, to_qdrant(query.filter), params, query.min_cosine)

    def _by_terms(self, collection: str, query: Query, limit: int) -> Ranking:
        """BM25: the texts' part is in their sparse vectors, the collection's is counted now."""
        terms = self._analysis.ids(query.text)
        if not terms:
            return []
        points = self._with_text(collection)
        weights = [rarity(self._holding(collection, term), points) for term in terms]
        sparse = models.SparseVector(indices=terms, values=weights)
        return self._ranking(collection, sparse, TERMS, limit, to_qdrant(query.filter), None, None)

    def _ranking(
        self,
        collection: str,
        by: Any,
        using: str,
        limit: int,
        among: models.Filter | None,
        params: models.SearchParams | None,
        threshold: float | None,
    ) -> Ranking:
        answer = self._client.query_points(
            PREFIX + collection,
            query=by,
            using=using,
            limit=limit,
            query_filter=among,
            # Local mode is always exact.
            search_params=None if self._is_local else params,
            score_threshold=threshold,
            with_payload=False,
        )
        return [(id, -score) for score, id in sorted((-hit.score, str(hit.id)) for hit in answer.points)]

    def _fetch(self, collection: str, ids: Sequence[str], selection: Selection) -> list[Point]:
        """Those of the points that are still there, in the order of `ids`."""
        fields = [name for name, wanted in ((TEXT, selection.text), (METADATA, selection.metadata)) if wanted]
        fields += [f"{ATTACHMENTS}.{name.encode().hex()}" for name in selection.attachments]
        points: list[Point] = []
        read_bytes = 0
        for start in range(0, len(ids), PIECE_POINTS):
            records = self._client.retrieve(
                PREFIX + collection,
                ids[start : start + PIECE_POINTS],
                with_payload=models.PayloadSelectorInclude(include=fields) if fields else False,
                with_vectors=[DENSE] if selection.vector else False,
            )
            by_id = {str(record.id): _restored(record, selection) for record in records}
            points += [by_id[id] for id in ids[start : start + PIECE_POINTS] if id in by_id]
            read_bytes += sum(map(_weight_bytes, by_id.values()))
            if read_bytes > self._most_answer_bytes:
                raise InvalidInput(
                    f"the points asked for take more than the {self._most_answer_bytes} bytes that a message may "
                    "have: lower the limit, or select less"
                )
        return points

    def _holding(self, collection: str, term: int) -> int:
        one = models.FieldCondition(key=TERMS, match=models.MatchValue(value=term))
        return int(self._client.count(PREFIX + collection, count_filter=models.Filter(must=[one]), exact=True).count)

    def _with_text(self, collection: str) -> int:
        empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=TERMS))
        told = models.Filter(must_not=[empty])
        return int(self._client.count(PREFIX + collection, count_filter=told, exact=True).count)

    def _stored(self, point: Point) -> models.PointStruct:
        weights = self._analysis.weigh(point.text)
        vectors: dict[str, Any] = {} if point.vector is None else {DENSE: point.vector.tolist()}
        if weights:
            vectors[TERMS] = models.SparseVector(indices=list(weights), values=list(weights.values()))
        payload: dict[str, Any] = {TEXT: point.text, METADATA: dict(point.metadata), TERMS: list(weights)}
        if told := list(switches(point.metadata)):
            payload[SWITCHES] = told
        if point.attachments:
            payload[ATTACHMENTS] = {
                name.encode().hex(): base64.b64encode(content).decode() for name, content in point.attachments.items()
            }
        return models.PointStruct(id=point.id, vector=vectors, payload=payload)

    def _names(self) -> list[str]:
        there = self._client.get_collections().collections
        return sorted(one.name.removeprefix(PREFIX) for one in there if one.name.startswith(PREFIX))

    def _want_indexes(self, collection: str, filter: Filter) -> None:
        for key, kind in indexes(filter):
            self._index(collection, key, kind)

    def _index(self, collection: str, key: str, kind: models.PayloadSchemaType) -> None:
        """Local mode reads every payload anyway."""
        if not self._is_local and (collection, key) not in self._indexed:
            self._client.create_payload_index(PREFIX + collection, key, field_schema=kind, wait=False)
            self._indexed.add((collection, key))

    @contextmanager
    def _asking(self, collection: str = "") -> Iterator[None]:
        with self._lock:
            try:
                yield
            except LedgeError:
                raise
            except UnexpectedResponse as error:
                if error.status_code == httpx.codes.NOT_FOUND and collection:
                    self._dimensions.pop(collection, None)
                raise _meant(error, collection) from error
            except (ResponseHandlingException, httpx.HTTPError) as error:
                raise NotReady("the Qdrant server cannot be reached, or is too slow") from error


def _meant(error: UnexpectedResponse, collection: str) -> LedgeError:
    match error.status_code:
        case 404 if collection:
            return NotFound(f"there is no collection {collection!r}")
        case 401 | 403:
            return EngineFailed("the Qdrant server refuses the key that LEDGE_QDRANT_API_KEY tells")
        case 429:
            return Overloaded("the Qdrant server has too much to do", 1.0)
        case 502 | 503 | 504:
            return NotReady("the Qdrant server is not ready")
        case _:
            return EngineFailed(f"the Qdrant server failed with status {error.status_code}")


def _pieces(points: Iterable[Point]) -> Iterator[list[Point]]:
    """So many points as one request takes."""
    piece: list[Point] = []
    piece_bytes = 0
    for point in points:
        point_bytes = _weight_bytes(point)
        if piece and (len(piece) >= PIECE_POINTS or piece_bytes + point_bytes > REQUEST_BYTES):
            yield piece
            piece, piece_bytes = [], 0
        piece.append(point)
        piece_bytes += point_bytes
    if piece:
        yield piece


def _weight_bytes(point: Point) -> int:
    vector_bytes = 0 if point.vector is None else 4 * len(point.vector)
    return vector_bytes + len(point.text.encode()) + sum(map(len, point.attachments.values()))


def _restored(record: Any, selection: Selection) -> Point:
    payload = record.payload or {}
    vector = array("f", record.vector[DENSE]) if selection.vector else None
    attachments = {
        bytes.fromhex(name).decode(): base64.b64decode(content)
        for name, content in (payload.get(ATTACHMENTS) or {}).items()
    }
    return Point(str(record.id), vector, payload.get(TEXT, ""), payload.get(METADATA, {}), attachments)
