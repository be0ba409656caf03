"""langchain-nvidia-ai-endpoints as its users call it; what it gave is written as JSON."""

import asyncio
import json
import os
import sys
from typing import Any, Literal

from langchain_core.documents import Document
from langchain_core.tools import tool
from langchain_nvidia_ai_endpoints import ChatNVIDIA, NVIDIAEmbeddings, NVIDIARerank
from pydantic import BaseModel

SERVER = {"base_url": f"{os.environ['URL']}/v1", "api_key": os.environ["KEY"]}
LLM = "smollm2-135m-instruct"
ENCODER = "all-minilm-l6-v2"


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"snow in {city}"


class Coin(BaseModel):
    side: Literal["heads", "tails"]


def chat() -> dict[str, Any]:
    model = ChatNVIDIA(model=LLM, **SERVER)
    with_tools = model.bind_tools([weather])
    with_schema = model.with_structured_output(Coin)
    return {
        "whole": model.invoke("hi").content,
        "pieces": [piece.content for piece in model.stream("hi")],
        "asynchronous": asyncio.run(model.ainvoke("hi")).content,
        "usage": model.invoke("hi").usage_metadata,
        "tool_calls": with_tools.invoke("weather in Oslo").tool_calls,
        "side": with_schema.invoke("toss").side,
        "models": [known.id for known in model.available_models],
    }


def embeddings() -> dict[str, Any]:
    model = NVIDIAEmbeddings(model=ENCODER, truncate="END", **SERVER)
    short = NVIDIAEmbeddings(model=ENCODER, dimensions=16, **SERVER)
    return {
        "query": model.embed_query("pump " * 1000),
        "documents": [len(vector) for vector in model.embed_documents([f"document {n}" for n in range(120)])],
        "short": len(short.embed_query("pump")),
        "asynchronous": len(asyncio.run(model.aembed_query("pump"))),
    }


def reranking() -> dict[str, Any]:
    model = NVIDIARerank(model=ENCODER, top_n=2, truncate="END", **SERVER)
    texts = ["the gate is opened in spring", "the pump house holds three pumps", "a pump"]
    documents = [Document(page_content=text) for text in texts]
    best = model.compress_documents(documents, "pumps of the pump house")
    return {"texts": [one.page_content for one in best], "scores": [one.metadata["relevance_score"] for one in best]}


def refusal() -> str:
    try:
        NVIDIARerank(model="no-such-model", **SERVER).compress_documents([Document(page_content="a")], "b")
    except Exception as error:
        return str(error)
    return "nothing was refused"


told = {"chat": chat(), "embeddings": embeddings(), "reranking": reranking(), "refusal": refusal()}
json.dump(told, sys.stdout)
