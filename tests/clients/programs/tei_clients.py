"""Clients of Text Embeddings Inference: Hugging Face's own, LlamaIndex's and Haystack's; what they gave, as JSON."""

import asyncio
import json
import os
import sys
from typing import Any

from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.huggingface_api import HuggingFaceAPITextEmbedder
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

URL, KEY = os.environ["URL"], os.environ["KEY"]
TEXTS = ["the gate is opened in spring", "the pump house holds three pumps", "a pump"]
QUERY = "pumps of the pump house"


def hugging_face() -> dict[str, Any]:
    client = InferenceClient(model=f"{URL}/embed", token=KEY)
    several = client.feature_extraction(TEXTS, truncate=True, prompt_name="query")
    asynchronous = asyncio.run(AsyncInferenceClient(model=f"{URL}/embed", token=KEY).feature_extraction("a pump"))
    errors = []
    for token, text in ((KEY, ""), ("wrong", "a pump")):
        try:
            InferenceClient(model=f"{URL}/embed", token=token).feature_extraction(text)
        except HfHubHTTPError as error:
            errors.append(error.response.status_code)
    return {"shape": list(several.shape), "asynchronous": list(asynchronous.shape), "errors": errors}


def llama_index() -> dict[str, Any]:
    model = TextEmbeddingsInference(model_name="all-minilm-l6-v2", base_url=URL, auth_token=KEY, truncate_text=True)
    return {
        "query": len(model.get_query_embedding("pump " * 1000)),
        "texts": [len(vector) for vector in model.get_text_embedding_batch(TEXTS)],
        "asynchronous": len(asyncio.run(model.aget_text_embedding("a pump"))),
    }


def haystack() -> dict[str, Any]:
    documents = [Document(content=text) for text in TEXTS]
    embedder = HuggingFaceAPITextEmbedder(
        api_type="text_embeddings_inference", api_params={"url": f"{URL}/embed"}, token=Secret.from_token(KEY)
    )
    ranker = HuggingFaceTEIRanker(url=URL, top_k=2, token=Secret.from_token(KEY))
    refused = HuggingFaceTEIRanker(url=URL, token=Secret.from_token("wrong"), max_retries=0)
    try:
        refused.run(query=QUERY, documents=documents)
        error = "nothing was refused"
    except RuntimeError as raised:
        error = str(raised)
    ranked = ranker.run(query=QUERY, documents=documents)["documents"]
    return {
        "embedded": len(embedder.run(QUERY)["embedding"]),
        "ranked": [[document.content, document.score] for document in ranked],
        "asynchronous": [
            document.content
            for document in asyncio.run(ranker.run_async(query=QUERY, documents=documents))["documents"]
        ],
        "error": error,
    }


told = {"hugging_face": hugging_face(), "llama_index": llama_index(), "haystack": haystack()}
json.dump(told, sys.stdout)
