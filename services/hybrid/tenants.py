"""What each tenant may do: its default mode, whether its requests stay at home, its budget.

```yaml
tenants:
  research:  { mode: route, cloud_calls: 500, cloud_tokens: 2000000 }
  personnel: { local_only: true }
```

What a tenant does not say, and who is no tenant of the file, is as the service's settings have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from services.hybrid.config import HybridConfig
from services.hybrid.modes import Mode, Why
from services.kit.yaml_document import ClosedModel, read_document

Count = Annotated[int, Field(ge=0)]


class TenantEntry(ClosedModel):
    mode: Mode | None = None
    local_only: bool | None = None
    cloud_calls: Count | None = None
    cloud_tokens: Count | None = None


class TenantsFile(ClosedModel):
    tenants: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")], TenantEntry] = Field(
        default_factory=dict
    )


@dataclass(frozen=True)
class Tenant:
    """What holds for one caller."""

    mode: Mode
    why: Why
    """Who says so: the tenant's entry, or the settings for all."""
    local_only: bool
    cloud_calls: int | None
    cloud_tokens: int | None


class Tenants:
    """All callers; safe to share."""

    def __init__(self, default: Tenant, entries: Mapping[str, TenantEntry]) -> None:
        self._default = default
        self._named = {name: _entry(entry, default) for name, entry in entries.items()}

    @classmethod
    def read(cls, config: HybridConfig) -> Self:
        """Raises NotFound, InvalidInput for a file that is not there or wrong."""
        default = Tenant(Mode(config.mode), Why.DEFAULT, config.local_only, config.cloud_calls, config.cloud_tokens)
        file = TenantsFile() if config.tenants_file is None else read_document(config.tenants_file, TenantsFile)
        return cls(default, file.tenants)

    def of(self, name: str) -> Tenant:
        return self._named.get(name, self._default)


def _entry(entry: TenantEntry, default: Tenant) -> Tenant:
    return Tenant(
        mode=entry.mode or default.mode,
        why=Why.TENANT if entry.mode else default.why,
        # What the service as a whole is labelled, no tenant undoes.
        local_only=default.local_only or bool(entry.local_only),
        cloud_calls=default.cloud_calls if entry.cloud_calls is None else entry.cloud_calls,
        cloud_tokens=default.cloud_tokens if entry.cloud_tokens is None else entry.cloud_tokens,
    )
