"""Says a filter of the domain in qdrant-edge's words, and which index would answer each of its fields."""

from collections.abc import Iterator
from typing import Any

import qdrant_edge as qe

from services.kit.errors import InvalidInput
from services.retrieval.engine import Condition, Filter, Match, Range
from services.retrieval.engines.qdrant_shard import METADATA, SWITCHES, switch

Index = qe.KeywordIndexParams | qe.IntegerIndexParams | qe.FloatIndexParams


def to_qdrant(filter: Filter) -> qe.Filter | None:
    """None for a filter that always holds."""
    return None if filter.is_empty() else _filter(filter)


def _filter(filter: Filter) -> qe.Filter:
    return qe.Filter(
        must=[_condition(condition) for condition in filter.must] or None,
        should=[_condition(condition) for condition in filter.should] or None,
        must_not=[_condition(condition) for condition in filter.must_not] or None,
    )


def _condition(condition: Condition) -> qe.FieldCondition | qe.Filter:
    match condition:
        case Filter():
            return _filter(condition)
        case Range():
            bounds = qe.RangeFloat(condition.at_least, condition.more_than, condition.at_most, condition.less_than)
            return qe.FieldCondition(key_of(condition.path), range=bounds)
        case Match():
            return _match(condition)


def _match(match: Match) -> qe.FieldCondition | qe.Filter:
    key = key_of(match.path)
    words = [value for value in match.any_of if isinstance(value, str)]
    switches: list[Any] = [switch(".".join(match.path), value) for value in match.any_of if isinstance(value, bool)]
    numbers = [value for value in match.any_of if isinstance(value, int) and not isinstance(value, bool)]
    lists: list[Any] = [values for values in (words, numbers) if values]
    conditions: list[Any] = [qe.FieldCondition(key, match=qe.MatchAny(values)) for values in lists]
    if switches:
        conditions.append(qe.FieldCondition(SWITCHES, match=qe.MatchAny(switches)))
    return conditions[0] if len(conditions) == 1 else qe.Filter(should=conditions)


def key_of(path: tuple[str, ...]) -> str:
    """The JSON path of a field of the metadata."""
    for name in path:
        if not name or '"' in name or "\\" in name:
            raise InvalidInput(f"a filter cannot name the field {'.'.join(path)!r}")
    return ".".join([METADATA, *(f'"{name}"' for name in path)])


def wanted_indexes(filter: Filter) -> Iterator[tuple[str, str]]:
    """The fields that a filter asks about, each with the kind of index that answers it."""
    for condition in (*filter.must, *filter.should, *filter.must_not):
        match condition:
            case Filter():
                yield from wanted_indexes(condition)
            case Range():
                yield key_of(condition.path), "float"
            case Match(_, (bool(), *_)):
                yield SWITCHES, "keyword"
            case Match(path, (str(), *_)):
                yield key_of(path), "keyword"
            case Match(path, _):
                yield key_of(path), "integer"


def index_of(kind: str) -> Index:
    """An index of a kind that `wanted_indexes` names. Where a field holds other values too, they are still found."""
    match kind:
        case "float":
            return qe.FloatIndexParams()
        case "keyword":
            return qe.KeywordIndexParams()
        case "integer":
            # No ranges: an index of whole numbers would miss fractions.
            return qe.IntegerIndexParams(lookup=True, range=False)
    raise ValueError(f"there is no kind of index {kind!r}")
