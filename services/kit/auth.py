"""API keys: who may call, told the same way to gRPC and HTTP."""

import hashlib
import hmac

from services.kit.errors import Unauthenticated

PEER = "peer"
"""Name of the key that the suite's own services show; only they may speak for another tenant."""


class Keys:
    """The accepted keys. Only their digests are kept; without any, every call is let in."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._names = {_digest(key): name for key, name in keys.items()}

    @property
    def wanted(self) -> bool:
        """Whether a call needs a key."""
        return bool(self._names)

    def tenant(self, authorization: str, forwarded: str = "") -> str:
        """The tenant that an `authorization` header stands for; empty where no keys are configured.

        Args:
            authorization: the header's value, `Bearer <key>`.
            forwarded: the tenant that a peer calls for.

        Raises:
            Unauthenticated: no key, or not an accepted one.
        """
        if not self._names:
            return forwarded
        scheme, _, key = authorization.partition(" ")
        shown = _digest(key.strip())
        found = ""
        for known, name in self._names.items():
            if hmac.compare_digest(known, shown):
                found = name
        if not found or scheme.lower() != "bearer":
            raise Unauthenticated("an accepted API key is needed: send it as `authorization: Bearer <key>`")
        return forwarded if forwarded and found == PEER else found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
