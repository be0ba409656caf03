"""The guards of an answer, in a row: each sees the question before anything is done with it, and every sentence of
the answer before it is sent."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

import grpc

from services.rag.config import RagConfig
from services.rag.guards.personal_data import PersonalData
from services.rag.guards.topics import Told, Topic, Topics
from services.rag.peers import Peers

Classify = Callable[[str, Collection[Topic]], Awaitable[Told | None]]
"""Which of some topics a text belongs to; None: no decision was made."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A text after the guards."""

    text: str
    """Without what was taken out."""
    taken_out: list[str] = field(default_factory=list)
    """Kinds of the personal data that was."""
    blocked: Topic | None = None
    failed: bool = False
    """Whether one of those who should have decided did not."""
    may_pass: bool = True
    """False: it is blocked, or too few decided for it to be let through."""

    @property
    def outcome(self) -> str:
        """What came of it, for the trace."""
        if self.blocked is not None:
            return "blocked"
        if not self.may_pass:
            return "not checked"
        return f"taken out: {', '.join(self.taken_out)}" if self.taken_out else "passed"


class Guards:
    """Those that a deployment has. Shared by all calls.

    Args:
        refuses: whether a text is kept back when not all who should have decided did; else one of them suffices.
    """

    def __init__(self, personal_data: PersonalData | None, topics: Topics | None, *, refuses: bool = False) -> None:
        self._personal_data = personal_data
        self._topics = topics
        self._refuses = refuses

    @classmethod
    def of(cls, config: RagConfig, peers: Peers) -> "Guards":
        """All that the configuration makes possible. Raises NotFound or InvalidInput for a wrong file of topics."""
        topics = Topics.read(config.blocked_topics_file, peers) if config.blocked_topics_file else None
        return cls(PersonalData(config.telephone_region), topics)

    def at_work(self, asked: Collection[str], *, refuses: bool = False) -> "Guards":
        """Those of these guards whose names are among `asked`."""
        personal_data = self._personal_data if "personal-data" in asked else None
        return Guards(personal_data, self._topics if "topics" in asked else None, refuses=refuses)

    def __bool__(self) -> bool:
        return self._personal_data is not None or self._topics is not None

    @property
    def ask_others(self) -> bool:
        """Whether a check calls another service."""
        return self._topics is not None

    async def check(self, text: str, classify: Classify | None, *, is_question: bool = False) -> Checked:
        """Checks a question, or a sentence of an answer. Raises what the embedding service fails with for a question,
        which cannot be answered without it.

        Args:
            classify: asks the model; None: it is not to be asked.
        """
        taken_out: list[str] = []
        if self._personal_data is not None:
            text, taken_out = self._personal_data.redact(text, named=not is_question)
        if self._topics is None:
            return Checked(text, taken_out)
        told = [await self._likeness(self._topics, text, is_question=is_question)]
        if classify is not None and not (told[0] and told[0].topic):
            told.append(await classify(text, self._topics.all.values()))
        blocked = next((each.topic for each in told if each and each.topic), None)
        decided = sum(each is not None for each in told)
        failed = decided < len(told)
        may_pass = blocked is None and decided > 0 and not (failed and self._refuses)
        return Checked(text, taken_out, blocked, failed, may_pass)

    async def _likeness(self, topics: Topics, text: str, *, is_question: bool) -> Told | None:
        try:
            return Told(await topics.nearest(text))
        except grpc.aio.AioRpcError as error:
            if is_question or error.code() is grpc.StatusCode.CANCELLED:
                raise
            return None

    def redacted(self, texts: Sequence[str]) -> list[str]:
        """Turns of a conversation without personal data."""
        data = self._personal_data
        return [text if data is None else data.redact(text)[0] for text in texts]

    def shown(self, text: str) -> str:
        """A passage's text as the caller may see it, of the same length."""
        return self._personal_data.mask(text) if self._personal_data is not None else text
