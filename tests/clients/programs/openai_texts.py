"""OpenAI's SDK continues texts, embeds them and lists models; what it was given is written as JSON."""

import asyncio
import json
import os
import sys
from typing import Any

import openai

SERVER: dict[str, Any] = {"base_url": f"{os.environ['URL']}/v1", "api_key": os.environ["KEY"], "max_retries": 0}
LLM, ENCODER = "smollm2-135m-instruct", "all-minilm-l6-v2"
client = openai.OpenAI(**SERVER)


def completions() -> dict[str, Any]:
    whole = client.completions.create(model=LLM, prompt="hi", max_tokens=20, logprobs=1)
    echoed = client.completions.create(model=LLM, prompt="hi", max_tokens=20, echo=True)
    several = client.completions.create(model=LLM, prompt=["one", "two"], n=2, max_tokens=20)
    stream = client.completions.create(model=LLM, prompt="hi", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    return {
        "whole": whole.choices[0].text,
        "echoed": echoed.choices[0].text,
        "finish": whole.choices[0].finish_reason,
        "logprobs": len(whole.choices[0].logprobs.tokens),
        "several": [[choice.index, choice.text] for choice in several.choices],
        "pieces": [chunk.choices[0].text for chunk in chunks if chunk.choices],
        "usage": chunks[-1].usage.total_tokens,
    }


def embeddings() -> dict[str, Any]:
    one = client.embeddings.create(model=ENCODER, input="the pump house")
    floats = client.embeddings.create(model=ENCODER, input="the pump house", encoding_format="float")
    many = client.embeddings.create(model=ENCODER, input=[f"text {number}" for number in range(100)])
    short = client.embeddings.create(model=ENCODER, input="the pump house", dimensions=16)
    query = client.embeddings.create(model=ENCODER, input="the pump house", extra_body={"input_type": "query"})
    return {
        "dimensions": [len(one.data[0].embedding), len(short.data[0].embedding), len(query.data[0].embedding)],
        "decoded_alike": one.data[0].embedding == floats.data[0].embedding,
        "indices": [vector.index for vector in many.data],
        "usage": [one.usage.prompt_tokens, one.usage.total_tokens],
        "model": one.model,
    }


async def asynchronous() -> list[int]:
    async with openai.AsyncOpenAI(**SERVER) as other:
        vector, text = await asyncio.gather(
            other.embeddings.create(model=ENCODER, input="x"),
            other.completions.create(model=LLM, prompt="hi", max_tokens=20),
        )
    return [len(vector.data[0].embedding), len(text.choices)]


def errors() -> list[list[str]]:
    failing = {
        "suffix": lambda: client.completions.create(model=LLM, prompt="a", suffix="b"),
        "no such model": lambda: client.completions.create(model="nobody", prompt="a"),
        "engine": lambda: client.completions.create(model=LLM, prompt="breaks"),
        "nothing to embed": lambda: client.embeddings.create(model=ENCODER, input=[]),
        "no such encoder": lambda: client.embeddings.create(model="nobody", input="a"),
        "dimensions": lambda: client.embeddings.create(model=ENCODER, input="a", dimensions=1_000_000),
        "unknown model": lambda: client.models.retrieve("nobody"),
        "key": lambda: openai.OpenAI(**{**SERVER, "api_key": "wrong"}).models.list(),
        "nobody there": lambda: openai.OpenAI(**{**SERVER, "base_url": "http://127.0.0.1:9/v1"}).models.list(),
    }
    told = []
    for name, call in failing.items():
        try:
            call()
        except openai.OpenAIError as error:
            told.append([name, type(error).__name__])
    return told


told = {
    "completions": completions(),
    "embeddings": embeddings(),
    "asynchronous": asyncio.run(asynchronous()),
    "models": [model.id for model in client.models.list()],
    "retrieved": client.models.retrieve(LLM).id,
    "errors": errors(),
}
json.dump(told, sys.stdout)
