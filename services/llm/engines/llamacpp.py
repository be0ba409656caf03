"""llama.cpp inside this process (xllamacpp): GGUF models, continuous batching over a fixed number of slots.

Each answer has a thread that sleeps in native code and is called back with its chunks. What the Python interface lacks,
tokenising and rendering the chat template, is asked at the socket that `llamacpp_native` opens.
"""

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import httpx

from services.kit.errors import EngineFailed, InvalidInput, LedgeError
from services.kit.models import CatalogEntry, ModelStore
from services.llm.config import LlmConfig
from services.llm.engine import ChatPrompt, Constraint, Finish, Job, Message, Model, Piece, Sampling, TextPrompt
from services.llm.engines import chat_tools, openai_wire
from services.llm.engines.constraint import to_grammar
from services.llm.engines.gguf import Vocabulary, read_vocabulary
from services.llm.engines.handover import Channel, Handover
from services.llm.engines.llamacpp_native import HTTP_TIMEOUT_S, Native

CONTROL_TEXT = re.compile(r"<\|[^<>|\s]{1,64}\|>|</?s>|</?\w+_of_turn>|\[/?INST\]|<</?SYS>>")
"""Texts of control tokens, in the families of chat templates; only those that a template uses count."""
PRIME_TIMEOUT_S = 300.0
MAX_TOLD_CHARACTERS = 400
COUNTED_BY_LIBRARY_CHARACTERS = 128 * 1024
COUNTED_AT_ONCE_CHARACTERS = 32 * 1024


async def load_llamacpp(config: LlmConfig) -> "LlamaCpp":
    """Raises NotFound for a missing model, InvalidInput for settings it cannot have, EngineFailed."""
    store = await asyncio.to_thread(ModelStore.from_environment)
    entry = store.catalog.entry(config.model)
    if "llamacpp" not in entry.engines:
        raise InvalidInput(f"model {entry.id!r} does not run in llamacpp but in {', '.join(entry.engines)}")
    if entry.context_tokens is not None and config.context_tokens > entry.context_tokens:
        raise InvalidInput(
            f"LEDGE_CONTEXT_TOKENS is {config.context_tokens}; {entry.id} was made for {entry.context_tokens}"
        )
    directory = await asyncio.to_thread(store.require, entry.id)
    weights = next(directory / file.path for file in entry.files if file.path.endswith(".gguf"))
    vocabulary = await asyncio.to_thread(read_vocabulary, weights)
    native = await asyncio.to_thread(Native, weights, config)
    engine = LlamaCpp(native, entry, vocabulary, config)
    prime = Job(TextPrompt([0]), Sampling(max_tokens=1))
    try:
        async with asyncio.timeout(PRIME_TIMEOUT_S), aclosing(engine.generate(prime)) as pieces:
            async for _ in pieces:
                pass
    except BaseException:
        await engine.close()
        raise
    return engine


