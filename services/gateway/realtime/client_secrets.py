"""Keys of short life that open a session and nothing else, for pages that must not know a real one."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import InvalidInput, Overloaded, Unauthenticated

PREFIX = "ek_"
MAX_SECRETS = 1024
MAX_SESSION_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Opened:
    """What a secret opens."""

    tenant: str
    session: pb.Session
    wants_ledge: bool
    expires_at: int
    """In seconds since 1970."""


class ClientSecrets:
    """Those of one gateway, of which only digests are kept; they end with it.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._opened: dict[bytes, Opened] = {}

    def make(self, tenant: str, session: pb.Session, *, wants_ledge: bool, lives_s: int) -> tuple[str, Opened]:
        """A new secret, and what it opens.

        Raises:
            InvalidInput: the session is too large to be kept.
            Overloaded: too many secrets are alive.
        """
        if session.ByteSize() > MAX_SESSION_BYTES:
            raise InvalidInput(f"a client secret's session takes at most {MAX_SESSION_BYTES} bytes: update it later")
        self._forget_expired()
        if len(self._opened) >= MAX_SECRETS:
            first_s = min(opened.expires_at for opened in self._opened.values()) - self._clock()
            raise Overloaded(f"{MAX_SECRETS} client secrets are alive already", retry_after_s=max(1.0, first_s))
        value = PREFIX + secrets.token_hex(24)
        opened = Opened(tenant, session, wants_ledge, int(self._clock()) + lives_s)
        self._opened[_digest(value)] = opened
        return value, opened

    def open(self, value: str) -> Opened:
        """What a secret opens. It may be used again until it expires.

        Raises:
            Unauthenticated: it is none, or has expired.
        """
        opened = self._opened.get(_digest(value))
        if opened is None or opened.expires_at <= self._clock():
            raise Unauthenticated("the client secret is not known here, or has expired")
        return opened

    def _forget_expired(self) -> None:
        now_s = self._clock()
        self._opened = {digest: one for digest, one in self._opened.items() if one.expires_at > now_s}


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
