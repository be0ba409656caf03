"""Decides without a model: by the calibrated probability of the evidence, and by rules that are certain.

What rules cannot decide is None. English rules; of other languages nothing but the calibration is used.
"""

import re
from collections.abc import Collection, Sequence

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.asked import Turn
from services.rag.answer.follow_up import condense
from services.rag.evidence.found import Found
from services.rag.evidence.judging import Judgement
from services.rag.evidence.question import Question
from services.rag.evidence.signals import Candidate
from services.rag.guards.topics import Told, Topic

# Possessive throughout: what is asked comes from anybody, and no wording of it may make the match go back and forth.
_SMALL_TALK = re.compile(
    r"\W*+(?:(?>hi|hello|hey|good (?:morning|afternoon|evening|day)|thanks?(?: you)?(?: very much| a lot| so much)?|"
    r"cheers|(?:good)?bye|see you|ok(?:ay)?|great|perfect|how are you|who are you|what (?:can|do) you do|"
    r"what are you)\b\W*+(?:there|everybody|all|then|today|for that|for your help|do)?+\W*+)++",
    re.I,
)
_BACK_TO_CONVERSATION = re.compile(
    r"\W*+(?:(?:please|could you|can you|would you) )*+(?:repeat|say) (?:that|it|this|your (?:last )?answer)"
    r"(?: again| once more| please)*+\W*+|"
    r"\W*+(?:what|which) (?:did|was|were) (?:i|you|my|your|we)\b.{0,40}\b(?:ask|say|said|asked|question|answer)\w*+\W*+"
    r"(?:just now|before|earlier|last)?\W*+",
    re.I,
)


class CalibratedJudge:
    """Asks nobody; holds nothing of a call."""

    reads = False

    async def route(self, question: str, history: Sequence[Turn]) -> "pb.Route | None":
        if _SMALL_TALK.fullmatch(question):
            return pb.NEITHER
        if history and _BACK_TO_CONVERSATION.fullmatch(question):
            return pb.CONVERSATION
        return pb.DOCUMENTS

    async def condense(self, question: str, history: Sequence[Turn]) -> str | None:
        return condense(question, [turn.text for turn in history if turn.is_user])

    async def decompose(self, question: str) -> Sequence[str] | None:
        return None

    async def suffices(self, question: str, judgement: Judgement) -> bool | None:
        return judgement.answers

    async def relevant(self, question: str, found: Sequence[Found]) -> Sequence[bool] | None:
        return None

    async def rewrite(self, question: Question, tried: Sequence[str], best: Sequence[Candidate]) -> str | None:
        """The words that tell something, with the headings of what came nearest: they are the documents' own words."""
        telling = [asked.word.text for asked in question.words]
        headings = [candidate.found.chunk.headings[-1] for candidate in best[:1] if candidate.found.chunk.headings]
        for text in (" ".join([*telling, *headings]), " ".join(telling)):
            if telling and text not in tried:
                return text
        return None

    async def follows(self, sentence: str, cited: Sequence[Candidate]) -> bool | None:
        return None

    async def topic(self, text: str, topics: Collection[Topic]) -> Told | None:
        return None

    async def is_useful(self, question: str, answer: str) -> bool | None:
        return None