class LlamaCpp:
    """Shared by all calls of the event loop it was made on."""

    def __init__(self, native: Native, entry: CatalogEntry, vocabulary: Vocabulary, config: LlmConfig) -> None:
        self.slots = config.slots
        self.model = Model(
            id=entry.id,
            engine="llamacpp",
            max_context_tokens=int(native.properties["default_generation_settings"]["n_ctx"]),
            vocabulary_size=native.vocabulary_size,
            aliases=config.model_aliases,
            licence=entry.licence,
            commercial_use=entry.commercial_use,
            answer_policy=entry.answer_policy or "",
            vocabulary_sha256=vocabulary.sha256,
            end_token_ids=vocabulary.end_token_ids,
        )
        abilities = native.properties["chat_template_caps"]
        self._template_knows_tools = bool(abilities["supports_tools"] and abilities["supports_tool_calls"])
        self._control_text = _control_text(native.properties)
        self.native = native
        self._event_interval_s = config.event_interval_ms / 1000
        self._handover = Handover()
        self._threads = ThreadPoolExecutor(config.slots, thread_name_prefix="llama")
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(native.socket), retries=1),
            base_url="http://llama",
            timeout=HTTP_TIMEOUT_S,
        )

    async def generate(self, job: Job) -> AsyncGenerator[Piece, None]:
        prompt = job.prompt
        if isinstance(prompt, ChatPrompt) and prompt.tools and not self._told_by_template(prompt):
            grammar = await asyncio.to_thread(chat_tools.call_grammar, prompt.tools, must_call=prompt.must_call)
            answer = chat_tools.with_calls(self._pieces(job, grammar))
        elif job.constraint is not None:
            grammar = await asyncio.to_thread(to_grammar, job.constraint)
            answer = _proved(self._pieces(job, grammar), job.constraint, job.sampling)
        else:
            answer = self._pieces(job, None)
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                yield piece

    async def tokenize(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        return await self._tokenize(text, add_special=add_special_tokens, parse_special=False)

    async def tokenize_chat(self, messages: Sequence[Message]) -> Sequence[int]:
        rendered = await self._ask("/apply-template", self._chat(ChatPrompt(messages)))
        return await self._tokenize(rendered["prompt"], add_special=True, parse_special=True)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        text: str = (await self._ask("/detokenize", {"tokens": list(token_ids)}))["content"]
        return text

    async def close(self) -> None:
        await self._http.aclose()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self.native.close)

    async def _pieces(self, job: Job, grammar: str | None) -> AsyncGenerator[Piece, None]:
        if isinstance(job.prompt, ChatPrompt):
            chat = self._chat(job.prompt)
            await self._refuse_far_too_long(openai_wire.texts(chat))
            handle = self.native.server.handle_chat_completions
            body = openai_wire.chat_request(chat, job.sampling, grammar)
        else:
            await self._refuse_far_too_long(job.prompt.content)
            handle = self.native.server.handle_completions
            body = openai_wire.text_request(job.prompt, job.sampling, grammar)
        channel = Channel(self._handover)
        reader = openai_wire.Reader(job.sampling)
        thread = self._threads.submit(_run, handle, body, channel)
        try:
            finished = False
            told_s = -math.inf
            while not finished:
                rest_s = told_s + self._event_interval_s - time.monotonic()
                piece = reader.read(await channel.take(rest_s))
                if piece is not None:
                    finished = piece.finish is not None
                    told_s = time.monotonic()
                    yield piece
        finally:
            channel.closed = True
            thread.cancel()

    def _chat(self, prompt: ChatPrompt) -> dict[str, Any]:
        """What the chat template is given."""
        by_template = self._told_by_template(prompt)
        messages = prompt.messages if by_template else chat_tools.told_in_words(prompt)
        body: dict[str, Any] = {"messages": [openai_wire.message(one, self._defused) for one in messages]}
        if prompt.tools and by_template:
            body["tools"] = [openai_wire.tool(one) for one in prompt.tools]
        if prompt.template_arguments:
            body["chat_template_kwargs"] = dict(prompt.template_arguments)
        return body

    def _told_by_template(self, prompt: ChatPrompt) -> bool:
        """Whether tools go to the template. llama.cpp reads calls in the template's form, but does not enforce that one
        is made: a call that must be made is our grammar's."""
        return self._template_knows_tools and not prompt.must_call

    def _defused(self, text: str) -> str:
        """The text with an invisible space in whatever the template would read as a control token."""
        return self._control_text.sub(lambda match: f"{match[0][0]}\u200b{match[0][1:]}", text)

    async def _refuse_far_too_long(self, content: str | Sequence[int]) -> None:
        """llama.cpp counts a prompt's tokens itself, but cannot be stopped in it: megabytes would take it minutes."""
        room = self.model.max_context_tokens
        if not isinstance(content, str) and len(content) > room:
            raise InvalidInput(f"the prompt has {len(content)} tokens, the context holds {room}, answer included")
        if not isinstance(content, str) or len(content) <= COUNTED_BY_LIBRARY_CHARACTERS:
            return
        tokens = 0
        for start in range(0, len(content), COUNTED_AT_ONCE_CHARACTERS):
            part = content[start : start + COUNTED_AT_ONCE_CHARACTERS]
            tokens += len(await self._tokenize(part, add_special=False, parse_special=False))
            # A word that a cut divides may count for a few tokens more.
            if tokens > 1.1 * room + 100:
                raise InvalidInput(
                    f"the prompt has over {room} tokens, {tokens} in its first part alone, the context "
                    f"holds {room}, answer included"
                )

    async def _tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Sequence[int]:
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        token_ids: list[int] = (await self._ask("/tokenize", body))["tokens"]
        return token_ids

    async def _ask(self, path: str, body: dict[str, Any]) -> Any:
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise EngineFailed(f"llama.cpp does not answer on {path}") from error
        told = response.json()
        if "error" in told:
            raise openai_wire.meant(told["error"])
        return told


def _run(handle: Callable[..., None], body: bytes, channel: Channel) -> None:
    """One answer, in its thread: the library calls back with each chunk, and stops when told True."""

    def heard(chunk: bytes) -> bool:
        if channel.closed:
            return True
        if not openai_wire.is_progress(chunk):
            channel.put(chunk)
        return False

    try:
        if not channel.closed:
            handle(body, heard)
            channel.put(EngineFailed("llama.cpp ended the answer without saying why"))
    except Exception as error:
        channel.put(_meant(error))


def _meant(error: Exception) -> LedgeError:
    """The library raises ValueError for what it refuses; its JSON parser and template engine raise RuntimeError."""
    refused = isinstance(error, ValueError) or re.search(r"json\.exception|[Tt]emplate|[Jj]inja", str(error))
    if refused:
        return InvalidInput(f"llama.cpp refuses the request: {str(error)[:MAX_TOLD_CHARACTERS]}")
    failed = EngineFailed("llama.cpp failed on this request")
    failed.__cause__ = error
    return failed


def _control_text(properties: dict[str, Any]) -> re.Pattern[str]:
    """Finds the texts of the model's control tokens, as far as its template and its properties tell them."""
    texts = {*CONTROL_TEXT.findall(properties["chat_template"]), properties["bos_token"], properties["eos_token"]}
    return re.compile("|".join(re.escape(text) for text in sorted(texts) if len(text) > 1) or r"(?!)")


async def _proved(
    pieces: AsyncGenerator[Piece, None], constraint: Constraint, sampling: Sampling
) -> AsyncGenerator[Piece, None]:
    """The same answer; one that should be JSON, ended by itself and is none is the engine's failure, not a result."""
    told: list[str] | None = [] if constraint.kind in ("json", "json_schema") and not sampling.stop else None
    async with aclosing(pieces):
        async for piece in pieces:
            if told is not None:
                told.append(piece.text)
                if piece.finish is Finish.STOP and not _is_json("".join(told)):
                    raise EngineFailed("the answer left the JSON that it was held to")
            yield piece


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
