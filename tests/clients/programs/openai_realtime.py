"""OpenAI's SDK talks with the documents: text, speech, push to talk, a function, a cancel; what happened is JSON."""

import asyncio
import base64
import json
import os
import sys
import wave
from typing import Any

import openai
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

SERVER = {"base_url": f"{os.environ['URL']}/v1", "api_key": os.environ["KEY"], "max_retries": 0}
WAIT_S = 40
HZ = 24_000
STRICT = TypeAdapter(RealtimeServerEvent)
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def question(name: str) -> bytes:
    with wave.open(f"{os.environ['SPEECH']}/{name}") as file:
        assert file.getframerate() == HZ
        return file.readframes(file.getnframes())


def checked(event: Any) -> Any:
    """Each event must be one that OpenAI's types know in full."""
    STRICT.validate_python(event.model_dump())
    return event


def text_item(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def until(connection: Any, last: str) -> list[Any]:
    events = []
    async with asyncio.timeout(WAIT_S):
        async for event in connection:
            events.append(checked(event))
            if event.type == "error":
                raise RuntimeError(event.error.message)
            if event.type == last:
                return events
    raise RuntimeError(f"the connection ended before {last}: {[event.type for event in events]}")


def told(events: list[Any]) -> dict[str, Any]:
    done = [event.response for event in events if event.type == "response.done"]
    return {
        "types": [event.type for event in events],
        "text": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "said": "".join(event.delta for event in events if event.type == "response.output_audio_transcript.delta"),
        "audio_s": sum(
            len(base64.b64decode(event.delta)) for event in events if event.type == "response.output_audio.delta"
        )
        / HZ
        / 2,
        "heard": [
            event.transcript
            for event in events
            if event.type == "conversation.item.input_audio_transcription.completed"
        ],
        "status": done[-1].status if done else None,
        "reason": done[-1].status_details.reason if done and done[-1].status_details else None,
        "usage": done[-1].usage.total_tokens if done and done[-1].usage else None,
    }


async def append(connection: Any, audio: bytes) -> None:
    for start in range(0, len(audio), HZ // 5):
        piece = base64.b64encode(audio[start : start + HZ // 5]).decode()
        await connection.input_audio_buffer.append(audio=piece)


async def text(client: openai.AsyncOpenAI) -> dict[str, Any]:
    async with client.realtime.connect(model="gpt-realtime") as connection:
        created = checked(await connection.recv())
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await until(connection, "session.updated")
        await connection.conversation.item.create(item=text_item("How tall is the pump house?"))
        await connection.response.create()
        events = await until(connection, "response.done")
        return {**told(events), "session": created.session.model}


async def speech(client: openai.AsyncOpenAI) -> dict[str, Any]:
    """Server VAD: what was said ends in silence."""
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await until(connection, "session.created")
        await append(connection, question("pump_house.wav") + bytes(HZ * 3))
        events = await until(connection, "response.done")
        answer = next(event.item_id for event in events if event.type == "response.output_audio.delta")
        await connection.conversation.item.truncate(item_id=answer, content_index=0, audio_end_ms=300)
        await until(connection, "conversation.item.truncated")
        await connection.conversation.item.retrieve(item_id=answer)
        *_, retrieved = await until(connection, "conversation.item.retrieved")
        return {**told(events), "kept": retrieved.item.content[0].transcript}


async def push_to_talk(client: openai.AsyncOpenAI) -> dict[str, Any]:
    async with client.realtime.connect(model="ledge-rag") as connection:
        await until(connection, "session.created")
        hearing = {"input": {"turn_detection": None}}
        await connection.session.update(session={"type": "realtime", "audio": hearing})
        *_, updated = await until(connection, "session.updated")
        assert updated.session.audio.input.turn_detection is None
        await append(connection, question("pump_house.wav"))
        await connection.input_audio_buffer.commit()
        await until(connection, "conversation.item.input_audio_transcription.completed")
        await connection.response.create()
        return told(await until(connection, "response.done"))


async def function(client: openai.AsyncOpenAI) -> dict[str, Any]:
    async with client.realtime.connect(model=os.environ["CHAT_MODEL"]) as connection:
        await until(connection, "session.created")
        session = {"type": "realtime", "output_modalities": ["text"], "tools": [TOOL], "tool_choice": "auto"}
        await connection.session.update(session=session)
        await connection.conversation.item.create(item=text_item("weather in Oslo"))
        await connection.response.create()
        events = await until(connection, "response.done")
        call = next(item for item in events[-1].response.output if item.type == "function_call")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"sky": "blue"}'}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        after = told(await until(connection, "response.done"))
        return {"name": call.name, "arguments": json.loads(call.arguments), "after": after, **told(events)}


async def cancel(client: openai.AsyncOpenAI) -> dict[str, Any]:
    async with client.realtime.connect(model=os.environ["CHAT_MODEL"]) as connection:
        await until(connection, "session.created")
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.conversation.item.create(item=text_item("for ever"))
        await connection.response.create()
        first = await until(connection, "response.output_text.delta")
        await connection.response.cancel()
        rest = await until(connection, "response.done")
        await connection.conversation.item.create(item=text_item("hi"))
        await connection.response.create()
        return {**told(first + rest), "next": told(await until(connection, "response.done"))}


async def transcription(client: openai.AsyncOpenAI) -> dict[str, Any]:
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        created = checked(await connection.recv())
        session = {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
        await connection.session.update(session=session)
        await until(connection, "session.updated")
        await append(connection, question("pump_house.wav") + bytes(HZ * 3))
        events = await until(connection, "conversation.item.input_audio_transcription.completed")
        return {**told(events), "session": created.session.type}


async def secret(client: openai.AsyncOpenAI) -> dict[str, Any]:
    made = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "model": os.environ["CHAT_MODEL"], "output_modalities": ["text"]},
    )
    async with openai.AsyncOpenAI(**{**SERVER, "api_key": made.value}) as other:
        async with other.realtime.connect(model="gpt-realtime") as connection:
            created = checked(await connection.recv())
            await connection.conversation.item.create(item=text_item("hi"))
            await connection.response.create()
            answer = told(await until(connection, "response.done"))
        try:
            await other.models.list()
        except openai.AuthenticationError as error:
            return {**answer, "model": created.session.model, "elsewhere": error.status_code}
    raise AssertionError("a client secret opened more than a session")


def synchronous() -> dict[str, Any]:
    client = openai.OpenAI(**SERVER)
    with client.realtime.connect(model="gpt-realtime") as connection:
        checked(connection.recv())
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        connection.conversation.item.create(item=text_item("How tall is the pump house?"))
        connection.response.create()
        events = []
        for event in connection:
            events.append(checked(event))
            if event.type == "response.done":
                return told(events)
    raise AssertionError("the connection ended")


async def main() -> dict[str, Any]:
    parts = (text, speech, push_to_talk, function, cancel, transcription, secret)
    async with openai.AsyncOpenAI(**SERVER) as client:
        results = {part.__name__: await part(client) for part in parts}
    return {**results, "synchronous": await asyncio.to_thread(synchronous)}


json.dump(asyncio.run(main()), sys.stdout)
