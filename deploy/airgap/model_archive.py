"""The models of a bundle, as `ledge models bundle` writes them: checked, and put into a folder, without that program.

On the way into a folder each file is written beside its place and moved there when its sum was right; files that are
there already and right are left, so an interrupted filling goes on.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from digests import pieces, sha256_of, sha256_of_file
from refusal import RefusedError

FORMAT = "ledge-models-1"
MAX_DOCUMENT_BYTES = 16 << 20
PLAIN_PATH = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*){0,15}", re.ASCII)
USER = 10001
"""Whom files belong to in the images."""


@dataclass(frozen=True)
class ModelFile:
    """One file as `<model>/<path>`."""

    path: str
    size_bytes: int
    sha256: str


def model_files(archive: Path) -> list[ModelFile]:
    """What the archive says it holds. Raises RefusedError."""
    with _opened(archive) as tar:
        return _listed(tar, archive)


def faults(archive: Path) -> Iterator[str]:
    """Reads every byte."""
    with _opened(archive) as tar:
        awaited = {file.path: file for file in _listed(tar, archive)}
        for member, content in _contents(tar, archive):
            file = awaited.pop(member.name, None)
            if file is None:
                yield f"{member.name} is not in the list of the models"
            elif member.size != file.size_bytes or _sum_of(content, archive) != file.sha256:
                yield f"{member.name} is damaged"
        yield from (f"{path} is missing" for path in sorted(awaited))


def fill(archive: Path, folder: Path) -> int:
    """Returns how many files were written into the folder. Raises RefusedError at the first that is wrong."""
    written = 0
    with _opened(archive) as tar:
        awaited = {file.path: file for file in _listed(tar, archive)}
        for member, content in _contents(tar, archive):
            file = awaited.pop(member.name, None)
            if file is None:
                raise RefusedError(f"{archive} holds {member.name}, which its list does not name")
            final = folder / file.path
            if final.is_file() and final.stat().st_size == file.size_bytes and sha256_of_file(final) == file.sha256:
                continue
            _write(content, file, final, folder)
            written += 1
    if awaited:
        raise RefusedError(f"{archive} lacks {', '.join(sorted(awaited)[:5])}")
    return written


def give_to_images(path: Path) -> None:
    """Makes a file or folder the images' user's; anybody but root lacks the right, and then it stays as it is."""
    if os.geteuid() == 0:
        os.chown(path, USER, USER)


def _write(content: IO[bytes], file: ModelFile, final: Path, folder: Path) -> None:
    for parent in (folder, *reversed(final.relative_to(folder).parents)):
        place = folder / parent
        place.mkdir(mode=0o755, exist_ok=True)
        give_to_images(place)
    partial = final.with_name(f".{final.name}.airgap-partial")
    with partial.open("wb") as target:
        for piece in pieces(content):
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    if sha256_of_file(partial) != file.sha256:
        partial.unlink()
        raise RefusedError(f"{file.path} is damaged: nothing of it was put into {folder}")
    partial.chmod(0o644)
    give_to_images(partial)
    partial.replace(final)


def _sum_of(content: IO[bytes], archive: Path) -> str:
    try:
        return sha256_of(content)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RefusedError(f"{archive} is damaged or cut short: {error}") from None


def _opened(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive, mode="r:")
    except (OSError, tarfile.TarError, EOFError) as error:
        raise RefusedError(f"{archive} is no archive of models: {error}") from None


def _listed(tar: tarfile.TarFile, archive: Path) -> list[ModelFile]:
    try:
        first = tar.next()
        if first is None or first.name != "manifest.json" or first.size > MAX_DOCUMENT_BYTES:
            raise RefusedError(f"{archive} does not begin with the list of its models")
        content = tar.extractfile(first)
        document: Any = json.loads(content.read()) if content else None
        if document["format"] != FORMAT:
            raise RefusedError(f"{archive} is not of the format {FORMAT}")
        files = [
            ModelFile(f"{model['id']}/{file['path']}", file["size_bytes"], file["sha256"])
            for model in document["models"]
            for file in model["files"]
        ]
    except (KeyError, TypeError, ValueError, RecursionError, tarfile.TarError, OSError) as error:
        raise RefusedError(f"the list of the models in {archive} is damaged: {error}") from None
    for file in files:
        if not PLAIN_PATH.fullmatch(file.path):
            raise RefusedError(f"{archive} would write to {file.path!r}")
    return files


def _contents(tar: tarfile.TarFile, archive: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    try:
        while (member := tar.next()) is not None:
            content = tar.extractfile(member) if member.isreg() and not member.issparse() else None
            if content is None:
                raise RefusedError(f"{member.name} in {archive} is no plain file")
            yield member, content
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RefusedError(f"{archive} is damaged or cut short: {error}") from None
