"""Any server that speaks OpenAI's API as an engine: vLLM, SGLang, tt-inference-server, a NIM, another Ledge.

OpenAI's own fields go to every server; what goes beyond them only to servers of a dialect that knows it. What a server
would ignore is refused here.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from services.kit.errors import EngineFailed, InvalidInput, NotFound, NotReady, TooSlow
from services.kit.models import ModelStore
from services.llm.config import LlmConfig
from services.llm.engine import ChatPrompt, Constraint, Job, Message, Model, Piece, Sampling, TextPrompt
from services.llm.engines import openai_wire
from services.llm.engines.openai_events import EventReader
from services.llm.engines.upstream import Upstream

log = logging.getLogger("ledge.llm")

ENGINE = "openai"
ASK_AGAIN_S = 2.0
UNKNOWN_VOCABULARY = 2**31
"""What no vocabulary reaches: the server knows its own, and refuses other ids itself."""
WITH_EXTRAS = frozenset({"vllm", "sglang", "ledge"})
WITH_TOKENIZER = frozenset({"vllm"})
GRAMMARS: dict[str, dict[str, Callable[[str], dict[str, Any]]]] = {
    "vllm": {
        "regex": lambda text: {"structured_outputs": {"regex": text}},
        "grammar": lambda text: {"structured_outputs": {"grammar": text}},
    },
    "sglang": {"regex": lambda text: {"regex": text}, "grammar": lambda text: {"ebnf": text}},
    "ledge": {"regex": lambda text: {"guided_regex": text}, "grammar": lambda text: {"guided_grammar": text}},
}
"""How a dialect is told what OpenAI's fields cannot say."""


async def load_openai(config: LlmConfig) -> "OpenAi":
    """Waits for the server. Raises InvalidInput for settings, EngineFailed where it never came or refuses us."""
    if not config.upstream_url or not config.upstream_url.startswith(("http://", "https://")):
        raise InvalidInput("LEDGE_UPSTREAM_URL must be the server's address, for example http://127.0.0.1:8000/v1")
    upstream = Upstream(
        config.upstream_url, _api_key(config), config.slots, config.upstream_timeout_s, config.upstream_retries
    )
    try:
        listed = await _listed(upstream, config.upstream_wait_s)
        return OpenAi(upstream, _chosen(listed, config), config)
    except BaseException:
        await upstream.close()
        raise


def _api_key(config: LlmConfig) -> str | None:
    if config.upstream_api_key_file is not None:
        try:
            return config.upstream_api_key_file.read_text().strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput("LEDGE_UPSTREAM_API_KEY_FILE cannot be read") from error
    return config.upstream_api_key.get_secret_value() if config.upstream_api_key else None


