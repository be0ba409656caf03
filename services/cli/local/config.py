"""What the local run reads from the environment: where its state lies, which profile, which ports."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

import services
from services.kit.errors import InvalidInput
from services.kit.profiles import DEFAULT_PROFILE

ORDER = ("asr", "tts", "translation", "llm", "embedding", "retrieval", "reranking", "rag", "voice", "hybrid")
"""Services with a gRPC port of their own, in the order of their ports."""
KNOWN_PORTS = {"riva": 50051, "wyoming": 10300}
"""Doors whose clients expect them at a port of their own."""
PORT_BASE = 50101
OPS_OFFSET = 1000
"""A service's ops port is its gRPC port + 1000."""


def _state_directory() -> Path:
    checkout = Path(next(iter(services.__path__))).parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / ".ledge"
    # The XDG specification says to ignore a relative path.
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "ledge"


class LocalRunConfig(BaseSettings):
    """Settings of `ledge up` and of the commands that speak to what it started."""

    model_config = SettingsConfigDict(
        env_prefix="LEDGE_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    state_dir: Path = Field(default_factory=_state_directory)
    """Where a run keeps its records, logs and documents. Default: `.ledge` in a checkout, else `ledge` under
    `$XDG_STATE_HOME` or `~/.local/state`."""
    profile: str = DEFAULT_PROFILE
    """A shipped profile by its name, or one of your own by its path."""
    host: str = "127.0.0.1"
    """Address that the services listen on. Loopback unless told otherwise; `0.0.0.0` or `[::]` for all."""
    port_base: int = Field(PORT_BASE, ge=1024, le=65535 - OPS_OFFSET - len(ORDER) - len(KNOWN_PORTS))
    """gRPC port of the first service; the others follow, and ops ports lie 1000 above."""
    gateway_port: int = Field(8000, ge=1, le=65535)
    """HTTP port of the gateway."""
    riva_port: int | None = Field(None, ge=1, le=65535 - OPS_OFFSET)
    """gRPC port of the door for Riva's clients. Default: the 50051 that they expect; where `port_base` was chosen, the
    port after the services'."""
    wyoming_port: int | None = Field(None, ge=1, le=65535 - OPS_OFFSET)
    """TCP port of the door for Wyoming's clients. Default: the 10300 that they expect; where `port_base` was chosen,
    the second port after the services'."""
    data_dir: Path | None = None
    """Where `retrieval` keeps the documents. Default: `data` in the state directory."""
    start_timeout_s: float = Field(180.0, gt=0, le=3600)
    """How long `ledge up` waits for all services to be ready."""

    @classmethod
    def read(cls, **given: Any) -> "LocalRunConfig":
        """From the environment; what is given and not None comes first. Raises InvalidInput."""
        try:
            config = cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            faults = (f"LEDGE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
            raise InvalidInput("; ".join(faults)) from error
        return config.model_copy(update={"state_dir": config.state_dir.expanduser().absolute()})

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach the services."""
        return self.host not in ("localhost", "::1", "[::1]") and not self.host.startswith("127.")

    def port(self, service: str) -> int:
        """The port that a service's callers use. Raises InvalidInput for one that the local run does not know."""
        if service == "gateway":
            return self.gateway_port
        if service in KNOWN_PORTS:
            chosen: int | None = getattr(self, f"{service}_port")
            if chosen is not None:
                return chosen
            beside = self.port_base + len(ORDER) + list(KNOWN_PORTS).index(service)
            return KNOWN_PORTS[service] if self.port_base == PORT_BASE else beside
        if service not in ORDER:
            raise InvalidInput(f"the local run has no port for {service!r}")
        return self.port_base + ORDER.index(service)

    def ops_port(self, service: str) -> int:
        """The port of its management surface; the gateway has that beside its API."""
        return self.gateway_port if service == "gateway" else self.port(service) + OPS_OFFSET

    def address(self, service: str) -> str:
        """Host and port that reach a service from this machine."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}
        return f"{everywhere.get(self.host, self.host)}:{self.port(service)}"
