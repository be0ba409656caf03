"""A profile: which services run on a class of hardware, with which engine and model, and what each may take.

The one file `deploy/profiles/<name>.yaml` drives the local run, the chart's values and the planner.
"""

import os
import shutil
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from services.kit.deploy import deploy_directory
from services.kit.errors import InvalidInput, NotFound
from services.kit.models.catalog import Catalog, ModelId, Task
from services.kit.yaml_document import ClosedModel, read_document

DEFAULT_PROFILE = "embedded-cpu"

Capability = Literal["asr", "tts", "translation", "llm", "embedding", "retrieval", "reranking"]
Service = Literal[Capability, "rag", "voice", "hybrid", "gateway", "riva", "wyoming"]


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Value = Annotated[str, BeforeValidator(_as_text)]
Count = Annotated[int, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0)]
Cores = Annotated[float, Field(gt=0)]


class Hardware(ClosedModel):
    """The smallest machine that the profile is made for."""

    cpu_cores: Cores
    memory_bytes: Bytes
    accelerator: Literal["none", "cuda", "tenstorrent"] = "none"
    accelerator_count: Count = 0
    accelerator_bytes: Bytes = 0
    """Memory of each accelerator."""


class Budget(ClosedModel):
    """What one service may take of the machine."""

    memory_bytes: Bytes
    """Resident memory; the chart's limit."""
    cpu_cores: Cores
    """What it is promised when all are busy (the chart's request); alone it may use more."""
    accelerator_count: Count = 0
    """Accelerators it spreads one model over (tensor parallel)."""
    accelerator_bytes: Bytes = 0
    """On each of them."""


class ServiceProfile(ClosedModel):
    """One service of the profile."""

    engine: Annotated[str, Field(min_length=1)] | None = None
    """Capabilities name their engine; compositions and doors have none."""
    model: ModelId | None = None
    """Id in the catalogue; absent where the engine needs no model or the model runs elsewhere."""
    budget: Budget
    needs: dict[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    """What it needs that Python does not bring: a program's name, or a file's path → the Debian package it comes with.
    The local run leaves a service out where that is missing, and says so; images hold it."""
    env: dict[Variable, Value] = Field(default_factory=dict)
    """Environment of this service alone: its own LEDGE_ settings and what its libraries read (OMP_NUM_THREADS)."""

    @property
    def missing_packages(self) -> tuple[str, ...]:
        """Debian packages of what it needs and this machine lacks, each once."""
        lacks = (package for need, package in self.needs.items() if not _is_there(need))
        return tuple(dict.fromkeys(lacks))


def _is_there(need: str) -> bool:
    return Path(need).exists() if need.startswith("/") else shutil.which(need) is not None


class Profile(ClosedModel):
    """A closed, immutable description; `load` has also checked it against the catalogue."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: Annotated[str, Field(min_length=1)]
    hardware: Hardware
    services: Annotated[dict[Service, ServiceProfile], Field(min_length=1)]

    @classmethod
    def load(cls, name_or_path: str, catalog: Catalog) -> Self:
        """A shipped profile by its name, or one of your own by its path. Raises NotFound, InvalidInput."""
        is_path = "/" in name_or_path or name_or_path.endswith(".yaml")
        path = Path(name_or_path).expanduser() if is_path else _folder() / f"{name_or_path}.yaml"
        if not is_path and name_or_path not in shipped_profiles():
            raise NotFound(f"no profile {name_or_path!r}; there are: {', '.join(shipped_profiles())}")
        profile = read_document(path, cls)
        if not is_path and profile.name != name_or_path:
            raise InvalidInput(f"{path}: its name is {profile.name!r}, not that of the file")
        profile._check(catalog, path)
        return profile

    @classmethod
    def from_environment(cls, catalog: Catalog) -> Self:
        """The one that LEDGE_PROFILE names, by default embedded-cpu."""
        return cls.load(os.environ.get("LEDGE_PROFILE") or DEFAULT_PROFILE, catalog)

    @property
    def models(self) -> tuple[str, ...]:
        """Ids of the models it needs, each once."""
        return tuple(dict.fromkeys(service.model for service in self.services.values() if service.model))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, service in self.services.items():
            if (name in get_args(Capability)) != (service.engine is not None):
                raise ValueError(f"service {name}: a capability, and only a capability, names its engine")
            if service.model is not None and name not in get_args(Task):
                raise ValueError(f"service {name} loads no model")
        budgets = [service.budget for service in self.services.values()]
        self._check_sum("memory_bytes", sum(budget.memory_bytes for budget in budgets), self.hardware.memory_bytes)
        self._check_sum("cpu_cores", sum(budget.cpu_cores for budget in budgets), self.hardware.cpu_cores)
        accelerator_bytes = sum(budget.accelerator_count * budget.accelerator_bytes for budget in budgets)
        capacity_bytes = self.hardware.accelerator_count * self.hardware.accelerator_bytes
        self._check_sum("accelerator_bytes", accelerator_bytes, capacity_bytes)
        return self

    def _check_sum(self, what: str, budgeted: float, available: float) -> None:
        # Cores are fractions whose decimal sum is not exact.
        if budgeted > available + 1e-6:
            raise ValueError(f"the services' {what} add up to {budgeted:g}, the hardware has {available:g}")

    def _check(self, catalog: Catalog, path: Path) -> None:
        for name, service in self.services.items():
            if service.model is None:
                continue
            try:
                entry = catalog.entry(service.model)
            except NotFound as error:
                raise InvalidInput(f"{path}: service {name}: {error}") from None
            if name not in entry.tasks:
                raise InvalidInput(f"{path}: service {name}: {entry.id} is a model for {', '.join(entry.tasks)}")
            if service.engine not in entry.engines:
                raise InvalidInput(f"{path}: service {name}: {service.engine} does not read {entry.id}")
            budget = service.budget
            on_cpu = (budget.memory_bytes, entry.memory.cpu_bytes)
            on_accelerator = (budget.accelerator_count * budget.accelerator_bytes, entry.memory.gpu_bytes)
            given_bytes, needed_bytes = on_accelerator if budget.accelerator_count else on_cpu
            if given_bytes < needed_bytes:
                raise InvalidInput(f"{path}: service {name}: {entry.id} takes {needed_bytes} bytes, not {given_bytes}")


def shipped_profiles() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def _folder() -> Path:
    return deploy_directory() / "profiles"