async def _listed(upstream: Upstream, wait_s: float) -> list[dict[str, Any]]:
    """The server's models; a server that loads its own is waited for."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while True:
        try:
            return await upstream.models()
        except (NotReady, TooSlow) as error:
            if loop.time() >= until_s:
                raise EngineFailed(f"no model's server at LEDGE_UPSTREAM_URL: {error.message}") from error
            log.info("waiting for the model's server", extra={"reason": error.message})
            await asyncio.sleep(ASK_AGAIN_S)


def _chosen(listed: Sequence[dict[str, Any]], config: LlmConfig) -> dict[str, Any]:
    names = [str(model.get("id")) for model in listed]
    # Aliases and adapters name the model that they stand for.
    own = [one for one in listed if not one.get("parent") and one.get("root") not in {*names} - {one.get("id")}]
    if config.upstream_model is None:
        if len(own) == 1:
            return own[0]
        raise InvalidInput(f"LEDGE_UPSTREAM_MODEL must name one of: {', '.join(names[:20]) or '(none is served)'}")
    for model in listed:
        if model.get("id") == config.upstream_model:
            return model
    raise NotFound(f"LEDGE_UPSTREAM_MODEL: the server has no {config.upstream_model!r} but {', '.join(names[:20])}")


class OpenAi:
    """Shared by all calls of the event loop it was made on."""

    def __init__(self, upstream: Upstream, served: dict[str, Any], config: LlmConfig) -> None:
        self.slots = config.slots
        self._upstream = upstream
        self._name = str(served["id"])
        self._dialect = config.upstream_dialect
        context = served.get("max_model_len")
        told: dict[str, Any] = {"max_context_tokens": context if isinstance(context, int) else config.context_tokens}
        model_id = config.model if "model" in config.model_fields_set else self._name
        try:
            entry = ModelStore.from_environment().catalog.entry(model_id)
        except NotFound:
            pass
        else:
            told |= {"licence": entry.licence, "commercial_use": entry.commercial_use}
            told["answer_policy"] = entry.answer_policy or ""
        self.model = Model(
            id=model_id, engine=ENGINE, vocabulary_size=UNKNOWN_VOCABULARY, aliases=config.model_aliases, **told
        )

    async def generate(self, job: Job) -> AsyncGenerator[Piece, None]:
        path, body = self._request(job)
        reader = EventReader(job.sampling)
        async with aclosing(self._upstream.events(path, body)) as events:
            async for event in events:
                try:
                    piece = reader.read(event)
                except (TypeError, ValueError, KeyError, AttributeError) as error:
                    raise EngineFailed("the model's server answers in a form that is not OpenAI's") from error
                if piece is not None:
                    yield piece
        end = reader.end()
        if end is None:
            raise EngineFailed("the model's server broke the answer off")
        yield end

    async def tokenize(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        return await self._tokenised({"prompt": text, "add_special_tokens": add_special_tokens})

    async def tokenize_chat(self, messages: Sequence[Message]) -> Sequence[int]:
        return await self._tokenised({"messages": [openai_wire.message(one, str) for one in messages]})

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        answer = await self._asked("/detokenize", {"tokens": list(token_ids)})
        return str(answer.get("prompt", ""))

    async def close(self) -> None:
        await self._upstream.close()

    async def _tokenised(self, body: dict[str, Any]) -> Sequence[int]:
        tokens = (await self._asked("/tokenize", body)).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise EngineFailed("the model's server answers in a form that is not vLLM's")
        return tokens

    async def _asked(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._dialect not in WITH_TOKENIZER:
            raise InvalidInput(f"the model's server ({self._dialect}) tells no tokens")
        return await self._upstream.ask(path, {"model": self._name, **body})

    def _request(self, job: Job) -> tuple[str, dict[str, Any]]:
        sampling, prompt = job.sampling, job.prompt
        body: dict[str, Any] = {
            "model": self._name,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._sampling(sampling),
            **self._constraint(job.constraint),
        }
        if job.priority and self._dialect in ("vllm", "ledge"):
            body["priority"] = job.priority
        if isinstance(prompt, TextPrompt):
            body["prompt"] = prompt.content if isinstance(prompt.content, str) else list(prompt.content)
            if sampling.top_logprobs is not None:
                body["logprobs"] = max(1, sampling.top_logprobs)
            return "/completions", body
        body["messages"] = [openai_wire.message(one, str) for one in prompt.messages]
        if sampling.top_logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.top_logprobs}
        if prompt.tools:
            body["tools"] = [openai_wire.tool(one) for one in prompt.tools]
            body["tool_choice"] = _tool_choice(prompt)
        if prompt.template_arguments:
            if self._dialect not in WITH_EXTRAS - {"ledge"}:
                raise InvalidInput(f"the model's server ({self._dialect}) takes no template_arguments")
            body["chat_template_kwargs"] = dict(prompt.template_arguments)
        return "/chat/completions", body

    def _sampling(self, sampling: Sampling) -> dict[str, Any]:
        body: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
        given = {
            "presence_penalty": (sampling.presence_penalty, 0.0),
            "frequency_penalty": (sampling.frequency_penalty, 0.0),
            "seed": (sampling.seed, None),
            "max_tokens": (sampling.max_tokens, None),
        }
        extras = {
            "top_k": (sampling.top_k, 0),
            "min_p": (sampling.min_p, 0.0),
            "repetition_penalty": (sampling.repetition_penalty, 1.0),
        }
        refused = [name for name, (value, default) in extras.items() if value != default]
        if refused and self._dialect not in WITH_EXTRAS:
            raise InvalidInput(f"the model's server takes no {', '.join(refused)}; see LEDGE_UPSTREAM_DIALECT")
        body |= {name: value for name, (value, default) in (given | extras).items() if value != default}
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.logit_bias:
            body["logit_bias"] = {str(token_id): bias for token_id, bias in sampling.logit_bias.items()}
        return body

    def _constraint(self, constraint: Constraint | None) -> dict[str, Any]:
        if constraint is None:
            return {}
        if constraint.kind in ("json", "json_schema"):
            schema = json.loads(constraint.text) if constraint.kind == "json_schema" else {}
            if not isinstance(schema, dict):
                raise InvalidInput("the model's server takes no schema that is just true or false")
            named = {"name": "answer", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        told = GRAMMARS.get(self._dialect, {}).get(constraint.kind)
        if told is None:
            raise InvalidInput(f"the model's server takes no {constraint.kind}; see LEDGE_UPSTREAM_DIALECT")
        return told(constraint.text)


def _tool_choice(prompt: ChatPrompt) -> str | dict[str, Any]:
    if not prompt.must_call:
        return "auto"
    if len(prompt.tools) > 1:
        return "required"
    return {"type": "function", "function": {"name": prompt.tools[0].name}}
