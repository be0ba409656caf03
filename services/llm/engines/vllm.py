"""vLLM inside this service (AsyncLLM): continuous batching, prefix cache, priorities, adapters, tensor parallelism.

The batch is computed in a process of its own, which vLLM starts; here prompts are rendered and tokenised, and the
tokens that come back are told. Tools and constraints are held by llguidance's grammars, as in `llamacpp`.
"""

import asyncio
import logging
import math
import os
import signal
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models import CatalogEntry, ModelStore
from services.llm.config import LlmConfig
from services.llm.engine import (
    ChatPrompt,
    Finish,
    Job,
    Message,
    Model,
    Piece,
    Sampling,
    TextPrompt,
    TokenLogprob,
    Usage,
)
from services.llm.engines import chat_tools, vllm_settings
from services.llm.engines.constraint import to_grammar
from services.llm.engines.hub_tokeniser import HubTokeniser
from services.llm.engines.vllm_metrics import Figures
from services.llm.engines.vllm_order import place

from vllm import SamplingParams  # isort: skip - after its environment is set
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams  # isort: skip
from vllm.v1.engine.async_llm import AsyncLLM  # isort: skip
from vllm.v1.engine.exceptions import EngineDeadError  # isort: skip
from services.llm.engines.vllm_scoring import VllmScoring  # isort: skip

log = logging.getLogger("ledge.llm")

ENGINE = "vllm"
FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}


async def load_vllm(config: LlmConfig) -> "Vllm":
    """Raises NotFound for a missing model, InvalidInput for settings it cannot have, EngineFailed."""
    store = await asyncio.to_thread(ModelStore.from_environment)
    entry = store.catalog.entry(config.model)
    if ENGINE not in entry.engines:
        raise InvalidInput(f"model {entry.id!r} does not run in vllm but in {', '.join(entry.engines)}")
    if entry.context_tokens is not None and config.context_tokens > entry.context_tokens:
        raise InvalidInput(
            f"LEDGE_CONTEXT_TOKENS is {config.context_tokens}; {entry.id} was made for {entry.context_tokens}"
        )
    directory = await asyncio.to_thread(store.require, entry.id)
    adapters = vllm_settings.adapters_of(config)
    arguments = vllm_settings.arguments(directory, entry, config, len(adapters))
    tokeniser = await asyncio.to_thread(HubTokeniser, directory, config.context_tokens, config.chat_template_file)
    try:
        library = await asyncio.to_thread(AsyncLLM.from_engine_args, arguments, stat_loggers=[Figures])
    except Exception as error:  # vLLM raises whatever torch, transformers and its own process raise
        raise EngineFailed(f"vLLM cannot load {entry.id}: {error}") from error
    engine = Vllm(library, tokeniser, entry, adapters, config)
    try:
        async with aclosing(engine.generate(Job(TextPrompt([0]), Sampling(max_tokens=1)))) as pieces:
            async for _ in pieces:
                pass
    except BaseException:
        await engine.close()
        raise
    return engine


