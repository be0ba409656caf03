"""Reads images out of an archive in OCI's layout, which containerd and k3s take as it is; nothing is unpacked."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from digests import sha256_of
from refusal import RefusedError

NAME = "io.containerd.image.name"
MAX_DOCUMENT_BYTES = 4 << 20
MAX_MEMBERS = 10_000
BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """A piece of an image, by the sum that names it."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Image:
    """One image of the archive."""

    name: str
    manifest: Blob
    media_type: str
    config: Blob
    layers: tuple[Blob, ...]
    architecture: str
    operating_system: str

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.config, *self.layers)


class OciArchive:
    """An archive, open for reading. Raises RefusedError where it is not what it should be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tar = tarfile.open(path, mode="r:")  # noqa: SIM115, closed by __exit__
            self._members: dict[str, tarfile.TarInfo] = {}
            while (member := self._tar.next()) is not None:
                if member.isreg() and not member.issparse():
                    self._members[member.name] = member
                if len(self._members) > MAX_MEMBERS:
                    raise RefusedError(f"{path} holds more than {MAX_MEMBERS} files")
        except (OSError, tarfile.TarError, EOFError, ValueError) as error:
            raise RefusedError(f"{path} is no whole archive of images: {error}") from None

    def __enter__(self) -> OciArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def images(self) -> list[Image]:
        entries = self._document("index.json").get("manifests")
        if not isinstance(entries, list) or not entries:
            raise RefusedError(f"{self._path} holds no image")
        return [self._image(entry) for entry in entries]

    def faults(self) -> Iterator[str]:
        """What is wrong with the blobs: each is read whole and must have the sum that it is named by."""
        for name, member in self._members.items():
            if (match := BLOB.fullmatch(name)) is not None:
                try:
                    intact = sha256_of(self._content(member)) == match[1]
                except (tarfile.TarError, OSError, EOFError):
                    intact = False
                if not intact:
                    yield f"{name} is damaged"
        for image in self.images():
            for blob in image.blobs:
                found = self._members.get(_blob_name(blob.digest))
                if found is None:
                    yield f"{image.name} lacks {blob.digest}"
                elif found.size != blob.size_bytes:
                    yield f"{image.name}: {blob.digest} has {found.size} bytes, not {blob.size_bytes}"

    def open(self, digest: str) -> IO[bytes]:
        member = self._members.get(_blob_name(digest))
        if member is None:
            raise RefusedError(f"{self._path} lacks {digest}")
        return self._content(member)

    def _image(self, entry: Any) -> Image:
        try:
            name = entry["annotations"][NAME]
            manifest = self._document(_blob_name(entry["digest"]))
            if "manifests" in manifest:
                raise RefusedError(f"{name} is an index of several architectures: a bundle is for one")
            config, *layers = (Blob(each["digest"], each["size"]) for each in (manifest["config"], *manifest["layers"]))
            told = self._document(_blob_name(config.digest))
            return Image(
                name,
                Blob(entry["digest"], self._members[_blob_name(entry["digest"])].size),
                manifest.get("mediaType") or "application/vnd.oci.image.manifest.v1+json",
                config,
                tuple(layers),
                told["architecture"],
                told["os"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise RefusedError(f"{self._path} describes an image without {error}") from None

    def _document(self, name: str) -> dict[str, Any]:
        member = self._members.get(name)
        if member is None or member.size > MAX_DOCUMENT_BYTES:
            raise RefusedError(f"{self._path} lacks {name}, or it is too large")
        try:
            found = json.loads(self._content(member).read())
        except (ValueError, RecursionError, tarfile.TarError, OSError):
            raise RefusedError(f"{name} in {self._path} is damaged") from None
        if not isinstance(found, dict):
            raise RefusedError(f"{name} in {self._path} is damaged")
        return found

    def _content(self, member: tarfile.TarInfo) -> IO[bytes]:
        content = self._tar.extractfile(member)
        if content is None:
            raise RefusedError(f"{member.name} in {self._path} is no plain file")
        return content


def _blob_name(digest: Any) -> str:
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise RefusedError(f"{digest!r} is no digest")
    return f"blobs/{digest.replace(':', '/')}"
