"""Clients of others, unchanged, in processes of their own, against the whole suite."""

from collections.abc import Callable
from typing import Any

from tests.gateway.suite import Suite

Run = Callable[[Suite, str], Any]


def test_langchain_nvidia_chats_embeds_and_reranks(suite: Suite, run: Run) -> None:
    told = run(suite, "langchain_nvidia.py")
    chat = told["chat"]
    assert {chat["whole"], "".join(chat["pieces"]), chat["asynchronous"]} == {"You said: hi"}
    assert len(chat["pieces"]) > 2
    assert chat["usage"]["total_tokens"] == chat["usage"]["input_tokens"] + chat["usage"]["output_tokens"]
    assert [(call["name"], call["args"]) for call in chat["tool_calls"]] == [("weather", {"city": "Oslo"})]
    assert chat["side"] in ("heads", "tails")
    assert {"scripted", "ledge-rag", "smollm2-135m-instruct", "all-minilm-l6-v2"} <= set(chat["models"])
    embeddings = told["embeddings"]
    assert len(embeddings["query"]) == embeddings["asynchronous"] == 64
    assert embeddings["documents"] == [64] * 120
    assert embeddings["short"] == 16
    reranking = told["reranking"]
    assert reranking["texts"][0] == "the pump house holds three pumps"
    assert reranking["scores"] == sorted(reranking["scores"], reverse=True)
    assert "no-such-model" in told["refusal"]


def test_langchain_nvidia_retrieves_from_the_documents(open_suite: Suite, run: Run) -> None:
    told = run(open_suite, "langchain_nvidia_rag.py")
    assert "The reservoir holds 4000 cubic metres" in told["text"]
    assert told["metadata"]["document_name"] == "handbook.md"
    assert told["same"]
    (missing, missing_told), (invalid, invalid_told) = told["errors"]
    assert (missing, invalid) == ("NVIDIARAGServerError", "NVIDIARAGValidationError")
    assert "nowhere" in missing_told
    assert "filter_expr" in invalid_told


def test_coheres_sdk_reranks(suite: Suite, run: Run) -> None:
    told = run(suite, "cohere_sdk.py")
    assert told["second"] == told["asynchronous"]
    assert (told["second"][0][0], len(told["second"])) == (1, 2)
    assert all(0 <= score <= 1 for _, score in told["second"])
    assert told["first"][0] == [1, "the pump house holds three pumps"]
    assert [kind for kind, _ in told["errors"]] == ["NotFoundError", "BadRequestError", "UnauthorizedError"]
    assert "no-such-model" in told["errors"][0][1]
