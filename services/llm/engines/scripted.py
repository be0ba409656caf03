"""A deterministic engine without weights: it says what its script says. Its tokens are characters."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from services.kit.errors import EngineFailed, InvalidInput
from services.kit.stop_strings import StopStrings
from services.llm.config import LlmConfig
from services.llm.engine import (
    ChatPrompt,
    Finish,
    Job,
    Message,
    Model,
    Piece,
    TokenLogprob,
    ToolCallPiece,
    Usage,
)
from services.llm.engines.script import Rule, Script, ScriptedCall, smallest

MODEL = "scripted"
VOCABULARY_SIZE = 0x110000
SURROGATES = range(0xD800, 0xE000)


def load_scripted(config: LlmConfig) -> "Scripted":
    """Raises NotFound or InvalidInput for a script that is not there or wrong; `config.model` is ignored."""
    return Scripted(Script.read(config.script_file), config)


class Scripted:
    """Holds nothing between calls; safe to share."""

    def __init__(self, script: Script, config: LlmConfig) -> None:
        self.slots = config.slots
        self.model = Model(
            id=MODEL,
            engine="scripted",
            max_context_tokens=config.context_tokens,
            vocabulary_size=VOCABULARY_SIZE,
            aliases=config.model_aliases,
            answer_policy="compose",
        )
        self._rules = script.rules
        self._tokens_per_s = config.script_tokens_per_s

    async def generate(self, job: Job) -> AsyncGenerator[Piece, None]:
        rendered, last = _prompt(job)
        room = self.model.max_context_tokens - len(rendered)
        if room <= 0:
            raise InvalidInput(
                f"the prompt has {len(rendered)} tokens, the context holds {self.model.max_context_tokens}, "
                "answer included"
            )
        if job.constraint is not None and job.constraint.kind in ("grammar", "regex"):
            raise InvalidInput(f"the engine scripted follows no {job.constraint.kind}")
        rule = self._rule(job, last)
        await asyncio.sleep(rule.delay_s)
        if isinstance(job.prompt, ChatPrompt) and rule.call is not None:
            call = ToolCallPiece(0, f"call_{rule.call.name}", rule.call.name, json.dumps(dict(rule.call.arguments)))
            yield Piece(tool_calls=(call,), finish=Finish.TOOL_CALLS, usage=Usage(len(rendered), 1))
            return
        room = min(room, job.sampling.max_tokens or room)
        words = itertools.cycle(_words(rule.say)) if rule.endlessly else iter(_words(rule.say))
        async for piece in self._spoken(words, job, rule, room, len(rendered)):
            yield piece

    def _rule(self, job: Job, last: str) -> Rule:
        seed = job.sampling.seed or 0
        for rule in self._rules:
            if (speaking := rule.spoken_to(last, seed)) is not None:
                return speaking
        if isinstance(job.prompt, ChatPrompt) and job.prompt.must_call:
            tool = job.prompt.tools[0]
            return Rule(when="", call=ScriptedCall(name=tool.name, arguments=smallest(dict(tool.parameters))))
        if job.constraint is not None:
            schema = json.loads(job.constraint.text) if job.constraint.kind == "json_schema" else {}
            return Rule(when="", say=json.dumps(smallest(schema)))
        return Rule(when="", say=f"You said: {last}")

    async def _spoken(
        self, words: Iterator[str], job: Job, rule: Rule, room: int, prompt_tokens: int
    ) -> AsyncGenerator[Piece, None]:
        stops = StopStrings(job.sampling.stop)
        spent = 0
        for word in words:
            said = word[: room - spent]
            spent += len(said)
            # Zero still lets other calls run.
            await asyncio.sleep(len(said) / self._tokens_per_s if self._tokens_per_s else 0)
            if text := stops.feed(said):
                yield Piece(text, logprobs=_logprobs(text, job))
            if stops.met or spent >= room:
                break
        if rule.fail and not stops.met:
            raise EngineFailed(rule.fail)
        rest = "" if stops.met else stops.finish()
        finish = Finish.LENGTH if spent >= room and not stops.met else Finish.STOP
        yield Piece(rest, logprobs=_logprobs(rest, job), finish=finish, usage=Usage(prompt_tokens, spent))

    async def tokenize(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        return [ord(character) for character in text]

    async def tokenize_chat(self, messages: Sequence[Message]) -> Sequence[int]:
        return [ord(character) for character in _rendered(messages)]

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        return _text(token_ids)

    async def close(self) -> None:
        """Has nothing to free."""


def _prompt(job: Job) -> tuple[str, str]:
    """The rendered prompt, and what rules look at."""
    if isinstance(job.prompt, ChatPrompt):
        return _rendered(job.prompt.messages), job.prompt.messages[-1].content
    content = job.prompt.content
    text = content if isinstance(content, str) else _text(content)
    return text, text


def _text(token_ids: Sequence[int]) -> str:
    return "".join("\ufffd" if token_id in SURROGATES else chr(token_id) for token_id in token_ids)


def _rendered(messages: Sequence[Message]) -> str:
    return "".join(f"{message.role.value}: {message.content}\n" for message in messages)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+\Z", text)


def _logprobs(text: str, job: Job) -> tuple[TokenLogprob, ...]:
    """A script is certain of what it says."""
    if job.sampling.top_logprobs is None:
        return ()
    return tuple(_certain(character, bool(job.sampling.top_logprobs)) for character in text)


def _certain(character: str, with_top: bool) -> TokenLogprob:
    encoded = character.encode("utf-8", "replace")
    top = (TokenLogprob(ord(character), character, encoded, 0.0),) if with_top else ()
    return TokenLogprob(ord(character), character, encoded, 0.0, top)
