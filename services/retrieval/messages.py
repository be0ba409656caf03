"""Checks requests and translates between protobuf and the domain; what is wrong is told with its place."""

import math
import re
import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.kit.errors import InvalidInput
from services.retrieval.engine import (
    PATH_SEPARATOR,
    Condition,
    Filter,
    Match,
    Point,
    Query,
    Range,
    Selection,
    Vector,
)

MAX_DIMENSIONS = 8192
MAX_POINTS_A_MESSAGE = 1000
MAX_IDS = 10_000
MAX_TEXT_BYTES = 2**20
MAX_QUERY_CHARACTERS = 8192
MAX_METADATA_BYTES = 64 * 2**10
MAX_ATTACHMENTS_BYTES = 2**20
MAX_ATTACHMENT_NAME_BYTES = 128
MAX_LIMIT = 1000
MAX_CANDIDATES = 10_000
MAX_CONDITIONS = 64
MAX_FILTER_DEPTH = 4
MAX_MATCH_VALUES = 100
MAX_PATH_PARTS = 16
WHOLE = 2**53
"""Up to here every whole number is a double."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_name(name: str) -> str:
    """A name that a collection may have."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "name: a collection's name is 1 to 64 characters of a-z, 0-9, '-', '_' and '.', "
            "beginning with a letter or digit"
        )
    return name


def new_dimensions(dimensions: int) -> int:
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise InvalidInput(f"dimensions: {dimensions} is not within 1 to {MAX_DIMENSIONS}")
    return dimensions


def points_of(messages: Iterable[pb.Point], dimensions: int) -> list[Point]:
    return [_point(message, index, dimensions) for index, message in enumerate(messages)]


def _point(message: pb.Point, index: int, dimensions: int) -> Point:
    if not _ID.fullmatch(message.id):
        raise InvalidInput(f"points[{index}].id: {message.id[:64]!r} is not a UUID in its canonical form")
    try:
        return Point(
            message.id,
            vector_of(message.vector, dimensions),
            _text(message.text),
            _metadata(message.metadata),
            _attachments(message.attachments),
        )
    except InvalidInput as error:
        raise InvalidInput(f"point {message.id}: {error.message}") from None


def vector_of(content: bytes, dimensions: int) -> Vector:
    """A vector of length 1."""
    if len(content) != 4 * dimensions:
        raise InvalidInput(
            f"vector: {len(content)} bytes, where the collection's {dimensions} dimensions are {4 * dimensions} bytes "
            "of little-endian float32"
        )
    vector = vector_from(content)
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise InvalidInput("vector: an element is not finite")
    if length == 0.0:
        raise InvalidInput("vector: all elements are zero, and a vector of no length has no direction")
    return array("f", [each / length for each in vector])


def vector_from(content: bytes) -> Vector:
    """From the little-endian float32 of a message."""
    vector = array("f", content)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def vector_bytes(vector: Vector) -> bytes:
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return vector.tobytes()


def _text(text: str) -> str:
    if len(text) > MAX_TEXT_BYTES or (not text.isascii() and len(text.encode()) > MAX_TEXT_BYTES):
        raise InvalidInput(f"text: longer than {MAX_TEXT_BYTES} bytes")
    return text


def _attachments(attachments: Mapping[str, bytes]) -> dict[str, bytes]:
    if not attachments:
        return {}
    for name in attachments:
        if not 1 <= len(name.encode()) <= MAX_ATTACHMENT_NAME_BYTES or "\0" in name:
            raise InvalidInput(f"attachments: a name is 1 to {MAX_ATTACHMENT_NAME_BYTES} bytes without a zero byte")
    if sum(map(len, attachments.values())) > MAX_ATTACHMENTS_BYTES:
        raise InvalidInput(f"attachments: more than {MAX_ATTACHMENTS_BYTES} bytes in all")
    return dict(attachments)


def _metadata(metadata: Struct) -> dict[str, Any]:
    if metadata.ByteSize() > MAX_METADATA_BYTES:
        raise InvalidInput(f"metadata: more than {MAX_METADATA_BYTES} bytes")
    return {name: _json(value) for name, value in metadata.fields.items()}


