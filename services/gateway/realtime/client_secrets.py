"""Keys of short life that open a session and nothing else, for pages that must not know a real one.

A secret holds what it opens, signed: every replica that has the same API keys takes it, none has to remember it, and
it ends early when those keys change. Whoever holds it can read the session in it, as `session.created` tells it anyway,
and could try keys until one has signed it: what signs is made of the keys slowly, once, so that each guess is dear.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import InvalidInput, Unauthenticated

PREFIX = "ek_"
MAX_SECRET_CHARACTERS = 6144
"""It travels in a header, of which proxies take 8 KiB."""
_DIGEST_BYTES = 32
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 5
"""What OWASP advises for 16 MiB: about 0.3 s of one core."""
_SALT = b"ledge client secrets"
"""The same everywhere: replicas have nothing in common but their keys."""
_HEAD = struct.Struct(">8sQ?B")
"""Something random, when it expires, whether Ledge's events are wanted, and the length of the tenant's name."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a secret opens."""

    tenant: str
    session: pb.Session
    wants_ledge: bool
    expires_at: int
    """In seconds since 1970."""


class ClientSecrets:
    """Makes and opens them. Keeps nothing.

    Args:
        keys: the API keys. Where there are none, anybody may open a session without a secret, too.
        clock: seconds since 1970.
    """

    def __init__(self, keys: Iterable[str], clock: Callable[[], float] = time.time) -> None:
        self._key = hashlib.scrypt(
            "\0".join(sorted(keys)).encode(), salt=_SALT, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=_DIGEST_BYTES
        )
        self._clock = clock

    def make(self, tenant: str, session: pb.Session, *, wants_ledge: bool, lives_s: int) -> tuple[str, Opened]:
        """A new secret, and what it opens.

        Raises:
            InvalidInput: the session is too large to travel in a header.
        """
        opened = Opened(tenant, session, wants_ledge, int(self._clock()) + lives_s)
        name = tenant.encode()
        head = _HEAD.pack(os.urandom(8), opened.expires_at, wants_ledge, len(name))
        payload = head + name + zlib.compress(session.SerializeToString())
        value = PREFIX + base64.urlsafe_b64encode(self._digest(payload) + payload).decode().rstrip("=")
        if len(value) > MAX_SECRET_CHARACTERS:
            raise InvalidInput("the session is too large for a client secret: send what is long in `session.update`")
        return value, opened

    def open(self, value: str) -> Opened:
        """What a secret opens. It may be used again until it expires.

        Raises:
            Unauthenticated: it is none, or has expired.
        """
        refusal = Unauthenticated("the client secret is not one of this gateway's, or has expired")
        text = value.removeprefix(PREFIX)
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise refusal from None
        digest, payload = signed[:_DIGEST_BYTES], signed[_DIGEST_BYTES:]
        if len(value) > MAX_SECRET_CHARACTERS or not hmac.compare_digest(digest, self._digest(payload)):
            raise refusal
        try:
            opened = _unpacked(payload)
        except (struct.error, UnicodeDecodeError, zlib.error, DecodeError):
            # Signed all the same: where there are no keys, anybody can.
            raise refusal from None
        if opened.expires_at <= self._clock():
            raise refusal
        return opened

    def _digest(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")


def _unpacked(payload: bytes) -> Opened:
    _, expires_at, wants_ledge, name_bytes = _HEAD.unpack_from(payload)
    name, session = payload[_HEAD.size :][:name_bytes], payload[_HEAD.size + name_bytes :]
    return Opened(name.decode(), pb.Session.FromString(zlib.decompress(session)), wants_ledge, expires_at)
