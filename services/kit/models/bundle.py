"""Models in one file, for a site without a connection: equal models give equal bytes, nothing enters unverified.

A bundle is an uncompressed tar (weights do not compress). `manifest.json` comes first and states each file's size and
sha256; the files follow as `<model>/<path>`, and nothing else.
"""

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Annotated, Literal, cast

from pydantic import Field, ValidationError

from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models.catalog import ModelFile, ModelId
from services.kit.models.disk import check_free_space, replace_durably, writing_to
from services.kit.models.incoming import IncomingFile
from services.kit.models.lock import exclusive
from services.kit.models.progress import Progress, Watch, nobody
from services.kit.models.source import SourceFailed
from services.kit.models.store import ModelStore
from services.kit.yaml_document import ClosedModel

MANIFEST = "manifest.json"
MAX_READ_BYTES = 16 << 20
NAME_ANOTHER = "name another place for the bundle"


class BundledModel(ClosedModel):
    """One model of a bundle; its licence travels with it."""

    id: ModelId
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


class BundleManifest(ClosedModel):
    """What a bundle holds."""

    format: Literal["ledge-models-1"]
    models: Annotated[tuple[BundledModel, ...], Field(min_length=1, max_length=1000)]

    @property
    def size_bytes(self) -> int:
        return sum(model.size_bytes for model in self.models)


def bundle(store: ModelStore, model_ids: Sequence[str], output: Path, watch: Watch = nobody) -> BundleManifest:
    """Writes `output` whole or not at all. Raises NotFound (a model is not here), EngineFailed (damaged here, disk)."""
    entries = [store.catalog.entry(model_id) for model_id in sorted(set(model_ids))]
    models = tuple(
        BundledModel(id=entry.id, licence=entry.licence, files=tuple(sorted(entry.files, key=lambda file: file.path)))
        for entry in entries
    )
    manifest = BundleManifest(format="ledge-models-1", models=models)
    folders = {model.id: store.path(model.id) for model in models}
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise InvalidInput(f"{output} cannot be written: it is a folder, or its folder does not exist")
    with writing_to(output.absolute().parent, NAME_ANOTHER):
        check_free_space(output.absolute().parent, manifest.size_bytes, "the bundle", NAME_ANOTHER)
        handle, name = tempfile.mkstemp(dir=output.absolute().parent, prefix=f".{output.name}.", suffix=".partial")
        temporary = Path(name)
        try:
            with open(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                content = manifest.model_dump_json(indent=1).encode()
                tar.addfile(_member(MANIFEST, len(content)), io.BytesIO(content))
                for model in models:
                    for file in model.files:
                        _add(tar, model, file, folders[model.id], watch)
            temporary.chmod(0o644)
            replace_durably(temporary, output)
        finally:
            temporary.unlink(missing_ok=True)
    return manifest


def import_bundle(store: ModelStore, source: Path, watch: Watch = nobody) -> BundleManifest:
    """Places the models of a bundle after every byte of it was found to be right; else places nothing.

    Whoever hands over a file does not decide what a model is: a bundle whose files differ from the catalogue of this
    machine, or that holds a model which the catalogue does not have, is refused. Raises InvalidInput, EngineFailed.
    """
    try:
        archive = _BoundedFile(source, "rb")
    except OSError as error:
        raise InvalidInput(f"{source} cannot be read: {error.strerror}") from None
    staging = store.directory / ".import"
    with archive, writing_to(store.directory), exclusive(store.directory / ".locks" / ".import", lambda: None):
        shutil.rmtree(staging, ignore_errors=True)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], archive), mode="r:") as tar:
                manifest = _read_manifest(tar, store)
                check_free_space(store.directory, manifest.size_bytes, "the import")
                _stage(tar, manifest, staging, watch)
            _place(manifest, store, staging)
        except (tarfile.TarError, SourceFailed, EOFError) as error:
            raise InvalidInput(f"{source} is no sound bundle, nothing was imported: {error}") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return manifest


