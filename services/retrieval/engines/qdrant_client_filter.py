"""Says a filter of the domain in qdrant-client's words, and which index would answer each of its fields."""

from collections.abc import Iterator
from typing import Any

from qdrant_client import models

from services.retrieval.engine import Condition, Filter, Match, Range
from services.retrieval.engines.qdrant_filter import key_of, wanted_indexes
from services.retrieval.engines.qdrant_shard import SWITCHES, switch

KINDS = {
    "float": models.PayloadSchemaType.FLOAT,
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
}


def to_qdrant(filter: Filter) -> models.Filter | None:
    """None for a filter that always holds."""
    return None if filter.is_empty() else _filter(filter)


def indexes(filter: Filter) -> Iterator[tuple[str, models.PayloadSchemaType]]:
    """The fields that a filter asks about."""
    return ((key, KINDS[kind]) for key, kind in wanted_indexes(filter))


def _filter(filter: Filter) -> models.Filter:
    return models.Filter(
        must=[_condition(condition) for condition in filter.must] or None,
        should=[_condition(condition) for condition in filter.should] or None,
        must_not=[_condition(condition) for condition in filter.must_not] or None,
    )


def _condition(condition: Condition) -> Any:
    match condition:
        case Filter():
            return _filter(condition)
        case Range(path, at_least, more_than, at_most, less_than):
            bounds = models.Range(gte=at_least, gt=more_than, lte=at_most, lt=less_than)
            return models.FieldCondition(key=key_of(path), range=bounds)
        case Match():
            return _match(condition)


def _match(match: Match) -> Any:
    key = key_of(match.path)
    words = [value for value in match.any_of if isinstance(value, str)]
    numbers = [value for value in match.any_of if isinstance(value, int) and not isinstance(value, bool)]
    flags = [switch(".".join(match.path), value) for value in match.any_of if isinstance(value, bool)]
    conditions: list[Any] = []
    for field, values in ((key, words), (key, numbers), (SWITCHES, flags)):
        if values:
            conditions.append(models.FieldCondition(key=field, match=models.MatchAny(any=values)))
    return conditions[0] if len(conditions) == 1 else models.Filter(should=conditions)
