"""The guards of an answer, in a row: each sees the question before anything is done with it, and every sentence of
the answer before it is sent."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from services.rag.config import RagConfig
from services.rag.guards.personal_data import PersonalData
from services.rag.guards.topics import Topic, Topics
from services.rag.peers import Peers

Classify = Callable[[str, Collection[Topic]], Awaitable["Topic | None"]]


@dataclass(frozen=True, slots=True)
class Checked:
    """A text after the guards."""

    text: str
    """Without what was taken out."""
    taken_out: list[str] = field(default_factory=list)
    """Kinds of the personal data that was."""
    blocked: Topic | None = None


class Guards:
    """Those that a deployment has. Shared by all calls."""

    def __init__(self, personal_data: PersonalData | None, topics: Topics | None) -> None:
        self._personal_data = personal_data
        self._topics = topics

    @classmethod
    def of(cls, config: RagConfig, peers: Peers) -> "Guards":
        """All that the configuration makes possible. Raises NotFound or InvalidInput for a wrong file of topics."""
        topics = Topics.read(config.blocked_topics_file, peers) if config.blocked_topics_file else None
        return cls(PersonalData(config.telephone_region), topics)

    def at_work(self, asked: Collection[str]) -> "Guards":
        """Those of these guards whose names are among `asked`."""
        return Guards(
            self._personal_data if "personal-data" in asked else None, self._topics if "topics" in asked else None
        )

    def __bool__(self) -> bool:
        return self._personal_data is not None or self._topics is not None

    async def check(self, text: str, classify: Classify, *, is_question: bool = False) -> Checked:
        """Checks a question, or a sentence of an answer.

        Args:
            classify: asks the model which of some topics a text belongs to.
        """
        taken_out: list[str] = []
        if self._personal_data is not None:
            text, taken_out = self._personal_data.redact(text, named=not is_question)
        blocked = None
        if self._topics is not None:
            blocked = await self._topics.nearest(text) or await classify(text, self._topics.all.values())
        return Checked(text, taken_out, blocked)

    def redacted(self, texts: Sequence[str]) -> list[str]:
        """Turns of a conversation without personal data."""
        data = self._personal_data
        return [text if data is None else data.redact(text)[0] for text in texts]

    def shown(self, text: str) -> str:
        """A passage's text as the caller may see it, of the same length."""
        return self._personal_data.mask(text) if self._personal_data is not None else text