class Vllm:
    """Shared by all calls of the event loop it was made on."""

    def __init__(
        self,
        library: AsyncLLM,
        tokeniser: HubTokeniser,
        entry: CatalogEntry,
        adapters: Mapping[str, Any],
        config: LlmConfig,
    ) -> None:
        self.slots = config.slots
        self.model = Model(
            id=entry.id,
            engine=ENGINE,
            max_context_tokens=int(library.model_config.max_model_len),
            vocabulary_size=int(library.model_config.get_vocab_size()),
            aliases=config.model_aliases,
            adapters=tuple(adapters),
            licence=entry.licence,
            commercial_use=entry.commercial_use,
            answer_policy=entry.answer_policy or "",
            vocabulary_sha256=tokeniser.vocabulary_sha256,
            end_token_ids=tokeniser.end_token_ids,
        )
        self._library = library
        self._tokeniser = tokeniser
        self._adapters = adapters
        self._event_interval_s = config.event_interval_ms / 1000

    async def generate(self, job: Job) -> AsyncGenerator[Piece, None]:
        prompt = job.prompt
        grammar = None
        if isinstance(prompt, ChatPrompt) and prompt.tools:
            grammar = await asyncio.to_thread(chat_tools.call_grammar, prompt.tools, must_call=prompt.must_call)
            answer = chat_tools.with_calls(self._pieces(job, grammar))
        else:
            if job.constraint is not None:
                grammar = await asyncio.to_thread(to_grammar, job.constraint)
            answer = self._pieces(job, grammar)
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                yield piece

    async def tokenize(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        return await asyncio.to_thread(self._tokeniser.plain, text, add_special_tokens=add_special_tokens)

    async def tokenize_chat(self, messages: Sequence[Message]) -> Sequence[int]:
        return await asyncio.to_thread(self._tokeniser.chat, messages, {})

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        return await asyncio.to_thread(self._tokeniser.text, token_ids)

    def open_scoring(self, prompt: Sequence[int]) -> VllmScoring:
        return VllmScoring(self._library, prompt)

    async def close(self) -> None:
        await asyncio.to_thread(self._library.shutdown)

    async def _pieces(self, job: Job, grammar: str | None) -> AsyncGenerator[Piece, None]:
        token_ids = await asyncio.to_thread(self._prompt, job.prompt)
        answer = self._library.generate(
            {"prompt_token_ids": token_ids},
            _parameters(job.sampling, grammar),
            uuid.uuid4().hex,
            lora_request=self._adapters.get(job.adapter),
            priority=place(job, time.monotonic()),
        )
        spent = 0
        told_s = -math.inf
        try:
            async with aclosing(answer) as outputs:
                async for output in outputs:
                    (made,) = output.outputs
                    spent += len(made.token_ids)
                    logprobs = self._logprobs(made, job.sampling)
                    if made.finish_reason is not None:
                        usage = Usage(len(token_ids), spent, output.num_cached_tokens or 0)
                        yield Piece(made.text, logprobs=logprobs, finish=_finish(made.finish_reason), usage=usage)
                        return
                    if made.text or logprobs:
                        yield Piece(made.text, logprobs=logprobs)
                        # vLLM joins what comes while nobody asks.
                        rest_s = told_s + self._event_interval_s - time.monotonic()
                        if rest_s > 0:
                            await asyncio.sleep(rest_s)
                        told_s = time.monotonic()
        except EngineDeadError as error:
            # Nothing revives it here: the service ends in order, and who supervises it starts it anew.
            log.critical("vLLM's process has ended")
            os.kill(os.getpid(), signal.SIGTERM)
            raise EngineFailed("vLLM's process has ended; the service is being started anew") from error
        except ValueError as error:
            raise InvalidInput(f"vLLM refuses the request: {error}") from error
        raise EngineFailed("vLLM ended the answer without saying why")

    def _prompt(self, prompt: ChatPrompt | TextPrompt) -> Sequence[int]:
        if isinstance(prompt, ChatPrompt):
            token_ids = self._tokeniser.chat(chat_tools.told_in_words(prompt), prompt.template_arguments)
        elif isinstance(prompt.content, str):
            token_ids = self._tokeniser.prompt(prompt.content)
        else:
            token_ids = prompt.content
        room = self.model.max_context_tokens
        if len(token_ids) >= room:
            raise InvalidInput(f"the prompt has {len(token_ids)} tokens, the context holds {room}, answer included")
        return list(token_ids)

    def _logprobs(self, made: Any, sampling: Sampling) -> tuple[TokenLogprob, ...]:
        if sampling.top_logprobs is None or made.logprobs is None:
            return ()
        told = []
        for token_id, beside in zip(made.token_ids, made.logprobs, strict=True):
            # In half precision the likeliest may be as likely as another: the chosen one then comes first.
            ranked = sorted(beside.items(), key=lambda item: (-item[1].logprob, item[0] != token_id))
            top = tuple(self._logprob(other, one) for other, one in ranked[: sampling.top_logprobs])
            told.append(self._logprob(token_id, beside[token_id], top))
        return tuple(told)

    def _logprob(self, token_id: int, one: Any, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        token_bytes = self._tokeniser.bytes_of(token_id)
        return TokenLogprob(token_id, token_bytes.decode(errors="replace"), token_bytes, min(one.logprob, 0.0), top)


def _parameters(sampling: Sampling, grammar: str | None) -> SamplingParams:
    try:
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            repetition_penalty=sampling.repetition_penalty,
            seed=None if sampling.seed is None else sampling.seed % 2**63,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            logprobs=sampling.top_logprobs,
            logit_bias=dict(sampling.logit_bias) or None,
            structured_outputs=None if grammar is None else StructuredOutputsParams(grammar=grammar),
            output_kind=RequestOutputKind.DELTA,
        )
    except ValueError as error:
        raise InvalidInput(f"vLLM refuses the sampling: {error}") from error


def _finish(reason: str) -> Finish:
    if reason not in FINISHES:
        raise EngineFailed(f"vLLM gave the answer up: {reason}")
    return FINISHES[reason]
