"""What the RAG blueprint's notebooks do with its two servers, request by request; what came is written as JSON.

There is no client of these paths on PyPI but `NVIDIARAGRetriever` for `/v1/search`: `nvidia-rag` is the servers
themselves, and its notebooks send these requests with aiohttp and requests.
"""

import json
import os
import sys
import time
from typing import Any

import httpx

http = httpx.Client(
    base_url=f"{os.environ['URL']}/v1", headers={"Authorization": f"Bearer {os.environ['KEY']}"}, timeout=60
)
NAME = "blueprint"
FILES = {"mill.txt": b"The mill grinds rye. It was built in 1802.", "weir.md": b"# Weir\n\nThe weir is 3 metres high."}
FOLLOWED_S = 60


def upload(method: str, files: dict[str, bytes], **settings: Any) -> dict[str, Any]:
    """Ingests without waiting, then asks for the state of the task, as the notebooks do."""
    data = {
        "collection_name": NAME,
        "blocking": False,
        "split_options": {"chunk_size": 512, "chunk_overlap": 150},
        "custom_metadata": [],
        "generate_summary": False,
        **settings,
    }
    form = [("documents", (name, content, "application/octet-stream")) for name, content in files.items()]
    task = http.request(method, "/documents", files=form, data={"data": json.dumps(data)}).raise_for_status().json()
    ends_s = time.monotonic() + FOLLOWED_S
    while time.monotonic() < ends_s:
        told = http.get("/status", params={"task_id": task["task_id"]}).raise_for_status().json()
        if told["state"] != "PENDING":
            return told
    raise TimeoutError(task["task_id"])


def generate(question: str, *before: str, **settings: Any) -> dict[str, Any]:
    """Reads the events line by line, as the notebooks do."""
    roles = ("user", "assistant") * (len(before) + 1)
    messages = [{"role": role, "content": text} for role, text in zip(roles, (*before, question), strict=False)]
    payload = {
        "messages": messages,
        "use_knowledge_base": True,
        "temperature": 0.2,
        "top_p": 0.7,
        "max_tokens": 1024,
        "reranker_top_k": 2,
        "vdb_top_k": 10,
        "collection_names": [NAME],
        "enable_query_rewriting": False,
        "enable_reranker": True,
        "enable_citations": True,
        "enable_guardrails": False,
        "stop": [],
        "filter_expr": "",
        **settings,
    }
    text, citations, metrics, stages, finish = "", [], {}, [], None
    with http.stream("POST", "/generate", json=payload) as response:
        if response.is_error:
            raise RuntimeError(response.read().decode())
        for line in response.iter_lines():
            if not line.startswith("data: "):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if chunk.get("event_type"):
                stages.append([chunk["event_type"], chunk["stage"]])
            for choice in chunk["choices"]:
                text += choice["delta"]["content"] or ""
                finish = choice["finish_reason"] or finish
            if chunk.get("citations") and chunk["citations"]["results"]:
                citations = [[one["document_name"], one["content"]] for one in chunk["citations"]["results"]]
            metrics = chunk.get("metrics") or metrics
    return {"text": text, "citations": citations, "metrics": metrics, "stages": stages, "finish": finish}


def search(query: str, **settings: Any) -> list[list[Any]]:
    payload = {
        "query": query,
        "reranker_top_k": 1,
        "vdb_top_k": 10,
        "collection_names": [NAME],
        "messages": [],
        "enable_query_rewriting": False,
        "enable_reranker": True,
        "filter_expr": "",
        **settings,
    }
    results = http.post("/search", json=payload).raise_for_status().json()["results"]
    return [[one["document_name"], one["content"]] for one in results]


def listed() -> list[str]:
    documents = http.get("/documents", params={"collection_name": NAME}).raise_for_status().json()["documents"]
    return sorted(document["document_name"] for document in documents)


told: dict[str, Any] = {"health": http.get("/health", params={"check_dependencies": True}).json()["message"]}
made = {"collection_name": NAME, "embedding_dimension": 2048, "metadata_schema": []}
told["made"] = http.post("/collection", json=made).raise_for_status().json()["message"]
told["ingested"] = upload("POST", FILES)["state"]
told["listed"] = listed()
told["collections"] = [one["collection_name"] for one in http.get("/collections").json()["collections"]]
told["searched"] = search("How high is the weir?")
told["answer"] = generate("When was the mill built?")
told["agentic"] = generate("And what does it grind?", "When was the mill built?", "In 1802.", agentic=True)
told["replaced"] = upload("PATCH", {"mill.txt": b"The mill grinds oats now. It was built in 1802."})["state"]
told["after_replacing"] = search("What does the mill grind?")
told["failures"] = [
    http.post(
        "/generate", json={"messages": [{"role": "user", "content": "x"}], "collection_names": ["no"]}
    ).status_code,
    http.post("/search", json={"query": "x", "collection_names": [NAME], "filter_expr": "!!"}).status_code,
    http.get("/status", params={"task_id": "nobody"}).json()["state"],
]
http.request("DELETE", "/documents", params={"collection_name": NAME}, json=["weir.md"]).raise_for_status()
told["after_deleting"] = listed()
told["deleted"] = http.request("DELETE", "/collections", json=[NAME]).raise_for_status().json()["successful"]
json.dump(told, sys.stdout)
