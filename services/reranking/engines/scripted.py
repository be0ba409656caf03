"""A deterministic engine without weights: a text scores the share of the query's words that it holds."""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.kit.errors import InvalidInput
from services.reranking.engine import Model, Passage, Query, Score

MAX_TOKENS = 256
_WORD = re.compile(r"\w+")


class Scripted:
    """Takes no token vectors; shared by all calls."""

    model = Model(id="scripted", engine="scripted", max_tokens=MAX_TOKENS)

    def __init__(self) -> None:
        self._scoring = ThreadPoolExecutor(1, thread_name_prefix="reranking-score")

    async def score(self, query: Query, passages: Sequence[Passage], *, truncate: bool) -> list[Score]:
        work = (query, passages, truncate)
        return await asyncio.get_running_loop().run_in_executor(self._scoring, _scores, *work)

    async def close(self) -> None:
        self._scoring.shutdown()


def _scores(query: Query, passages: Sequence[Passage], truncate: bool) -> list[Score]:
    asked = _words(query.text, "the query", truncate)
    if not asked:
        raise InvalidInput("the query holds no word")
    scores = []
    for index, passage in enumerate(passages):
        name = f"passage {index}"
        held = [_words(part.text, f"{name}, segment {j}", truncate) for j, part in enumerate(passage.segments)]
        whole = set[str]().union(*held) if held else _words(passage.text, name, truncate)
        scores.append(Score(len(asked & whole) / len(asked), [len(asked & words) / len(asked) for words in held]))
    return scores


def _words(text: str, name: str, truncate: bool) -> set[str]:
    words = _WORD.findall(text.lower())
    if len(words) > MAX_TOKENS and not truncate:
        raise InvalidInput(f"{name} has {len(words)} tokens, the model reads {MAX_TOKENS}: shorten or truncate it")
    return set(words[:MAX_TOKENS])