class _HashedFile:
    """The part of a file object that tarfile needs to write a member, with the sha256 of what went through."""

    def __init__(self, content: IO[bytes], report: Callable[[int], None]) -> None:
        self._content = content
        self._report = report
        self._hash = hashlib.sha256()
        self._done_bytes = 0

    def read(self, size: int) -> bytes:
        chunk = self._content.read(size)
        self._hash.update(chunk)
        self._done_bytes += len(chunk)
        self._report(self._done_bytes)
        return chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class _BoundedFile(io.FileIO):
    """Refuses the reads of unbounded length that a forged tar header can ask of tarfile."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_READ_BYTES:
            raise tarfile.ReadError("a header asks for too much")
        return super().read(size) or b""


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    # TarInfo's defaults are the same for everyone: mode 0644, user and group 0 without names, time 0.
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    return member


def _add(tar: tarfile.TarFile, model: BundledModel, file: ModelFile, folder: Path, watch: Watch) -> None:
    with (folder / file.path).open("rb") as content:
        hashed = _HashedFile(content, _reporter("bundling", watch, model, file))
        tar.addfile(_member(f"{model.id}/{file.path}", file.size_bytes), cast(IO[bytes], hashed))
    if hashed.sha256 != file.sha256:
        raise EngineFailed(
            f"{file.path} of model {model.id!r} is damaged: run `ledge models verify {model.id}` "
            f"and `ledge models pull {model.id}`, then bundle again"
        )


def _reporter(
    stage: Literal["bundling", "importing"], watch: Watch, model: BundledModel, file: ModelFile
) -> Callable[[int], None]:
    return lambda done_bytes: watch(Progress(stage, model.id, file.path, done_bytes, file.size_bytes))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    # Not isreg(): that is true of sparse members too, whose content is not what the archive holds.
    is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
    content = tar.extractfile(member) if is_plain else None
    if content is None:
        raise SourceFailed(f"{member.name} is not a plain file")
    return content


def _read_manifest(tar: tarfile.TarFile, store: ModelStore) -> BundleManifest:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > MAX_READ_BYTES:
        raise SourceFailed(f"it does not begin with {MANIFEST}")
    try:
        manifest = BundleManifest.model_validate_json(_content(tar, first).read(first.size))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise SourceFailed(f"{MANIFEST}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    known = {entry.id: entry for entry in store.catalog}
    for model in manifest.models:
        if model.id not in known:
            raise SourceFailed(f"it holds {model.id!r}, which is not in the catalogue here (see LEDGE_MODELS_CATALOG)")
        if set(model.files) != set(known[model.id].files) or len(model.files) != len(known[model.id].files):
            raise SourceFailed(f"its {model.id!r} has other files than the catalogue here says")
    if len({model.id for model in manifest.models}) != len(manifest.models):
        raise SourceFailed(f"{MANIFEST} names a model twice")
    return manifest


def _stage(tar: tarfile.TarFile, manifest: BundleManifest, staging: Path, watch: Watch) -> None:
    """Each path written to is one that the catalogue allows: the names in the tar only select among those."""
    expected = {f"{model.id}/{file.path}": (model, file) for model in manifest.models for file in model.files}
    while (member := tar.next()) is not None:
        if member.name not in expected:
            raise SourceFailed(f"it holds {member.name!r}, which its manifest does not name, or holds it twice")
        model, file = expected.pop(member.name)
        partial = staging / model.id / file.path
        with IncomingFile(partial, file, _reporter("importing", watch, model, file)) as incoming:
            incoming.copy_from(_content(tar, member))
    if expected:
        raise SourceFailed(f"it lacks {', '.join(sorted(expected)[:5])}")


def _place(manifest: BundleManifest, store: ModelStore, staging: Path) -> None:
    for model in manifest.models:
        directory = store.directory_of(store.catalog.entry(model.id))
        with directory.locked(lambda: None):
            for file in model.files:
                directory.place(file, staging / model.id / file.path)
            directory.tidy()
