"""Reads every byte of a bundle and says what is missing, changed, too much, or for other machines. No network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import model_archive
from digests import sha256_of_file
from manifest import MANIFEST, SIGNATURE, Manifest
from oci_archive import OciArchive
from refusal import RefusedError
from signing import check_signature

IMAGES = "images/ledge-images.tar"
MODELS = "models/models.tar"

Tell = Callable[[str], None]


def told_of_signature(bundle: Path, public_key: Path | None) -> str:
    """Whose a bundle is that `verify` has found whole."""
    if public_key is not None:
        return f"signed by the owner of {public_key}"
    if (bundle / SIGNATURE).exists():
        return "signed, which was NOT checked: say by whom with --key"
    return "not signed"


def verify(bundle: Path, public_key: Path | None, tell: Tell) -> Manifest:
    """Raises RefusedError with everything that is wrong, not the first alone."""
    if public_key is not None:
        check_signature(bundle, public_key)
    tell(f"{MANIFEST}: {told_of_signature(bundle, public_key)}")
    manifest = Manifest.read(bundle)
    wrong = [*_files_wrong(bundle, manifest, tell), *_too_much(bundle, manifest)]
    if not wrong:
        # Only what has the right sums is looked into.
        wrong = [*_images_wrong(bundle, manifest), *_models_wrong(bundle, manifest)]
    if wrong:
        raise RefusedError(f"{bundle} is not what was made:\n" + "\n".join(f"  {each}" for each in wrong))
    return manifest


def _files_wrong(bundle: Path, manifest: Manifest, tell: Tell) -> Iterator[str]:
    for file in manifest.files:
        path = bundle / file.path
        if any(each.is_symlink() for each in (path, *path.parents) if each != bundle and bundle in each.parents):
            yield f"{file.path}: a link, not the file"
        elif not path.is_file():
            yield f"{file.path}: missing"
        elif (found_bytes := path.stat().st_size) != file.size_bytes:
            short = f"cut short, {found_bytes} of {file.size_bytes} bytes"
            yield f"{file.path}: {short if found_bytes < file.size_bytes else 'changed, longer than it was'}"
        elif sha256_of_file(path) != file.sha256:
            yield f"{file.path}: changed"
        else:
            tell(f"{file.path}: {file.size_bytes / 1e6:.1f} MB, right")


def _too_much(bundle: Path, manifest: Manifest) -> Iterator[str]:
    named = {file.path for file in manifest.files} | {MANIFEST, SIGNATURE}
    for path in sorted(bundle.rglob("*")):
        relative = path.relative_to(bundle).as_posix()
        # A link to a folder is one thing too much, wherever it leads.
        if (path.is_symlink() or not path.is_dir()) and relative not in named:
            yield f"{relative}: {'a link, ' if path.is_symlink() else ''}not in {MANIFEST}"


def _images_wrong(bundle: Path, manifest: Manifest) -> Iterator[str]:
    with OciArchive(bundle / IMAGES) as archive:
        found = {image.name: image for image in archive.images()}
        yield from (f"{IMAGES}: {fault}" for fault in archive.faults())
    for name, digest in sorted(manifest.images.items()):
        image = found.get(name)
        if image is None:
            yield f"{IMAGES}: lacks {name}"
        elif image.manifest.digest != digest:
            yield f"{IMAGES}: {name} is {image.manifest.digest}, not {digest}"
        elif (image.operating_system, image.architecture) != ("linux", manifest.architecture):
            told = f"{image.operating_system}/{image.architecture}"
            yield f"{IMAGES}: {name} is for {told}, not for linux/{manifest.architecture}"


def _models_wrong(bundle: Path, manifest: Manifest) -> Iterator[str]:
    if not manifest.models:
        return
    yield from (f"{MODELS}: {fault}" for fault in model_archive.faults(bundle / MODELS))
    held = {file.path.partition("/")[0] for file in model_archive.model_files(bundle / MODELS)}
    yield from (f"{MODELS}: lacks {model}" for model in manifest.models if model not in held)
