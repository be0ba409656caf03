"""Finds the best points of a shard by vector, by terms, or by both fused by reciprocal rank."""

from collections.abc import Mapping
from typing import Any

import qdrant_edge as qe

from services.retrieval.engine import Query
from services.retrieval.engines.qdrant_filter import to_qdrant
from services.retrieval.engines.qdrant_shard import DENSE, TERMS
from services.retrieval.fusion import fuse

_EXACT = qe.SearchParams(exact=True)

Ranking = list[tuple[str, float]]
"""Ids and scores, best first; ties in the order of ids."""


def find(
    shard: qe.EdgeShard, query: Query, terms: Mapping[int, float], effort: int
) -> tuple[Ranking, dict[str, float]]:
    """The best points, and the cosines of those to the query's vector.

    Args:
        terms: ids of the terms of the query's text, each with its weight.
        effort: HNSW's ef.
    """
    if query.vector is None:
        return _by_terms(shard, query, terms, query.limit), {}
    if not query.text:
        found = _by_vector(shard, query, effort, query.limit)
        return found, dict(found)
    dense = _by_vector(shard, query, effort, query.candidates)
    text = _by_terms(shard, query, terms, query.candidates)
    fused = fuse([[id for id, _ in dense], [id for id, _ in text]])
    if query.min_cosine is None:
        fused = fused[: query.limit]
    cosines = dict(dense) | _cosines(shard, query, {id for id, _ in fused} - {id for id, _ in dense})
    if query.min_cosine is not None:
        # A point that is gone since has no cosine any more.
        fused = [(id, score) for id, score in fused if cosines.get(id, -2.0) >= query.min_cosine]
    return fused[: query.limit], cosines


def _by_vector(shard: qe.EdgeShard, query: Query, effort: int, limit: int) -> Ranking:
    params = _EXACT if query.exact else qe.SearchParams(hnsw_ef=max(effort, limit))
    return _ranking(shard, query, _nearest(query), limit, params, query.min_cosine)


def _by_terms(shard: qe.EdgeShard, query: Query, terms: Mapping[int, float], limit: int) -> Ranking:
    if not terms:
        return []
    sparse = qe.SparseVector(indices=list(terms), values=list(terms.values()))
    return _ranking(shard, query, qe.Query.Nearest(sparse, using=TERMS), limit, None, None)


def _ranking(
    shard: qe.EdgeShard,
    query: Query,
    by: qe.Query,
    limit: int,
    params: qe.SearchParams | None,
    threshold: float | None,
) -> Ranking:
    request = qe.QueryRequest(
        limit=limit,
        query=by,
        filter=to_qdrant(query.filter),
        params=params,
        score_threshold=threshold,
        with_payload=False,
        with_vector=False,
    )
    return [(id, -score) for score, id in sorted((-hit.score, str(hit.id)) for hit in shard.query(request))]


def _cosines(shard: qe.EdgeShard, query: Query, ids: set[str]) -> dict[str, float]:
    if not ids:
        return {}
    among: Any = ids
    request = qe.QueryRequest(
        limit=len(ids),
        query=_nearest(query),
        filter=qe.Filter(must=[qe.HasIdCondition(among)]),
        params=_EXACT,
        with_payload=False,
        with_vector=False,
    )
    return {str(hit.id): hit.score for hit in shard.query(request)}


def _nearest(query: Query) -> qe.Query:
    vector: Any = query.vector
    return qe.Query.Nearest(vector, using=DENSE)
