"""OpenAI's SDK chats, by `chat.completions` and by `responses`; what it was given is written as JSON."""

import asyncio
import json
import os
import sys
from typing import Any, Literal

import openai
from pydantic import BaseModel

SERVER: dict[str, Any] = {"base_url": f"{os.environ['URL']}/v1", "api_key": os.environ["KEY"], "max_retries": 0}
MODEL = "smollm2-135m-instruct"
client = openai.OpenAI(**SERVER)


class Coin(BaseModel):
    side: Literal["heads", "tails"]


PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": None}


def asked(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def chat() -> dict[str, Any]:
    whole = client.chat.completions.create(**asked("hi"))
    chunks = list(client.chat.completions.create(**asked("hi"), stream=True, stream_options={"include_usage": True}))
    question = {"role": "user", "content": "weather in Oslo"}
    first = client.chat.completions.create(model=MODEL, messages=[question], tools=[TOOL], parallel_tool_calls=False)
    (call,) = first.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "snow"}
    second = client.chat.completions.create(
        model=MODEL, messages=[question, first.choices[0].message, result], tools=[TOOL]
    )
    with client.chat.completions.stream(**asked("weather in Oslo"), tools=[TOOL]) as stream:
        streamed = stream.get_final_completion().choices[0]
    alternatives = client.chat.completions.create(**asked("hi"), n=2, logprobs=True, top_logprobs=2, seed=1)
    return {
        "whole": whole.choices[0].message.content,
        "model": whole.model,
        "alias": client.chat.completions.create(**{**asked("hi"), "model": "gpt-4o-mini"}).choices[0].message.content,
        "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens],
        "pieces": [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices],
        "streamed_usage": chunks[-1].usage.total_tokens,
        "call": [call.function.name, json.loads(call.function.arguments)],
        "after_the_tool": second.choices[0].finish_reason,
        "streamed_call": [streamed.finish_reason, json.loads(streamed.message.tool_calls[0].function.arguments)],
        "side": client.chat.completions.parse(**asked("toss"), response_format=Coin).choices[0].message.parsed.side,
        "object": client.chat.completions.create(**asked("toss"), response_format={"type": "json_object"}).id,
        "alternatives": len(alternatives.choices),
        "logprobs": len(alternatives.choices[0].logprobs.content),
        "no_audio": client.chat.completions.create(**asked("hi"), audio=None, modalities=["text"]).choices[0].index,
    }


def documents() -> dict[str, Any]:
    question: Any = {"model": "ledge-rag", "messages": [{"role": "user", "content": "How tall is the pump house?"}]}
    whole = client.chat.completions.create(**question)
    chunks = list(client.chat.completions.create(**question, stream=True, extra_body={"effort": "balanced"}))
    return {
        "answer": whole.choices[0].message.content,
        "cited": [citation["document"] for citation in whole.model_extra["citations"]],
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
    }


def responses() -> dict[str, Any]:
    whole = client.responses.create(model=MODEL, input="hi", instructions="Be brief.", store=False)
    call = client.responses.create(model=MODEL, input="weather in Oslo", tools=[RESPONSES_TOOL]).output[0]
    with client.responses.stream(model=MODEL, input="hi") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
    cited = client.responses.create(model="ledge-rag", input="How tall is the pump house?").output[0].content[0]
    return {
        "whole": whole.output_text,
        "usage": whole.usage.total_tokens,
        "call": [call.type, call.name, json.loads(call.arguments)],
        "deltas": deltas,
        "side": client.responses.parse(model=MODEL, input="toss", text_format=Coin).output_parsed.side,
        "cited": [annotation.filename for annotation in cited.annotations],
    }


async def asynchronous() -> list[str]:
    """Several at once, on one connection pool."""
    async with openai.AsyncOpenAI(**SERVER) as other:
        answers = await asyncio.gather(*(other.chat.completions.create(**asked(f"number {n}")) for n in range(8)))
        stream = await other.chat.completions.create(**asked("number 8"), stream=True)
        last = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    return [*(answer.choices[0].message.content for answer in answers), last]


def errors() -> list[list[str]]:
    """The exception of the SDK's own that each way to fail comes as."""
    audio: Any = {"voice": "alloy", "format": "wav"}
    failing = {
        "no such model": lambda: client.chat.completions.create(**{**asked("x"), "model": "nobody"}),
        "audio": lambda: client.chat.completions.create(**asked("x"), modalities=["text", "audio"], audio=audio),
        "temperature": lambda: client.chat.completions.create(**asked("x"), temperature=7),
        "no messages": lambda: client.chat.completions.create(model=MODEL, messages=[]),
        "key": lambda: openai.OpenAI(**{**SERVER, "api_key": "wrong"}).chat.completions.create(**asked("x")),
        "engine": lambda: client.chat.completions.create(**asked("breaks")),
        "mid-stream": lambda: list(client.chat.completions.create(**asked("breaks"), stream=True)),
        "too slow": lambda: client.chat.completions.create(**asked("slow"), timeout=0.5),
        "kept": lambda: client.responses.create(model=MODEL, input="x", previous_response_id="resp_1"),
        "not kept": lambda: client.responses.retrieve("resp_1"),
        "responses": lambda: client.responses.create(model=MODEL, input="breaks"),
    }
    told = []
    for name, call in failing.items():
        try:
            call()
        except openai.OpenAIError as error:
            told.append([name, type(error).__name__])
    return told


told = {
    "chat": chat(),
    "documents": documents(),
    "responses": responses(),
    "asynchronous": asyncio.run(asynchronous()),
    "errors": errors(),
}
json.dump(told, sys.stdout)
