"""The decisions that a model makes, each a closed schema; what it is told to make them by."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.rag.judges.judge import MAX_PARTS

MAX_QUESTION_CHARACTERS = 300
NO_TOPIC = "none of them"
ShortQuestion = Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUESTION_CHARACTERS)]


class Decision(BaseModel):
    """What the model must answer with; its docstring is what it is told."""

    model_config = ConfigDict(extra="forbid")


class Routed(Decision):
    """Decide where the answer to the last question must come from: "documents" for anything that could stand in the
    organisation's documents, "conversation" only to repeat or sum up earlier turns. When in doubt: "documents"."""

    route: Literal["documents", "conversation"]


class Condensed(Decision):
    """Write the last question so that it is understood without the turns before it: put in what its pronouns and
    omissions stand for. Change nothing else, add nothing, do not answer it."""

    question: ShortQuestion


class Decomposed(Decision):
    """Does the question need facts that stand in different places? Then give the simpler questions to look up, in
    order, at most three. Is it simple? Then give none."""

    questions: Annotated[list[ShortQuestion], Field(max_length=MAX_PARTS)]


class Sufficient(Decision):
    """Do the notes state the answer to the question? Only what is written there counts, not what is likely."""

    answered: bool


class Relevant(Decision):
    """Does the passage hold something that helps to answer the question?"""

    relevant: bool


class Rewritten(Decision):
    """A search with the question found nothing that answers it. Write it in other words, as the documents may put it:
    other terms for the same things. Keep names, numbers and codes."""

    question: ShortQuestion


class Follows(Decision):
    """Does the sentence follow from the notes? Every part of it must be stated there."""

    supported: bool


class Useful(Decision):
    """Does the answer answer the question that was asked? An answer beside the point does not."""

    useful: bool


class Classified(Decision):
    """Which of the topics is the text about? "none of them" where it is not about one; a topic that is only mentioned
    beside the point does not count."""

    topic: str
