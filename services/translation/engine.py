"""What a translation engine promises."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Model:
    """What translates."""

    id: str
    engine: str
    licence: str = ""
    """SPDX expression; empty without weights."""
    commercial_use: bool | None = None


@dataclass(frozen=True)
class Pair:
    """Two languages and the model that has them."""

    source: str
    """BCP-47, as `target`."""
    target: str
    model: str
    """Its id."""


class Engine(Protocol):
    """All pairs of one or more models, shared by the calls of an event loop; never blocks the loop."""

    @property
    def models(self) -> Sequence[Model]:
        """At least one."""

    @property
    def pairs(self) -> Sequence[Pair]:
        """The first of two with the same languages is taken where nobody names a model."""

    async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        """One translation for each sentence, in order; sentences of all callers are translated together.

        Args:
            sentences: at most `services.translation.sentences.MAX_CHARACTERS` each, on one line. They may hold marks
                (`services.translation.marks`), which should come back once each; whoever calls looks whether they did.

        Raises:
            Overloaded: too many sentences wait.
            EngineFailed: the engine failed.
        """

    async def close(self) -> None:
        """Frees the models."""
