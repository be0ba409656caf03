"""GKT guidance: the big model writes the first G tokens, the little one continues; one round trip, any vocabulary.

After Yao et al., "GKT: A Novel Guidance-Based Knowledge Transfer Framework" (arXiv 2405.19635). The big model's text is
cut where a word may be broken; the little one continues the rendered prompt with that text as the answer's beginning.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.backend import Backend, events
from services.hybrid.big import Big, Caller
from services.hybrid.kinds import CHAT, COMPLETION
from services.hybrid.outcome import Outcome
from services.kit.stop_strings import StopStrings

_BROKEN = re.compile(
    r"""(?: [^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff]   # a letter or digit of a script with spaces
          | (?<=\d)[.,:/] | (?<=\w)['’\-_@]                              # what may go on inside a number or word
        ) +\Z""",
    re.VERBOSE,
)  # fmt: skip
MAX_WORD_CHARACTERS = 64


def whole_words(text: str) -> str:
    """The text without what may be half a word at its end, or half a character, and without the space before it.

    Scripts without spaces between words are left whole.
    """
    text = text.rstrip("\ufffd")
    broken = _BROKEN.search(text, max(0, len(text) - MAX_WORD_CHARACTERS))
    if broken is not None:
        text = text[: broken.start()]
    # A token of most vocabularies begins with its space: the little model's next one brings it.
    return text.rstrip(" ")


async def guided(
    big: Big, little: Backend, request: pb.ChatRequest, name: str, caller: Caller, outcome: Outcome
) -> AsyncGenerator[pb.ChatStreamResponse, None]:
    """The answer of both, told under `name`.

    Raises:
        Unavailable: before the first event, where the big model cannot be had.
    """
    guide_tokens = outcome.choice.guide_tokens
    start = pb.ChatRequest()
    start.CopyFrom(request)
    asked = request.sampling.max_tokens if request.sampling.HasField("max_tokens") else None
    start.sampling.max_tokens = guide_tokens if asked is None else min(asked, guide_tokens)
    begun = []
    async with aclosing(big.answer(CHAT, start, caller, outcome)) as stream:
        async for event in stream:
            begun.append(event)
    guidance = CHAT.collect(begun)
    choice = guidance.choices[0]
    if choice.finish_reason == pb.STOP or (asked is not None and asked <= guide_tokens):
        outcome.answered_by = "big"
        for event in begun:
            yield event
        return
    outcome.answered_by = "both"
    kept = whole_words(choice.message.content)
    prompt = await little.llm.Tokenize(pb.TokenizeRequest(messages=pb.MessageList(messages=request.messages)))
    told = await little.llm.Tokenize(pb.TokenizeRequest(text=kept)) if kept else pb.TokenizeResponse()
    outcome.figures["guide-tokens"] = str(guidance.usage.completion_tokens)
    stops = StopStrings(request.sampling.stop)
    answer_id = begun[0].id
    if asked is not None and len(told.token_ids) >= asked:
        # The bound is in the little model's tokens, and in those the guidance alone is that long.
        outcome.answered_by = "big"
        usage = pb.Usage(prompt_tokens=len(prompt.token_ids), completion_tokens=asked)
        cut = await little.llm.Detokenize(pb.DetokenizeRequest(token_ids=told.token_ids[:asked]))
        last = pb.CompleteStreamResponse(delta=cut.text.rstrip("\ufffd"), finish_reason=pb.LENGTH)
        yield _continued(last, stops, usage, answer_id, name)
        return
    rest = pb.CompleteRequest(
        token_ids=pb.TokenIds(ids=[*prompt.token_ids, *told.token_ids]), sampling=request.sampling
    )
    if asked is not None:
        rest.sampling.max_tokens = asked - len(told.token_ids)
    if request.HasField("priority"):
        rest.priority = request.priority
    text = stops.feed(kept)
    usage = pb.Usage(prompt_tokens=len(prompt.token_ids), completion_tokens=len(told.token_ids))
    if text:
        yield pb.ChatStreamResponse(id=answer_id, model=name, delta=text)
    call = getattr(little.llm, COMPLETION.stream)(COMPLETION.streamed(rest))
    async with aclosing(events(call)) as stream:
        async for event in stream:
            told_now = _continued(event, stops, usage, answer_id, name)
            yield told_now
            if told_now.finish_reason:
                return


def _continued(event: Any, stops: StopStrings, usage: pb.Usage, answer_id: str, name: str) -> pb.ChatStreamResponse:
    """What the little model says as a part of the whole; a stop string may lie across the seam."""
    text = stops.feed(event.delta)
    finish = event.finish_reason
    if stops.met:
        finish = pb.STOP
    elif finish:
        text += stops.finish()
    answer = pb.ChatStreamResponse(id=answer_id, model=name, delta=text, finish_reason=finish)
    if finish:
        # Of a stop string at the seam: what the engine said of its own part is not known yet.
        usage.completion_tokens += event.usage.completion_tokens
        usage.cached_prompt_tokens = event.usage.cached_prompt_tokens
        answer.usage.CopyFrom(usage)
    return answer
