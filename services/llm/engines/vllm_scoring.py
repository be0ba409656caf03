"""Scores drafted tokens by vLLM, for Big Little decoding.

vLLM tells the log-probabilities of a prompt's tokens, but of none whose computation it finds in its prefix cache; asked
for them it reads the whole prompt anew. So a verdict costs the reading of everything before it: little beside a round
trip where the context is short, much where it is long. The cost model of `hybrid` counts it.
"""

import uuid
from collections.abc import Sequence
from contextlib import aclosing

from services.kit.errors import EngineFailed
from services.llm.engine import Scores

from vllm import SamplingParams  # isort: skip
from vllm.sampling_params import RequestOutputKind  # isort: skip
from vllm.v1.engine.async_llm import AsyncLLM  # isort: skip


class VllmScoring:
    """One session. Holds token ids and nothing of vLLM's between drafts."""

    def __init__(self, library: AsyncLLM, prompt: Sequence[int]) -> None:
        self._library = library
        self._sequence = list(prompt)

    @property
    def length(self) -> int:
        return len(self._sequence)

    async def score(self, position: int, token_ids: Sequence[int]) -> Scores:
        self._sequence = [*self._sequence[:position], *token_ids]
        parameters = SamplingParams(
            max_tokens=1,
            temperature=0,
            # With drafts or without: who would verify an empty one asks for nothing but the next token.
            prompt_logprobs=1 if token_ids else None,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        told = self._library.generate({"prompt_token_ids": self._sequence}, parameters, uuid.uuid4().hex)
        async with aclosing(told) as outputs:
            async for output in outputs:
                rows = (output.prompt_logprobs or [])[position:] if token_ids else []
                if len(rows) != len(token_ids) or not output.outputs[0].token_ids:
                    raise EngineFailed("vLLM did not score the draft")
                best = [min(row.items(), key=lambda entry: entry[1].rank)[0] for row in rows]
                negative = tuple(-row[token].logprob for row, token in zip(rows, token_ids, strict=True))
                return Scores(negative, (*best, output.outputs[0].token_ids[0]))
        raise EngineFailed("vLLM ended without scoring the draft")

    async def close(self) -> None:
        """Has nothing to free."""
