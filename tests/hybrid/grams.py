"""N-gram models as services: the same text and vocabulary, a short memory and a long one."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.llm.config import LlmConfig
from services.llm.engines.ngram import NgramEngine
from tests.processes import ServiceProcess, service

SUBJECTS = ("the pump", "the tower", "the well", "the valve", "the old mill", "the weir")
VERBS = ("feeds", "guards", "empties", "fills", "drains", "watches")
OBJECTS = ("the lower basin", "the upper basin", "the river", "the canal", "the town", "the mill pond")
ENDINGS = (
    "at night.",
    "every spring, as the log says.",
    "when it rains.",
    "since 1912.",
    "und füllt die Becken über Nacht.",
)


def text() -> str:
    """Sentences in which what follows depends on more than one word before it."""
    chance = random.Random(7)
    pick = chance.choice
    lines = [f"{pick(SUBJECTS)} {pick(VERBS)} {pick(OBJECTS)} {pick(ENDINGS)}" for _ in range(60)]
    return "\n".join(" and ".join(chance.sample(lines, chance.randint(1, 3))) for _ in range(120))


def engine(order: int) -> NgramEngine:
    """The same model in this process."""
    return NgramEngine(text(), LlmConfig(ngram_order=order))


@contextmanager
def gram_service(folder: Path, order: int, content: str | None = None, **settings: str) -> Iterator[ServiceProcess]:
    file = folder / f"text-{order}.txt"
    file.write_text(text() if content is None else content)
    own = {"LEDGE_ENGINE": "ngram", "LEDGE_NGRAM_FILE": str(file), "LEDGE_NGRAM_ORDER": str(order)}
    with service("llm", **{**own, **settings}) as process:
        yield process
