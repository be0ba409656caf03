"""How answers from single collections are made, where a request does not say.

```yaml
collections:
  personnel:
    effort: balanced           # fast, balanced, thorough
    policy: quote              # quote, compose
    judge: calibrated          # calibrated, model
    candidates: 40             # passages to rerank
    guards: [personal-data]    # beside those of LEDGE_GUARDS
    guard_failure: refuse      # refuse, continue: when a guard's model or encoder cannot be asked
```

Where a question goes to several collections the first that says something decides, the guards of all are at work, and
one that refuses is enough to refuse.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from services.kit.yaml_document import ClosedModel, read_document
from services.rag.collections import Collection


class CollectionSettings(ClosedModel):
    """Of one collection, or of the deployment."""

    effort: Literal["fast", "balanced", "thorough"] | None = None
    policy: Literal["quote", "compose"] | None = None
    judge: Literal["calibrated", "model"] | None = None
    candidates: Annotated[int, Field(ge=1, le=100)] | None = None
    guards: tuple[Literal["personal-data", "topics"], ...] = ()
    guard_failure: Literal["refuse", "continue"] | None = None


CollectionName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,53}$")]


class SettingsOfCollections(ClosedModel):
    """The file."""

    collections: Mapping[CollectionName, CollectionSettings] = {}

    @classmethod
    def read(cls, path: Path | None) -> "SettingsOfCollections":
        """Raises NotFound or InvalidInput for a file that is not there or wrong."""
        return cls() if path is None else read_document(path, cls)

    def of(self, collections: Sequence[Collection], otherwise: CollectionSettings) -> CollectionSettings:
        """What holds for a question to some collections.

        Args:
            otherwise: what the deployment says.
        """
        told = [self.collections[it.name] for it in collections if it.name in self.collections]
        settings = [*told, otherwise]
        guards = dict.fromkeys(guard for each in settings for guard in each.guards)
        first = {
            name: next((value for each in settings if (value := getattr(each, name)) is not None), None)
            for name in ("effort", "policy", "judge", "candidates")
        }
        failures = {
            self.collections.get(it.name, otherwise).guard_failure or otherwise.guard_failure for it in collections
        }
        guard_failure: Literal["refuse", "continue"] = "refuse" if "refuse" in failures else "continue"
        return CollectionSettings(**first, guards=tuple(guards), guard_failure=guard_failure)
