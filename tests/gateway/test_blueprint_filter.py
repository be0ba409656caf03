"""The RAG blueprint's filter expressions: what they mean, judged on metadata by a plain reading of the filter."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.gateway.blueprint_filter import filter_of
from services.kit.errors import InvalidInput

DOCUMENT: dict[str, Any] = {
    "document": "report.pdf",
    "page": 7,
    "metadata.category": "technical",
    "metadata.priority": 5,
    "metadata.public": True,
    "metadata.tags": ["tech", "ai"],
}


def fits(restriction: pb.Filter) -> bool:
    """As `ledge.retrieval.v1.Filter` says it."""
    return (
        all(map(holds, restriction.must))
        and (not restriction.should or any(map(holds, restriction.should)))
        and not any(map(holds, restriction.must_not))
    )


def holds(condition: pb.Condition) -> bool:
    if condition.HasField("filter"):
        return fits(condition.filter)
    part = condition.match if condition.HasField("match") else condition.range
    found = DOCUMENT.get(part.field, [])
    values = found if isinstance(found, list) else [found]
    if condition.HasField("match"):
        wanted = [getattr(value, value.WhichOneof("kind")) for value in condition.match.any_of]
        return any(
            (value, isinstance(value, bool)) == (other, isinstance(other, bool)) for value in values for other in wanted
        )
    bounds = condition.range
    return any(
        (not bounds.HasField("at_least") or value >= bounds.at_least)
        and (not bounds.HasField("more_than") or value > bounds.more_than)
        and (not bounds.HasField("at_most") or value <= bounds.at_most)
        and (not bounds.HasField("less_than") or value < bounds.less_than)
        for value in values
    )


@pytest.mark.parametrize(
    ("expression", "fitting"),
    [
        ('content_metadata["category"] == "technical"', True),
        ("content_metadata['category'] = 'other'", False),
        ('content_metadata["category"] != "technical"', False),
        ('content_metadata["category"] in ["a", "technical"]', True),
        ('content_metadata["category"] NOT IN ["a", "technical"]', False),
        ('content_metadata["priority"] > 5', False),
        ('content_metadata["priority"] >= 5', True),
        ('content_metadata["priority"] < 5.5', True),
        ('content_metadata["priority"] <= 4', False),
        ('content_metadata["public"] == true', True),
        ('content_metadata["page_number"] == 7', True),
        ('content_metadata["filename"] == "report.pdf"', True),
        ('array_contains(content_metadata["tags"], "ai")', True),
        ('array_contains_any(content_metadata["tags"], ["law", "art"])', False),
        ('(content_metadata["category"] == "technical") AND (content_metadata["priority"] > 5)', False),
        ('content_metadata["category"] == "x" or content_metadata["priority"] == 5', True),
        (
            'content_metadata["priority"] == 1 || content_metadata["priority"] == 5 && content_metadata["public"] == 1',
            False,
        ),
        ('not content_metadata["category"] == "x"', True),
        ('!(content_metadata["category"] == "technical" or content_metadata["priority"] == 1)', False),
    ],
)
def test_an_expression_keeps_what_it_says(expression: str, fitting: bool) -> None:
    assert fits(filter_of(expression)) is fitting


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ('content_metadata["a"]', "ends in the middle"),
        ('content_metadata["a"] == ', "ends in the middle"),
        ('content_metadata["a"] like "%b%"', "'like'"),
        ('content_metadata["a"] between 1 and 2', "'between'"),
        ('content_metadata["a"] > "b"', "compares numbers"),
        ('content_metadata[1] == "b"', "a field is"),
        ('title == "b"', "'title'"),
        ('content_metadata["a"] == "b" content_metadata', "'content_metadata'"),
        ('content_metadata["a"] == {}', "'{}'"),
        ("(" * 20 + 'content_metadata["a"] == 1' + ")" * 20, "too deeply"),
        ("not " * 20 + 'content_metadata["a"] == 1', "too deeply"),
        ("x" * 5000, "4096"),
    ],
)
def test_what_is_no_expression_is_the_callers_fault(expression: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        filter_of(expression)
    assert len(refused.value.message) < 200


PIECES = [
    "content_metadata",
    '["a"]',
    "==",
    "in",
    "not",
    "and",
    "or",
    "(",
    ")",
    "[",
    "]",
    ",",
    '"b"',
    "1",
    "array_contains",
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)))
def test_nothing_but_a_filter_or_a_refusal_comes_of_any_text(expression: str) -> None:
    try:
        filter_of(expression)
    except InvalidInput:
        return
