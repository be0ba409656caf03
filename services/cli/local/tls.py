"""TLS as the commands speak it: the same variables that the services read, so that one environment serves both."""

import os
import ssl
from pathlib import Path
from typing import TypedDict

from services.kit.errors import InvalidInput

_TRUE = {"1", "true", "t", "yes", "y", "on"}
"""As the services' settings are read."""


class ChannelTls(TypedDict):
    """What `open_channel` takes: authorities that services are checked against, and what this side shows (PEM)."""

    ca: bytes | None
    certificate: bytes | None
    private_key: bytes | None


def channel_tls() -> ChannelTls:
    """LEDGE_TLS_CA_FILE given: services are called over TLS; with a certificate and its key: over mTLS."""
    return ChannelTls(
        ca=_read("LEDGE_TLS_CA_FILE"),
        certificate=_read("LEDGE_TLS_CERT_FILE"),
        private_key=_read("LEDGE_TLS_KEY_FILE"),
    )


def gateway_scheme() -> str:
    """The gateway speaks HTTPS where a certificate is configured."""
    return "https" if os.environ.get("LEDGE_TLS_CERT_FILE") else "http"


def ops_scheme(service: str) -> str:
    """The gateway's management surface is on its one port; that of the others is encrypted where LEDGE_OPS_TLS says."""
    if service == "gateway":
        return gateway_scheme()
    return "https" if os.environ.get("LEDGE_OPS_TLS", "").lower() in _TRUE else "http"


def http_context() -> ssl.SSLContext:
    """For HTTPS: the same authorities, and this side's certificate where there is one. Raises InvalidInput."""
    tls = channel_tls()
    context = ssl.create_default_context(cadata=tls["ca"].decode() if tls["ca"] else None)
    if tls["certificate"] and tls["private_key"]:
        try:
            context.load_cert_chain(os.environ["LEDGE_TLS_CERT_FILE"], os.environ["LEDGE_TLS_KEY_FILE"])
        except ssl.SSLError as error:
            raise InvalidInput(f"LEDGE_TLS_CERT_FILE and LEDGE_TLS_KEY_FILE do not go together: {error}") from error
    return context


def _read(variable: str) -> bytes | None:
    name = os.environ.get(variable)
    if not name:
        return None
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{variable}: {name}: {error.strerror}") from error
