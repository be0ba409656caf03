"""What a bundle says of itself: every file with its size and sum, the images, the models, for which machines.

`manifest.json` lies beside the files that it names and is the one thing that is signed.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refusal import RefusedError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
FORMAT = "ledge-airgap-1"
MAX_MANIFEST_BYTES = 8 << 20
PLAIN_PATH = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*){0,3}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BundledFile:
    """One file of the bundle, named from its root."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The whole bundle."""

    version: str
    revision: str
    """The commit that it was made from."""
    profile: str
    architecture: str
    """As images name it: amd64, arm64."""
    images: dict[str, str]
    """Digests by name."""
    models: tuple[str, ...]
    files: tuple[BundledFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def write(self, bundle: Path) -> None:
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True)
        temporary = bundle / f".{MANIFEST}.partial"
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(bundle / MANIFEST)

    @classmethod
    def read(cls, bundle: Path) -> Manifest:
        """Raises RefusedError where it is not one of this format, or names a place outside of the bundle."""
        file = bundle / MANIFEST
        try:
            if file.stat().st_size > MAX_MANIFEST_BYTES:
                raise RefusedError(f"{file} is larger than a manifest can be")
            document = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise RefusedError(f"{bundle} is no bundle, or only a part of one: {MANIFEST}: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise RefusedError(f"{file} is no JSON: it was changed or cut short; copy the bundle again") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise RefusedError(f"{file} is not of the format {FORMAT}: use the program that came with that bundle")
        try:
            return _parsed(document)
        except (KeyError, TypeError, ValueError) as error:
            raise RefusedError(f"{file} does not say what it must: {error}") from None


def _parsed(document: dict[str, Any]) -> Manifest:
    known = {"format", *Manifest.__dataclass_fields__}
    if unknown := set(document) - known:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    files = tuple(_parsed_file(each) for each in document["files"])
    paths = [file.path for file in files]
    if len(set(paths)) != len(paths):
        raise ValueError("a file is named twice")
    texts = {name: document[name] for name in ("version", "revision", "profile", "architecture")}
    for name, text in texts.items():
        if not isinstance(text, str) or not re.fullmatch(r"[\w.+-]{1,100}", text, re.ASCII):
            raise ValueError(f"{name} is {text!r}")
    images = document["images"]
    for name, digest in images.items():
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ValueError(f"the digest of {name} is {digest!r}")
    models = tuple(document["models"])
    for model in models:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,95}", model):
            raise ValueError(f"a model is called {model!r}")
    return Manifest(images=images, models=models, files=files, **texts)


def _parsed_file(entry: dict[str, Any]) -> BundledFile:
    file = BundledFile(**entry)
    if not PLAIN_PATH.fullmatch(file.path):
        raise ValueError(f"{file.path!r} is not a plain path inside of the bundle")
    if type(file.size_bytes) is not int or file.size_bytes < 0 or not SHA256.fullmatch(file.sha256):
        raise ValueError(f"{file.path} has no size or sum")
    return file
