from typing import Any

import httpx
import pytest

DOCUMENTS = ["the gate is opened in spring", "the pump house holds three pumps", "a pump"]
QUERY = "pumps of the pump house"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "scripted", "query": QUERY, "documents": DOCUMENTS, **fields}


async def test_documents_come_back_best_first_with_scores_of_zero_to_one(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/rerank", json=body(), headers={"x-request-id": "asked"})
    told = response.json()
    assert (told["id"], told["model"]) == ("asked", "scripted")
    assert told["usage"] is None, "clients of Jina's look for it"
    results = told["results"]
    assert results[0]["document"] == {"text": DOCUMENTS[1]}
    assert {result["index"]: result["document"]["text"] for result in results} == dict(enumerate(DOCUMENTS))
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
async def test_documents_come_back_only_where_they_are_wanted(http: httpx.AsyncClient, path: str) -> None:
    for wanted in (True, False):
        results = (await http.post(path, json=body(return_documents=wanted))).json()["results"]
        assert ["document" in result for result in results] == [wanted] * len(DOCUMENTS)
    results = (await http.post("/v2/rerank", json=body())).json()["results"]
    assert "document" not in results[0]


async def test_the_best_are_enough_where_that_is_asked(http: httpx.AsyncClient) -> None:
    documents = [{"text": text} for text in DOCUMENTS]
    results = (await http.post("/v1/rerank", json=body(documents=documents, top_n=1))).json()["results"]
    assert [result["index"] for result in results] == [1]


async def test_a_long_document_is_cut(http: httpx.AsyncClient) -> None:
    response = await http.post("/v2/rerank", json=body(documents=["pump " * 600], max_tokens_per_doc=4096))
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"model": "no-such-model"}, 404, "no model"),
        ({"documents": []}, 400, "at least 1"),
        ({"documents": [""]}, 400, "passage 0 is empty"),
        ({"documents": [{"title": "x"}]}, 400, "documents"),
        ({"documents": ["a"] * 1001}, 400, "at most 1000"),
        ({"query": ""}, 400, "query is empty"),
        ({"top_n": 0}, 400, "top_n"),
        ({"rank_fields": ["title"]}, 400, "rank_fields"),
        ({"relevant_spans": {"mode": "enabled"}}, 400, "relevant_spans"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_cannot_be_reranked_is_told_in_coheres_shape(
    http: httpx.AsyncClient, path: str, fields: dict[str, Any], status: int, told: str
) -> None:
    response = await http.post(path, json=body(**fields))
    assert response.status_code == status
    assert told in response.json()["message"]


async def test_without_a_key_the_refusal_has_that_shape_too(http: httpx.AsyncClient) -> None:
    response = await http.post("/v2/rerank", json=body(), headers={"authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert "API key" in response.json()["message"]


async def test_text_embeddings_inference_clients_find_their_paths(http: httpx.AsyncClient) -> None:
    vectors = (await http.post("/embed", json={"inputs": DOCUMENTS, "prompt_name": "query", "truncate": True})).json()
    by_openai = {"model": "scripted", "input": DOCUMENTS, "input_type": "query"}
    data = (await http.post("/v1/embeddings", json=by_openai)).json()["data"]
    assert vectors == [one["embedding"] for one in data]
    assert len((await http.post("/embed", json={"inputs": "pump"})).json()) == 1
    by_haystack = {"inputs": DOCUMENTS, "prompt_name": "query", "normalize": False}
    assert (await http.post("/embed", json=by_haystack)).json() == vectors, "they have length one all the same"

    asked = {"query": QUERY, "texts": DOCUMENTS, "return_text": True}
    ranks = (await http.post("/rerank", json=asked)).json()
    assert (ranks[0]["index"], ranks[0]["text"]) == (1, DOCUMENTS[1])
    assert [rank["score"] for rank in ranks] == sorted((rank["score"] for rank in ranks), reverse=True)


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        ("/embed", {"inputs": []}, "at least 1"),
        ("/embed", {"inputs": "a", "prompt_name": "other"}, "prompt_name"),
        ("/embed", {"inputs": "word " * 300}, "tokens"),
        ("/rerank", {"query": "a", "texts": []}, "at least 1"),
        ("/rerank", {"query": "a", "texts": ["word " * 600]}, "passage 0"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_they_cannot_ask_is_told_in_their_shape(
    http: httpx.AsyncClient, path: str, fields: dict[str, Any], told: str
) -> None:
    response = await http.post(path, json=fields)
    assert response.status_code == 400
    assert response.json()["error_type"] == "invalid_input"
    assert told in response.json()["error"]


@pytest.mark.parametrize("fields", [{"embedding_type": "int8"}, {"modality": "image"}])
async def test_vectors_of_another_kind_are_refused(http: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    response = await http.post("/v1/embeddings", json={"model": "scripted", "input": "a", **fields})
    assert response.status_code == 400
    assert next(iter(fields)) in response.json()["error"]["message"]
