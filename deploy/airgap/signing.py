"""Signs a bundle's manifest and checks the signature, by OpenSSL's command line: keys of RSA, P-256 or Ed25519.

With a P-256 key the signature is what `cosign verify-blob` checks too, once it is written in base64.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from manifest import MANIFEST, SIGNATURE
from refusal import RefusedError


def sign(bundle: Path, private_key: Path) -> None:
    temporary = bundle / f".{SIGNATURE}.partial"
    how = ["-rawin"] if _is_ed25519(private_key, "-in") else ["-rawin", "-digest", "sha256"]
    done = _openssl(
        "pkeyutl", "-sign", "-inkey", private_key, *how, "-in", bundle / MANIFEST, "-out", temporary
    )  # fmt: skip
    if done.returncode:
        raise RefusedError(f"{private_key} cannot sign: {_last_words(done)}")
    temporary.replace(bundle / SIGNATURE)


def check_signature(bundle: Path, public_key: Path) -> None:
    """Raises RefusedError where the bundle is not signed, or not by this key."""
    if not (bundle / SIGNATURE).is_file():
        raise RefusedError(f"{bundle} is not signed: it has no {SIGNATURE}")
    how = ["-rawin"] if _is_ed25519(public_key, "-pubin", "-in") else ["-rawin", "-digest", "sha256"]
    done = _openssl(
        "pkeyutl", "-verify", "-pubin", "-inkey", public_key, *how,
        "-in", bundle / MANIFEST, "-sigfile", bundle / SIGNATURE,
    )  # fmt: skip
    if done.returncode:
        raise RefusedError(f"{MANIFEST} was not signed by the owner of {public_key}, or was changed since")


def _is_ed25519(key: Path, *form: str) -> bool:
    done = _openssl("pkey", *form, key, "-noout", "-text_pub")
    if done.returncode:
        raise RefusedError(f"{key} is no key in PEM: {_last_words(done)}")
    return "ED25519" in done.stdout


def _openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["openssl", *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise RefusedError("signatures need OpenSSL 3 (the command openssl), which is not here") from None


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip().splitlines() or ["openssl failed"])[-1]
