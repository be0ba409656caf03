"""Audio in JSON."""

import base64
import binascii
from typing import Annotated, Any

from pydantic import BeforeValidator


def decoded(value: Any) -> bytes:
    """The bytes of base64 text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError("audio is a string of base64")
    try:
        return binascii.a2b_base64(value.encode(), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this is no base64") from error


def encoded(audio: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(audio).decode()


Audio = Annotated[bytes, BeforeValidator(decoded)]
"""A field that holds audio."""
