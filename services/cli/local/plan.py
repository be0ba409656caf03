"""What a local run starts: for each service of a profile its command, its ports and its environment."""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from services.cli.local.config import LocalRunConfig
from services.cli.local.tls import ops_scheme
from services.kit.errors import InvalidInput, NotReady
from services.kit.profiles import Profile, ServiceProfile

TIERS = {"gateway": 3, "riva": 3, "wyoming": 3, "voice": 2, "hybrid": 2, "rag": 1}
"""What calls others stops before what it calls; capabilities are tier 0."""
ASKED_OVER_HTTP = frozenset({"gateway", "riva", "wyoming"})
"""Doors, whose health is asked where they are managed: what they speak themselves are others' protocols."""


@dataclass(frozen=True)
class PlannedService:
    """One process of the run."""

    name: str
    engine: str | None
    model: str | None
    address: str
    """Where its callers reach it: gRPC, for the gateway HTTP."""
    ops_url: str
    environment: Mapping[str, str]
    """On top of the caller's own."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", f"services.{self.name}"]

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports it binds."""
        return tuple(
            dict.fromkeys(
                int(port) for name, port in self.environment.items() if name in ("LEDGE_PORT", "LEDGE_OPS_PORT")
            )
        )

    @property
    def health_name(self) -> str | None:
        """What gRPC's health service calls it; None for one that is asked over HTTP."""
        return None if self.name in ASKED_OVER_HTTP else f"ledge.{self.name}.v1.{self.name.capitalize()}Service"

    @property
    def tier(self) -> int:
        return TIERS.get(self.name, 0)


@dataclass(frozen=True)
class LeftOut:
    """A service of the profile that cannot run here."""

    name: str
    packages: tuple[str, ...]
    """Debian packages that it lacks."""

    @property
    def advice(self) -> str:
        return f"run `apt-get install {' '.join(self.packages)}` (as root)"


@dataclass(frozen=True)
class RunPlan:
    """The whole run, worked out from the profile and the settings; starting it changes nothing here."""

    profile: str
    services: tuple[PlannedService, ...]
    left_out: tuple["LeftOut", ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same for plans that start the same processes in the same way."""
        text = json.dumps([self.profile, [asdict(service) for service in self.services]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def service(self, name: str) -> PlannedService:
        """Raises InvalidInput for one that the profile does not have, NotReady for one that cannot run here."""
        for service in self.services:
            if service.name == name:
                return service
        for absent in self.left_out:
            if absent.name == name:
                raise NotReady(f"{name} cannot run here: {absent.advice}")
        names = ", ".join(service.name for service in self.services)
        raise InvalidInput(f"profile {self.profile} has no service {name!r}; it has: {names}")


def plan_run(profile: Profile, config: LocalRunConfig) -> RunPlan:
    """What of the profile can run here, and what cannot."""
    left_out = tuple(
        LeftOut(name, service.missing_packages)
        for name, service in profile.services.items()
        if service.missing_packages
    )
    absent = {left.name for left in left_out}
    planned = tuple(
        _plan(name, service, profile, config) for name, service in profile.services.items() if name not in absent
    )
    return RunPlan(profile.name, planned, left_out)


def _plan(name: str, service: ServiceProfile, profile: Profile, config: LocalRunConfig) -> PlannedService:
    environment = {
        "LEDGE_HOST": config.host,
        "LEDGE_PORT": str(config.port(name)),
        "LEDGE_OPS_PORT": str(config.ops_port(name)),
        "LEDGE_LOG_FORMAT": "json",
        # Nobody balances load over a local run, so nobody has to learn that a service is leaving.
        "LEDGE_SETTLE_S": "0",
        "LEDGE_DRAIN_S": "10",
        **{f"LEDGE_{peer.upper()}_ADDRESS": config.address(peer) for peer in profile.services if peer != name},
    }
    if "hybrid" in profile.services and name != "hybrid":
        # It is a language model like any other, and the one that a profile with it means.
        environment["LEDGE_LLM_ADDRESS"] = config.address("hybrid")
    if service.engine:
        environment["LEDGE_ENGINE"] = service.engine
    if service.model:
        environment["LEDGE_MODEL"] = service.model
    if name == "retrieval":
        environment["LEDGE_DATA_DIR"] = str(config.data_dir or config.state_dir / "data")
    return PlannedService(
        name=name,
        engine=service.engine,
        model=service.model,
        address=config.address(name),
        ops_url=f"{ops_scheme(name)}://{config.address(name).rpartition(':')[0]}:{config.ops_port(name)}",
        environment={**environment, **service.env},
    )