def _json(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            return _number(value.number_value)
        case "list_value":
            return [_json(element) for element in value.list_value.values]
        case "struct_value":
            return {name: _json(element) for name, element in value.struct_value.fields.items()}
        case _:
            return None


def _number(number: float) -> int | float:
    if not math.isfinite(number):
        raise InvalidInput("metadata: a number is not finite")
    return int(number) if number.is_integer() and abs(number) <= WHOLE else number


def ids_of(ids: Iterable[str]) -> list[str]:
    checked = list(ids)
    if len(checked) > MAX_IDS:
        raise InvalidInput(f"ids: {len(checked)} are more than {MAX_IDS}")
    for index, id in enumerate(checked):
        if not _ID.fullmatch(id):
            raise InvalidInput(f"ids[{index}]: {id[:64]!r} is not a UUID in its canonical form")
    return checked


def filter_of(message: pb.Filter) -> Filter:
    filter, conditions = _filter(message, 1)
    if conditions > MAX_CONDITIONS:
        raise InvalidInput(f"filter: {conditions} conditions are more than {MAX_CONDITIONS}")
    return filter


def _filter(message: pb.Filter, depth: int) -> tuple[Filter, int]:
    if depth > MAX_FILTER_DEPTH:
        raise InvalidInput(f"filter: nested more than {MAX_FILTER_DEPTH} deep")
    total = 0
    parts: list[tuple[Condition, ...]] = []
    for part in (message.must, message.should, message.must_not):
        conditions = []
        for entry in part:
            condition, count = _condition(entry, depth)
            conditions.append(condition)
            total += count
        parts.append(tuple(conditions))
    return Filter(*parts), total


def _condition(message: pb.Condition, depth: int) -> tuple[Condition, int]:
    match message.WhichOneof("kind"):
        case "match":
            values = [_match_value(value) for value in message.match.any_of]
            if not 1 <= len(values) <= MAX_MATCH_VALUES:
                raise InvalidInput(f"filter: a match has 1 to {MAX_MATCH_VALUES} values")
            return Match(_path(message.match.field), tuple(values)), 1
        case "range":
            return _range(message.range), 1
        case "filter":
            filter, count = _filter(message.filter, depth + 1)
            return filter, count + 1
        case _:
            raise InvalidInput("filter: a condition is empty")


def _range(message: pb.FieldRange) -> Range:
    names = ("at_least", "more_than", "at_most", "less_than")
    bounds = {name: getattr(message, name) for name in names if message.HasField(name)}
    if not bounds:
        raise InvalidInput("filter: a range has no bound")
    if not all(math.isfinite(bound) for bound in bounds.values()):
        raise InvalidInput("filter: a bound is not finite")
    return Range(_path(message.field), **bounds)


def _path(field: str) -> tuple[str, ...]:
    path = tuple(field.split(PATH_SEPARATOR))
    if not all(path) or any(sign in field for sign in '"\\') or len(path) > MAX_PATH_PARTS:
        raise InvalidInput(f"filter: {field[:64]!r} does not name a field")
    return path


def _match_value(value: Value) -> str | int | bool:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            if math.isfinite(number) and number.is_integer() and abs(number) <= WHOLE:
                return int(number)
    raise InvalidInput("filter: a value to match is a string, a whole number or a boolean")


def query_of(message: pb.SearchRequest, dimensions: int) -> Query:
    if not message.vector and not message.text:
        raise InvalidInput("a search needs a vector, a text, or both")
    if len(message.text) > MAX_QUERY_CHARACTERS:
        raise InvalidInput(f"text: longer than {MAX_QUERY_CHARACTERS} characters")
    limit = limit_of(message.limit if message.HasField("limit") else 10)
    candidates = message.candidates if message.HasField("candidates") else max(50, 4 * limit)
    if not 1 <= candidates <= MAX_CANDIDATES:
        raise InvalidInput(f"candidates: {candidates} is not within 1 to {MAX_CANDIDATES}")
    min_cosine = message.min_cosine if message.HasField("min_cosine") else None
    if min_cosine is not None and not -1.0 <= min_cosine <= 1.0:
        raise InvalidInput("min_cosine: not within -1 to 1")
    return Query(
        vector=vector_of(message.vector, dimensions) if message.vector else None,
        text=message.text,
        limit=limit,
        candidates=candidates,
        filter=filter_of(message.filter),
        min_cosine=min_cosine,
        exact=message.exact,
        selection=selection_of(message.selection if message.HasField("selection") else None),
    )


def limit_of(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit: {limit} is not within 1 to {MAX_LIMIT}")
    return limit


def selection_of(message: pb.Selection | None) -> Selection:
    if message is None:
        return Selection()
    for name in message.attachments:
        if not 1 <= len(name.encode()) <= MAX_ATTACHMENT_NAME_BYTES:
            raise InvalidInput(f"selection: an attachment's name is 1 to {MAX_ATTACHMENT_NAME_BYTES} bytes")
    return Selection(message.text, message.metadata, message.vector, tuple(dict.fromkeys(message.attachments)))


def start_of(page_token: str) -> str | None:
    """The id where a page starts; None for the first."""
    if page_token and not _ID.fullmatch(page_token):
        raise InvalidInput("page_token: not one that Scroll has given")
    return page_token or None
