from typing import Any

import httpx
import pytest

PASSAGES = ["the gate is opened in spring", "the pump house holds three pumps", "a pump"]


def ranking(**fields: Any) -> dict[str, Any]:
    passages = [{"text": text} for text in PASSAGES]
    return {"model": "scripted", "query": {"text": "pumps of the pump house"}, "passages": passages, **fields}


async def test_passages_come_back_best_first(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/ranking", json=ranking())
    assert response.status_code == 200
    rankings = response.json()["rankings"]
    assert rankings[0]["index"] == 1
    assert sorted(one["index"] for one in rankings) == [0, 1, 2]
    assert [one["logit"] for one in rankings] == sorted((one["logit"] for one in rankings), reverse=True)


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"model": "no-such-model"}, 404, "no model"),
        ({"passages": []}, 400, "at least 1"),
        ({"passages": [{"text": ""}]}, 400, "passage 0 is empty"),
        ({"query": {"text": " "}}, 400, "query is empty"),
        ({"query": "plain"}, 400, "query"),
        ({"passages": [{"text": "a", "image": "data:"}]}, 400, "image is not supported"),
        ({"truncate": "START"}, 400, "truncate"),
        ({"passages": [{"text": "word " * 600}]}, 400, "passage 0"),
        ({"passages": [{"text": "a"}] * 1001}, 400, "at most 1000"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_cannot_be_ranked_is_told_in_nemo_retrievers_shape(
    http: httpx.AsyncClient, fields: dict[str, Any], status: int, told: str
) -> None:
    response = await http.post("/v1/ranking", json=ranking(**fields))
    body = response.json()
    assert (response.status_code, body["status"]) == (status, status)
    assert told in body["detail"]


async def test_long_passages_are_cut_where_that_is_asked(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/ranking", json=ranking(passages=[{"text": "pump " * 600}], truncate="END"))
    assert response.status_code == 200
