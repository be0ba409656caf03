"""The RAG blueprint's filter expressions, as the filter they mean.

expression := term (OR term)*          term := factor (AND factor)*
factor     := NOT factor | '(' expression ')' | array_contains[_any] '(' field ',' value ')' | field operator value
field      := content_metadata["name"]
operator   := == | = | != | < | <= | > | >= | in | not in
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.kit.errors import InvalidInput

MAX_CHARACTERS = 4096
MAX_NESTING = 16
_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^'\\]*'|-?\d+(?:\.\d+)?|\w+|==|!=|<=|>=|&&|\|\||[=<>()\[\],!])""")
_WORDS = {"&&": "and", "||": "or", "!": "not"}
_OWN_FIELDS = {"page_number": "page", "filename": "document"}
"""What the blueprint manages by itself, and what it is called here."""
_BOUNDS = {"<": "less_than", "<=": "at_most", ">": "more_than", ">=": "at_least"}


def filter_of(expression: str) -> pb.Filter:
    """The filter that an expression means. What is wrong with one is told of "it": the caller knows its name.

    Raises:
        InvalidInput: it is none, or uses what has no equivalent here (`like`, `between`, dates).
    """
    if len(expression) > MAX_CHARACTERS:
        raise InvalidInput(f"it has {len(expression)} characters; it may have {MAX_CHARACTERS}")
    condition = _Parser(expression).whole()
    return condition.filter if condition.HasField("filter") else pb.Filter(must=[condition])


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, expression: str) -> None:
        self._tokens = list(_tokens(expression))
        self._nesting = 0

    def whole(self) -> pb.Condition:
        condition = self._any()
        if self._tokens:
            raise _unreadable(self._tokens[0])
        return condition

    def _any(self) -> pb.Condition:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise InvalidInput("it nests too deeply")
        conditions = [self._all()]
        while self._taken("or"):
            conditions.append(self._all())
        self._nesting -= 1
        return conditions[0] if len(conditions) == 1 else pb.Condition(filter=pb.Filter(should=conditions))

    def _all(self) -> pb.Condition:
        conditions = [self._one()]
        while self._taken("and"):
            conditions.append(self._one())
        return conditions[0] if len(conditions) == 1 else pb.Condition(filter=pb.Filter(must=conditions))

    def _one(self) -> pb.Condition:
        if self._taken("not"):
            self._nesting += 1
            if self._nesting > MAX_NESTING:
                raise InvalidInput("it nests too deeply")
            condition = _not(self._one())
            self._nesting -= 1
            return condition
        if self._taken("("):
            condition = self._any()
            self._expect(")")
            return condition
        for function in ("array_contains_any", "array_contains"):
            if self._taken(function):
                self._expect("(")
                field = self._field()
                self._expect(",")
                condition = _match(field, self._values())
                self._expect(")")
                return condition
        return self._comparison(self._field())

    def _comparison(self, field: str) -> pb.Condition:
        operator = self._next().lower()
        match operator:
            case "==" | "=" | "in":
                return _match(field, self._values())
            case "!=":
                return _not(_match(field, self._values()))
            case "not":
                self._expect("in")
                return _not(_match(field, self._values()))
            case "<" | "<=" | ">" | ">=":
                bound = _value(self._next())
                if isinstance(bound, bool | str):
                    raise InvalidInput(f"{operator} compares numbers")
                return pb.Condition(range=pb.FieldRange(field=field, **{_BOUNDS[operator]: bound}))
        raise _unreadable(operator)

    def _field(self) -> str:
        self._expect("content_metadata")
        self._expect("[")
        name = _value(self._next())
        self._expect("]")
        if not isinstance(name, str):
            raise InvalidInput('a field is content_metadata["name"]')
        return _OWN_FIELDS.get(name, f"metadata.{name}")

    def _values(self) -> list[Any]:
        if not self._taken("["):
            return [_value(self._next())]
        values = [_value(self._next())]
        while self._taken(","):
            values.append(_value(self._next()))
        self._expect("]")
        return values

    def _next(self) -> str:
        if not self._tokens:
            raise InvalidInput("it ends in the middle")
        return self._tokens.pop(0)

    def _taken(self, word: str) -> bool:
        """Whether the next token is this one; then it is taken."""
        if self._tokens and self._tokens[0].lower() == word:
            del self._tokens[0]
            return True
        return False

    def _expect(self, word: str) -> None:
        token = self._next()
        if token.lower() != word:
            raise _unreadable(token)


def _tokens(expression: str) -> Iterator[str]:
    place = 0
    text = expression.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _unreadable(text[place:].lstrip())
        yield _WORDS.get(found[1], found[1])
        place = found.end()


def _value(token: str) -> Any:
    if token.startswith("'"):
        return token[1:-1]
    try:
        value = json.loads(token.lower() if token.isalpha() else token)
    except ValueError:
        raise _unreadable(token) from None
    if not isinstance(value, str | int | float | bool):
        raise _unreadable(token)
    return value


def _match(field: str, values: list[Any]) -> pb.Condition:
    condition = pb.Condition(match=pb.FieldMatch(field=field))
    for value in values:
        told = condition.match.any_of.add()
        if isinstance(value, bool):
            told.bool_value = value
        elif isinstance(value, str):
            told.string_value = value
        else:
            told.number_value = value
    return condition


def _not(condition: pb.Condition) -> pb.Condition:
    return pb.Condition(filter=pb.Filter(must_not=[condition]))


def _unreadable(token: str) -> InvalidInput:
    return InvalidInput(f"it cannot be read at {token[:40]!r}")
