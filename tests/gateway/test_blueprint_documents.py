"""The RAG blueprint's ingestion: uploads, what became of them, documents and collections."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.gateway.suite import KEY, Suite, another_gateway, start, whole_suite

NOTE = b"# The mill\n\nThe mill grinds rye. It was built in 1802.\n"


@pytest.fixture
async def http(documents: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with documents.http() as client:
        yield client


def files(**contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("documents", (name.replace("_", "."), content)) for name, content in contents.items()]


async def upload(http: httpx.AsyncClient, collection: str, given: Any, **settings: Any) -> httpx.Response:
    data = {"data": json.dumps({"collection_name": collection, **settings})}
    return await http.post("/v1/documents", files=given, data=data)


async def finished(http: httpx.AsyncClient, task_id: str) -> Any:
    """The outcome of an upload; each answer is the wait for the next question."""
    for _ in range(2000):
        told = (await http.get("/v1/status", params={"task_id": task_id})).json()
        if told["state"] != "PENDING":
            return told
    raise AssertionError("the upload never ended")


async def listed(http: httpx.AsyncClient, collection: str) -> list[str]:
    told = (await http.get("/v1/documents", params={"collection_name": collection})).json()
    assert told["total_documents"] == len(told["documents"])
    return sorted(document["document_name"] for document in told["documents"])


async def test_a_collection_is_made_filled_listed_searched_and_deleted(http: httpx.AsyncClient) -> None:
    made = await http.post("/v1/collection", json={"collection_name": "mills", "embedding_dimension": 2048})
    assert made.json() == {"message": "Collection mills created.", "collection_name": "mills"}

    metadata = [{"filename": "mill.md", "metadata": {"county": "Essex"}}]
    response = await upload(http, "mills", files(mill_md=NOTE), blocking=True, custom_metadata=metadata)
    told = response.json()
    assert (told["total_documents"], told["documents_completed"], told["failed_documents"]) == (1, 1, [])
    assert told["documents"][0]["document_name"] == "mill.md"

    (document,) = (await http.get("/v1/documents", params={"collection_name": "mills"})).json()["documents"]
    assert document["metadata"] == {"county": "Essex"}
    assert document["document_info"]["file_size"] == len(NOTE)

    collections = {one["collection_name"]: one for one in (await http.get("/v1/collections")).json()["collections"]}
    assert collections["mills"]["collection_info"]["number_of_files"] == 1
    assert collections["mills"]["num_entities"] >= 1

    found = await http.post("/v1/search", json={"query": "what does the mill grind", "collection_names": ["mills"]})
    assert "rye" in found.json()["results"][0]["content"]
    assert found.json()["results"][0]["metadata"]["content_metadata"]["county"] == "Essex"

    for county, count in (("Essex", 1), ("Kent", 0)):
        asked = {"collection_names": ["mills"], "filter_expr": f'content_metadata["county"] == "{county}"'}
        fitting = await http.post("/v1/search", json={"query": "what does the mill grind", **asked})
        assert fitting.json()["total_results"] == count
        answer = await http.post("/v1/generate", json={"messages": [{"content": "What does the mill grind?"}], **asked})
        assert ("rye" in answer.text) == bool(count)

    gone = await http.request("DELETE", "/v1/collections", json=["mills", "nowhere"])
    assert gone.json()["successful"] == ["mills"]
    assert [one["collection_name"] for one in gone.json()["failed"]] == ["nowhere"]
    missing = await http.get("/v1/documents", params={"collection_name": "mills"})
    assert missing.status_code == 404
    assert "mills" in missing.json()["message"]


async def test_an_upload_in_the_background_is_followed_until_it_is_done(http: httpx.AsyncClient) -> None:
    given = files(good_md=NOTE, bad_pdf=b"%PDF-1.7 nothing")
    begun = (await upload(http, "background", given)).json()
    told = await finished(http, begun["task_id"])
    assert told["state"] == "FINISHED"
    assert [one["document_name"] for one in told["result"]["documents"]] == ["good.md"]
    (failed,) = told["result"]["failed_documents"]
    assert failed["document_name"] == "bad.pdf"
    assert failed["error_message"]
    assert told["nv_ingest_status"] == {
        "extraction_completed": 2,
        "document_wise_status": {"good.md": "completed", "bad.pdf": "failed"},
    }
    assert await listed(http, "background") == ["good.md"]


async def test_a_changed_document_replaces_the_old_one(http: httpx.AsyncClient) -> None:
    outcomes = []
    for content in (NOTE, NOTE, NOTE + b"It stands empty.\n"):
        data = {"data": json.dumps({"collection_name": "changing", "blocking": True})}
        told = (await http.patch("/v1/documents", files=files(a_md=content), data=data)).json()
        outcomes.append(told["documents"][0]["document_info"]["outcome"])
    assert outcomes == ["stored", "unchanged", "replaced"]


async def test_documents_are_deleted_by_name_or_all_at_once(http: httpx.AsyncClient) -> None:
    given = files(a_md=NOTE, b_md=NOTE, c_md=NOTE)
    assert (await upload(http, "doomed", given, blocking=True)).status_code == 200
    where = {"collection_name": "doomed"}
    assert (await http.request("DELETE", "/v1/documents", params=where, json=["b.md"])).json()["total_documents"] == 1
    assert await listed(http, "doomed") == ["a.md", "c.md"]
    assert (await http.request("DELETE", "/v1/documents", params=where, json=["b.md"])).status_code == 404
    assert (await http.request("DELETE", "/v1/documents", params=where)).status_code == 422
    assert await listed(http, "doomed") == ["a.md", "c.md"]
    assert (await http.request("DELETE", "/v1/documents", params=where, json=[])).json()["total_documents"] == 2
    assert await listed(http, "doomed") == []


async def test_a_name_that_comes_twice_is_told(http: httpx.AsyncClient) -> None:
    given = [*files(a_md=NOTE), ("documents", ("folder/a.md", b"other"))]
    told = (await upload(http, "twice", given, blocking=True)).json()
    assert told["total_documents"] == 1
    assert told["validation_errors"][0]["metadata"]["filename"] == "a.md"


@pytest.mark.parametrize(
    ("given", "settings", "told"),
    [
        ([("documents", ("", b"x"))], {}, "documents"),
        ([("other", ("a.md", b"x"))], {}, "at least one file"),
        (files(a_md=NOTE), {"collection_name": "Not A Name"}, "no name of a collection"),
        (files(a_md=NOTE), {"generate_summary": True}, "generate_summary"),
        (files(a_md=NOTE), {"custom_metadata": [{"filename": 1}]}, "custom_metadata"),
        (files(a_md=NOTE), {"blocking": "perhaps"}, "blocking"),
        ([("documents", (f"{number}.md", b"x")) for number in range(257)], {}, "files"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_taken_in_is_the_callers_fault(
    http: httpx.AsyncClient, given: Any, settings: dict[str, Any], told: str
) -> None:
    response = await upload(http, "", given, **{"blocking": True, **settings})
    assert response.status_code == 400
    assert told in response.json()["message"]


async def test_a_body_that_is_no_form_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/documents", json={"documents": []})
    assert response.status_code == 400
    assert "multipart/form-data" in response.json()["message"]


async def test_a_page_of_another_site_cannot_slip_documents_in(http: httpx.AsyncClient) -> None:
    own = str(http.base_url).rstrip("/")
    behind_tls = own.replace("http://", "https://")
    for origin, status in (("https://evil.example", 403), ("null", 403), (own, 200), (behind_tls, 200)):
        data = {"data": json.dumps({"collection_name": "pages", "blocking": True})}
        response = await http.post("/v1/documents", files=files(a_md=NOTE), data=data, headers={"origin": origin})
        assert response.status_code == status, origin
    assert (
        "LEDGE_CORS_ALLOW_ORIGINS"
        in (await http.post("/v1/documents", headers={"origin": "https://evil.example"})).json()["message"]
    )


async def test_collections_are_made_by_the_list(http: httpx.AsyncClient) -> None:
    told = (await http.post("/v1/collections", json=["one", "Not A Name", ""])).json()
    assert told["successful"] == ["one"]
    assert (told["total_success"], told["total_failed"]) == (1, 2)
    assert (await http.post("/v1/collections", json={"names": []})).status_code == 422


async def test_an_unknown_upload_is_told_so(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/status", params={"task_id": "nothing"})).json()["state"] == "UNKNOWN"
    assert (await http.get("/v1/status")).status_code == 422


async def test_nobody_follows_the_upload_of_another(documents: Suite) -> None:
    rag = documents.others["rag"].address
    with another_gateway(documents, LEDGE_RAG_ADDRESS=rag, LEDGE_API_KEYS=f"ada={KEY},bob=sk-bob") as shared:
        bobs_key = {"authorization": "Bearer sk-bob"}
        async with shared.http() as ada, httpx.AsyncClient(base_url=shared.url, headers=bobs_key) as bob:
            task_id = (await upload(ada, "hers", files(a_md=NOTE))).json()["task_id"]
            assert (await finished(ada, task_id))["state"] == "FINISHED"
            assert (await bob.get("/v1/status", params={"task_id": task_id})).json()["state"] == "UNKNOWN"


async def test_uploads_past_the_bound_and_too_large_ones_are_refused(documents: Suite) -> None:
    rag = documents.others["rag"].address
    settings = {"LEDGE_RAG_ADDRESS": rag, "LEDGE_MAX_UPLOADS": "1", "LEDGE_MAX_UPLOAD_BYTES": "100000"}
    with another_gateway(documents, **settings) as small:
        async with small.http() as http:
            assert (await upload(http, "small", files(a_md=b"x" * 200_000))).status_code == 413
            # The first holds the only place with a body that does not end.
            head = "POST /v1/documents HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
            head += f"authorization: Bearer {KEY}\r\ncontent-type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            _, writer = await asyncio.open_connection(*small.place)
            writer.write(head.encode())
            for _ in range(2000):
                response = await upload(http, "small", files(a_md=NOTE), blocking=True)
                if response.status_code == 429:
                    break
            assert response.status_code == 429
            assert int(response.headers["retry-after"]) >= 1
            writer.close()
            for _ in range(2000):
                response = await upload(http, "small", files(a_md=NOTE), blocking=True)
                if response.status_code == 200:
                    break
            assert response.status_code == 200


async def test_an_upload_that_fails_says_why(suite: Suite) -> None:
    async with suite.http() as http:
        task_id = (await upload(http, "", files(a_md=NOTE))).json()["task_id"]
        told = await finished(http, task_id)
    assert told["state"] == "FAILED"
    assert "cannot be reached" in told["result"]["message"]


async def test_a_gateway_that_stops_finishes_what_it_took_in() -> None:
    with whole_suite() as documents:
        async with documents.http() as http:
            many = [("documents", (f"{number}.md", NOTE * 50)) for number in range(20)]
            assert (await upload(http, "late", many)).status_code == 200
        documents.gateway.terminate()
        assert await asyncio.to_thread(documents.gateway.wait) == 0
        addresses = {"LEDGE_RAG_ADDRESS": documents.others["rag"].address, "LEDGE_PEER_API_KEY": "sk-peer"}
        again = start("gateway", **{"LEDGE_API_KEYS": f"ada={KEY}", **addresses})
        try:
            async with httpx.AsyncClient(base_url=f"http://{again.wait_ready().address}", timeout=60) as http:
                http.headers["authorization"] = f"Bearer {KEY}"
                assert len(await listed(http, "late")) == 20
        finally:
            again.close()


async def test_what_outlasts_the_drain_is_cut_off_and_the_gateway_still_ends(documents: Suite) -> None:
    rag = documents.others["rag"]
    with another_gateway(documents, LEDGE_RAG_ADDRESS=rag.address, LEDGE_DRAIN_S="1") as draining:
        rag.process.send_signal(signal.SIGSTOP)
        try:
            async with draining.http() as http:
                assert (await upload(http, "cut", files(a_md=NOTE))).status_code == 200
            draining.gateway.terminate()
            assert await asyncio.to_thread(draining.gateway.wait) == 0
        finally:
            rag.process.send_signal(signal.SIGCONT)
