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


def test_openais_sdk_chats_and_responds(suite: Suite, run: Run) -> None:
    told = run(suite, "openai_chat.py")
    chat = told["chat"]
    assert {chat["whole"], chat["alias"], "".join(chat["pieces"])} == {"You said: hi"}
    assert len(chat["pieces"]) > 2
    prompt, completion, total = chat["usage"]
    assert prompt + completion == total == chat["streamed_usage"]
    assert chat["call"] == ["weather", {"city": "Oslo"}]
    assert chat["after_the_tool"] == "stop"
    assert chat["streamed_call"] == ["tool_calls", {"city": "Oslo"}]
    assert chat["side"] in ("heads", "tails")
    assert chat["object"]
    assert (chat["alternatives"], chat["no_audio"]) == (2, 0)
    assert chat["logprobs"] == completion
    documents = told["documents"]
    assert documents["answer"] == documents["streamed"] == "The pump house is 12 metres tall. [1]"
    assert documents["cited"] == ["handbook.md"]
    responses = told["responses"]
    assert responses["whole"] == "".join(responses["deltas"]) == "You said: hi"
    assert responses["call"] == ["function_call", "weather", {"city": "Oslo"}]
    assert responses["side"] in ("heads", "tails")
    assert responses["cited"] == ["handbook.md"]
    assert told["asynchronous"] == [f"You said: number {number}" for number in range(9)]
    assert dict(told["errors"]) == {
        "no such model": "NotFoundError",
        "audio": "BadRequestError",
        "temperature": "BadRequestError",
        "no messages": "BadRequestError",
        "key": "AuthenticationError",
        "engine": "InternalServerError",
        "mid-stream": "APIError",
        "too slow": "APITimeoutError",
        "kept": "BadRequestError",
        "not kept": "NotFoundError",
        "responses": "InternalServerError",
    }


def test_openais_sdk_continues_embeds_and_lists(suite: Suite, run: Run) -> None:
    told = run(suite, "openai_texts.py")
    completions = told["completions"]
    assert completions["whole"] == "".join(completions["pieces"]) == "You said: hi"
    assert completions["echoed"] == "hiYou said: hi"
    assert completions["finish"] == "stop"
    assert completions["logprobs"] > 2
    assert completions["several"] == [
        [number, f"You said: {word}"] for number, word in enumerate(("one", "one", "two", "two"))
    ]
    embeddings = told["embeddings"]
    assert embeddings["dimensions"] == [64, 16, 64]
    assert embeddings["decoded_alike"]
    assert embeddings["indices"] == list(range(100))
    assert told["asynchronous"] == [64, 1]
    assert {"scripted", "ledge-rag", "smollm2-135m-instruct", "all-minilm-l6-v2"} <= set(told["models"])
    assert told["retrieved"] == "smollm2-135m-instruct"
    assert dict(told["errors"]) == {
        "suffix": "BadRequestError",
        "no such model": "NotFoundError",
        "engine": "InternalServerError",
        "nothing to embed": "BadRequestError",
        "no such encoder": "NotFoundError",
        "dimensions": "BadRequestError",
        "unknown model": "NotFoundError",
        "key": "AuthenticationError",
        "nobody there": "APIConnectionError",
    }


def test_clients_of_jina_rerank(suite: Suite, run: Run) -> None:
    told = run(suite, "jina_rerank.py")
    assert told["ranked"] == told["alias"] == told["haystack"]
    (best, most), (_, least) = told["ranked"]
    assert best == "the pump house holds three pumps"
    assert 1 >= most > least >= 0
    unknown, unauthenticated = told["refusals"]
    assert "no-such-model" in unknown
    assert "API key" in unauthenticated


def test_clients_of_text_embeddings_inference_embed_and_rerank(suite: Suite, run: Run) -> None:
    told = run(suite, "tei_clients.py")
    assert told["hugging_face"] == {"shape": [3, 64], "asynchronous": [1, 64], "errors": [400, 401]}
    assert told["llama_index"] == {"query": 64, "texts": [64] * 3, "asynchronous": 64}
    haystack = told["haystack"]
    assert haystack["embedded"] == 64
    assert [text for text, _ in haystack["ranked"]] == haystack["asynchronous"]
    assert haystack["asynchronous"][0] == "the pump house holds three pumps"
    assert "401" in haystack["error"]


def test_the_requests_of_the_blueprints_notebooks_are_answered(suite: Suite, run: Run) -> None:
    told = run(suite, "blueprint_notebook.py")
    assert told["health"] == "gateway is ready"
    assert "blueprint" in told["made"]
    assert (told["ingested"], told["replaced"]) == ("FINISHED", "FINISHED")
    assert told["listed"] == ["mill.txt", "weir.md"]
    assert {"blueprint", "default"} <= set(told["collections"])
    assert told["searched"] == [["weir.md", "The weir is 3 metres high."]]
    answer, agentic = told["answer"], told["agentic"]
    assert "It was built in 1802. [1]" in answer["text"]
    assert ["mill.txt", "The mill grinds rye. It was built in 1802."] in answer["citations"]
    assert answer["metrics"]["rag_ttft_ms"] > 0
    assert not answer["stages"]
    assert (answer["finish"], agentic["finish"]) == ("stop", "stop")
    assert "The mill grinds rye." in agentic["text"]
    for stage in ("route", "condense", "retrieve", "rerank", "grade", "ground", "verify"):
        assert ["stage_start", stage] in agentic["stages"]
        assert ["stage_end", stage] in agentic["stages"]
    assert told["after_replacing"][0][1].startswith("The mill grinds oats now.")
    assert told["failures"] == [404, 422, "UNKNOWN"]
    assert told["after_deleting"] == ["mill.txt"]
    assert told["deleted"] == ["blueprint"]
