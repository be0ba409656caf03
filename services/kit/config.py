"""What every service reads from its environment, checked before any port opens."""

import re
import ssl
import sys
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_KEY = re.compile(r"[!-~]{1,512}")
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")


def env(name: str, *aliases: str) -> AliasChoices:
    """The variable `LEDGE_<name>` first, then NIM's names for the same knob."""
    return AliasChoices(f"LEDGE_{name}", *aliases)


CommaList = Annotated[tuple[str, ...], NoDecode]
"""A tuple read from a comma-separated variable; validate with `split_commas`."""


def split_commas(value: object) -> object:
    """Turns "a, b" into ("a", "b"); leaves sequences as they are."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class ServiceConfig(BaseSettings):
    """Settings that all services share. A service adds its own in its `config.py`.

    Field docstrings are the documentation: `docs/configuration.md` is made from them.
    """

    model_config = SettingsConfigDict(
        env_prefix="LEDGE_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on. Loopback unless told otherwise; `0.0.0.0` or `[::]` for all."""
    port: int = Field(0, ge=0, le=65535, validation_alias=env("PORT", "NIM_GRPC_API_PORT"))
    """gRPC port. 0: any free one, told in the log line `listening`."""
    ops_port: int = Field(0, ge=0, le=65535, validation_alias=env("OPS_PORT", "NIM_SERVER_PORT", "NIM_HTTP_API_PORT"))
    """HTTP port of the management surface (`/v1/health/ready`, `/v1/metrics`, …). 0: any free one."""
    health_port: int | None = Field(None, ge=0, le=65535)
    """A second, plaintext gRPC port with nothing but health, for probes that cannot speak TLS. Absent: none."""

    log_level: str = Field("INFO", validation_alias=env("LOG_LEVEL", "NIM_LOG_LEVEL"))
    """DEBUG, INFO, WARNING or ERROR."""
    log_format: str = Field("json", pattern="^(json|text)$")
    """`json` (one object a line) or `text`."""

    api_keys: SecretStr | None = None
    """Accepted API keys, comma-separated, each `key` or `name=key`. Absent: calls need no key."""
    api_keys_file: Path | None = None
    """The same, one a line, from a file (a mounted Secret). Lines that begin with `#` are comments."""
    peer_api_key: SecretStr | None = None
    """The key that this service shows to the services it calls."""

    tls_cert_file: Path | None = Field(None, validation_alias=env("TLS_CERT_FILE", "NIM_SSL_CERTS_PATH"))
    """Certificate chain (PEM). With `tls_key_file`: the gRPC port speaks TLS."""
    tls_key_file: Path | None = Field(None, validation_alias=env("TLS_KEY_FILE", "NIM_SSL_KEY_PATH"))
    """Private key (PEM) of `tls_cert_file`. Also shown to peers that ask for a client certificate."""
    tls_client_ca_file: Path | None = None
    """Certificate authorities (PEM) of clients. Given: clients must show a certificate (mTLS)."""
    tls_ca_file: Path | None = Field(None, validation_alias=env("TLS_CA_FILE", "NIM_SSL_CA_CERTS_PATH"))
    """Certificate authorities (PEM) of the services called. Given: peers are called over TLS."""
    ops_tls: bool = False
    """Whether the management surface, too, speaks TLS, with the same certificate; it asks for none. Off: plain HTTP, as
    probes and most scrapers speak it; then a key shown to it travels readable, so keep its port inside the site. The
    gateway's is on its one port, which speaks TLS whenever there is a certificate."""

    max_message_bytes: int = Field(16 * 2**20, ge=2**16, le=2**30)
    """Largest gRPC message taken or sent, in bytes."""
    max_concurrent_calls: int = Field(512, ge=1, le=100_000)
    """Calls served at a time, waiting ones included; past it RESOURCE_EXHAUSTED at once."""
    settle_s: float = Field(3.0, ge=0, le=300)
    """After SIGTERM, how long new calls are still taken while load balancers learn that this service is leaving."""
    drain_s: float = Field(30.0, ge=0, le=3600)
    """After that, how long calls in flight may take to finish."""
    connection_age_s: float = Field(0.0, ge=0, le=86400)
    """Callers are asked to connect anew when a connection is as old, in seconds (a tenth more or less); calls under way
    on it end in peace. As they do, they look for the service's addresses, and so find replicas that were added. 0:
    never."""
    deadline_slack_s: float = Field(0.02, ge=0, le=10)
    """Taken off the caller's deadline, so that this service reports the time-out, not the caller."""
    call_timeout_s: float = Field(60.0, gt=0, le=3600)
    """Longest deadline given to a call of another service."""
    awaited_peers: Annotated[CommaList, BeforeValidator(split_commas)] = ()
    """Addresses of services, comma-separated, that calls wait for within their deadline while nobody is there: of one
    that is replaced rather than rolled, or that sleeps until it is wanted."""
    peer_wait_s: float = Field(0.0, ge=0, le=3600)
    """For how long after a peer was found away calls of it still wait for it, within their deadline, in seconds: so a
    restart fails nobody, and a peer that stays away is told at once. Above 0, peers that load or drain count as away. A
    peer without which work goes on is never waited for. 0: nor is any other but `LEDGE_AWAITED_PEERS`."""

    loading_lease: str | None = Field(None, pattern="^[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?$")
    """Begin of the names of the Leases in Kubernetes that this pod holds, one a GPU, while it loads its model: so no
    two load on one GPU at once. The chart sets it. Absent: nothing is waited for."""
    loading_wait_s: float = Field(1800.0, gt=0, le=86400)
    """How long it may wait for its turn at loading, in seconds; past it the service ends with an error."""
    loading_release: str = Field("", pattern="^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")
    """The release in Helm that those Leases are labelled with, to be found when it is removed. The chart sets it."""
    node_name: str = Field("", pattern="^[a-z0-9.-]{0,150}$")
    """The node that this pod runs on, as Kubernetes calls it; part of the Leases' names."""

    @model_validator(mode="after")
    def _tls_pairs(self) -> "ServiceConfig":
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("LEDGE_TLS_CERT_FILE and LEDGE_TLS_KEY_FILE go together: set both or neither")
        if self.ops_tls and self.tls_cert_file is None:
            raise ValueError("LEDGE_OPS_TLS needs LEDGE_TLS_CERT_FILE and LEDGE_TLS_KEY_FILE")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("LEDGE_TLS_CLIENT_CA_FILE needs LEDGE_TLS_CERT_FILE and LEDGE_TLS_KEY_FILE")
        for path in (self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file, self.tls_ca_file):
            if path is not None and not path.is_file():
                raise ValueError(f"{path} is not a file")
        if self.api_keys_file is not None and not self.api_keys_file.is_file():
            raise ValueError(f"LEDGE_API_KEYS_FILE: {self.api_keys_file} is not a file")
        return self

    @model_validator(mode="after")
    def _tls_files_can_be_used(self) -> "ServiceConfig":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.tls_cert_file is not None:
            try:
                # Without the callback OpenSSL would ask the terminal for the password of an encrypted key.
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file, password=lambda: b"")
            except OSError as error:
                raise ValueError(
                    "LEDGE_TLS_CERT_FILE and LEDGE_TLS_KEY_FILE must hold a certificate chain and its unencrypted key "
                    f"in PEM ({error})"
                ) from error
        for setting in ("tls_client_ca_file", "tls_ca_file"):
            if (path := getattr(self, setting)) is not None:
                try:
                    context.load_verify_locations(path)
                except OSError as error:
                    raise ValueError(f"LEDGE_{setting.upper()} must hold certificates in PEM ({error})") from error
        return self

    @model_validator(mode="after")
    def _keys_are_usable(self) -> "ServiceConfig":
        # Keys were meant, so none must not mean that everybody is let in.
        if (self.api_keys is not None or self.api_keys_file is not None) and not self.keys():
            raise ValueError("LEDGE_API_KEYS and LEDGE_API_KEYS_FILE hold no key")
        for key, name in self.keys().items():
            if not _KEY.fullmatch(key) or not _TENANT.fullmatch(name):
                raise ValueError(
                    "an API key is `key` or `name=key`: 1 to 512 printable ASCII characters without spaces, "
                    "the name 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'; LEDGE_API_KEYS or LEDGE_API_KEYS_FILE holds "
                    "one that is not"
                )
        return self

    def keys(self) -> dict[str, str]:
        """Accepted API keys: key → name of its tenant. Empty: calls need no key."""
        lines: list[str] = []
        if self.api_keys is not None:
            lines += self.api_keys.get_secret_value().split(",")
        if self.api_keys_file is not None:
            text = self.api_keys_file.read_text(encoding="utf-8")
            lines += [line for line in text.splitlines() if not line.startswith("#")]
        keys: dict[str, str] = {}
        for line in lines:
            name, separator, key = line.strip().partition("=")
            if name or separator:
                keys[key if separator else name] = name if separator else "default"
        return keys


Config = TypeVar("Config", bound=ServiceConfig)


def read_config(kind: type[Config]) -> Config:
    """Reads the environment; on bad config prints one line a fault and exits with 2."""
    try:
        return kind()
    except ValidationError as error:
        refuse(_fault(fault) for fault in error.errors())


def refuse(faults: object) -> NoReturn:
    """Prints why the service cannot start as configured, and exits with 2."""
    for fault in faults:  # type: ignore[attr-defined]
        print(f"bad configuration: {fault}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
    raise SystemExit(2)


def _fault(fault: object) -> str:
    place = ".".join(str(part) for part in fault["loc"])  # type: ignore[index]
    message: str = fault["msg"]  # type: ignore[index]
    name = place if place.startswith(("LEDGE_", "NIM_")) else f"LEDGE_{place.upper()}"
    return f"{name}: {message}" if place else message.removeprefix("Value error, ")
