"""One look into the documents: encode, retrieve, rerank, grade the passages, weigh their sentences."""

from services.rag.answer.run import Look, Run
from services.rag.evidence.calibration import Calibration
from services.rag.evidence.hop import LEADING, add_hop, follows_up, hop_text, leads
from services.rag.evidence.judging import PASSAGES, judge
from services.rag.evidence.search import Search
from services.rag.evidence.signals import Candidate
from services.rag.words import Words

NOTES = 3
"""Sentences that are kept of a look; a model composes from them."""


class Looking:
    """Shared by all calls; holds nothing of any."""

    def __init__(self, search: Search, calibration: Calibration, words: Words) -> None:
        self._search = search
        self._calibration = calibration
        self._words = words

    async def look(self, run: Run, text: str) -> Look:
        """One search. A budget that ends in its middle leaves what was found by then."""
        look = Look(text)
        first = not run.tried
        run.tried.append(text)

        async def encode() -> str:
            look.query = await self._search.encode(text, run.asked.scope, run.question)
            return "with the turns before it" if first and text != run.question else "as asked" if first else text

        async def retrieve() -> str:
            assert look.query is not None  # noqa: S101 - the moves are made in order
            look.retrieved = await self._search.retrieve(look.query, run.asked.scope, run.asked.candidates)
            look.found = look.retrieved
            return f"{len(look.found)} passages"

        if await run.move("encode", encode) and await run.move("retrieve", retrieve):
            await self._order(run, look)
        self._weigh(run, look)
        return look

    async def better(self, run: Run, look: Look) -> bool:
        """Takes over what a second look found; True where that may better the evidence.

        Calibrated scores weigh it by the first question: other words must not make it another question. A judge that
        reads grades it by the first question itself, and is shown what the other words found.
        """
        first = run.look
        seen = {found.chunk.id for found in first.retrieved}
        new = [found for found in look.retrieved if found.chunk.id not in seen]
        if not new:
            return False
        both = Look(first.text, first.query, [*first.retrieved, *new], [*first.retrieved, *new])
        await self._order(run, both)
        self._weigh(run, both)
        if run.judge.reads and run.asked.effort.does("grade"):
            both.judgement = max(both.judgement, look.judgement, key=lambda it: it.probability)
            both.found = list({found.chunk.id: found for found in (*look.found, *both.found)}.values())
        elif both.judgement.probability <= first.judgement.probability:
            return False
        run.look = both
        return True

    async def hop(self, run: Run) -> bool:
        """Looks again from where the best sentences lead; True where that adds to the evidence."""
        look = run.look
        query, judgement = look.query, look.judgement
        if query is None:
            return False
        pairs: list[tuple[Candidate, Candidate]] = []
        for first in judgement.ranked[:LEADING]:
            if names := leads(look.text, first.text, self._words):
                further = await self.look(run, hop_text(look.text, names))
                pairs += [
                    (first, second)
                    for second in further.judgement.ranked
                    if follows_up(first, second, names, self._words)
                ]
        if not pairs:
            return False
        found = list(look.found[:PASSAGES])
        known = {passage.chunk.id for passage in found}
        new = {second.found.chunk.id: second.found for _, second in pairs if second.found.chunk.id not in known}
        if new and found[0].segment_scores:
            found += await self._search.rerank(query, list(new.values())) or ()
        else:
            found += new.values()
        added = add_hop(query, judgement, pairs, found, self._calibration, self._words)
        if added is not None:
            look.judgement = added
        return added is not None

    async def _order(self, run: Run, look: Look) -> None:
        """Best passages first, and those that do not help left out."""
        query = look.query
        assert query is not None  # noqa: S101 - only what was found is ordered

        async def rerank() -> str:
            reranked = await self._search.rerank(query, look.found)
            if reranked is None:
                run.do_without("reranking")
                return "left out: the passages stay in the order of retrieval"
            look.found = reranked
            return f"{len(reranked)} passages"

        async def grade() -> str:
            shown = look.found[:PASSAGES]
            relevant = await run.judge.relevant(run.standalone, shown)
            if relevant is None:
                return ""
            look.found = [found for found, helps in zip(shown, relevant, strict=True) if helps]
            return f"{len(look.found)} of {len(shown)} passages help"

        if run.asked.scope.is_reranked:
            await run.move("rerank", rerank)
        if run.asked.effort.grades_each and run.asked.effort.does("grade") and look.found:
            await run.move("grade", grade)

    def _weigh(self, run: Run, look: Look) -> None:
        since_s = run.clock()
        if look.query is not None and look.found:
            look.judgement = judge(look.query, look.found, self._calibration, self._words, NOTES)
        run.did("evidence", f"{len(look.judgement.ranked)} sentences", since_s)
