"""Makes a bundle in a folder from a checkout: images, chart, models, values, bills of materials, sums of them all.

What is there already and right is left as it is, so that an interrupted making goes on. The manifest comes last: a
folder without one is no bundle. The same images, models and chart give the same bytes.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from digests import sha256_of_file
from manifest import MANIFEST, SIGNATURE, BundledFile, Manifest
from model_archive import model_files
from oci_archive import Image, OciArchive
from refusal import RefusedError
from signing import sign
from verifying import IMAGES, MODELS

ROOT = Path(__file__).resolve().parent.parent.parent
SBOM = "opt/ledge/sbom.cdx.json"
MAX_SBOM_BYTES = 16 << 20
PINNED = "pinned.yaml"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Choice:
    """What goes into a bundle."""

    profile: str
    images: Path
    """The archive that deploy/images.sh left."""
    models: Path
    """The model store."""
    helm: Path
    values: tuple[Path, ...] = ()
    """Values of the site, laid over the profile's."""
    with_helm: bool = True
    with_wheels: bool = False
    private_key: Path | None = None


def make(bundle: Path, choice: Choice, tell: Tell) -> Manifest:
    """Raises RefusedError where something lacks."""
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / MANIFEST).unlink(missing_ok=True)
    (bundle / SIGNATURE).unlink(missing_ok=True)
    wanted: dict[str, Path | bytes] = {"charts/" + _chart_name(): _chart(), IMAGES: choice.images}
    for name in ("values.yaml", f"values-{choice.profile}.yaml", "values-airgap.yaml"):
        if (ROOT / "helm" / "ledge" / name).is_file():
            wanted[f"values/{name}"] = ROOT / "helm" / "ledge" / name
        elif name == f"values-{choice.profile}.yaml":
            raise RefusedError(f"the chart has no {name}: say which profile with --profile")
    for number, file in enumerate(choice.values):
        wanted[f"values/site-{number}-{file.name}"] = file
    wanted["models/models.yaml"] = ROOT / "deploy" / "models.yaml"
    if (choice.models / PINNED).is_file():
        wanted[f"models/{PINNED}"] = choice.models / PINNED
    if choice.with_helm:
        wanted["bin/helm"] = choice.helm
    for file in sorted(Path(__file__).parent.glob("*.py")):
        wanted[f"airgap/{file.name}"] = file

    with OciArchive(choice.images) as archive:
        images = {image.name: image for image in archive.images()}
        needed = _images_of_the_chart(choice)
        if lacking := sorted(needed - set(images)):
            raise RefusedError(f"{choice.images} lacks {', '.join(lacking)}: `deploy/images.sh` builds them")
        architectures = {image.architecture for image in images.values()}
        if len(architectures) != 1:
            raise RefusedError(f"{choice.images} mixes images for {', '.join(sorted(architectures))}")
        for image in images.values():
            name = image.name.rpartition("/")[2].replace(":", "-")
            if (content := _bill(archive, image)) is not None:
                wanted[f"sbom/{name}.cdx.json"] = content
    tell(f"{len(images)} images, {len(needed)} of them run by profile {choice.profile}")

    _refuse_a_full_disk(bundle, wanted)
    for path, source in sorted(wanted.items()):
        _put(bundle / path, source)
    models = _bundle_models(bundle, choice)
    tell(f"{len(models)} models: {', '.join(models) or 'none'}")
    shutil.rmtree(bundle / "wheels", ignore_errors=True)
    if choice.with_wheels:
        _fetch_wheels(bundle / "wheels")
    _sweep(bundle, {*wanted, *([MODELS] if models else [])})

    manifest = Manifest(
        version=_version(),
        revision=_revision(),
        profile=choice.profile,
        architecture=architectures.pop(),
        images={name: image.manifest.digest for name, image in sorted(images.items())},
        models=models,
        files=tuple(_listed(bundle)),
    )
    manifest.write(bundle)
    if choice.private_key is not None:
        sign(bundle, choice.private_key)
        tell(f"signed by {choice.private_key}")
    return manifest


def _images_of_the_chart(choice: Choice) -> set[str]:
    """What the chart would ask nodes for, tests and Jobs included."""
    chart = ROOT / "helm" / "ledge"
    files = [chart / f"values-{choice.profile}.yaml", chart / "values-airgap.yaml", *choice.values]
    command = [choice.helm, "template", "ledge", chart, *(word for file in files for word in ("-f", file))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RefusedError(f"the chart refuses these values: {done.stderr.strip()[-1000:]}")
    return set(re.findall(r"^\s*(?:- )?image: \"?([^\s\"]+)\"?$", done.stdout, re.MULTILINE))


def _chart() -> bytes:
    """The chart as `helm package` packs it, but with one time, so that the same chart gives the same bytes."""
    folder = ROOT / "helm" / "ledge"
    with tempfile.TemporaryFile() as packed:
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                member = tarfile.TarInfo(f"ledge/{file.relative_to(folder).as_posix()}")
                member.size = file.stat().st_size
                with file.open("rb") as content:
                    tar.addfile(member, content)
        packed.seek(0)
        return packed.read()


def _chart_name() -> str:
    text = (ROOT / "helm" / "ledge" / "Chart.yaml").read_text(encoding="utf-8")
    found = re.search(r"^version: (\S+)$", text, re.MULTILINE)
    return f"ledge-{found[1] if found else '0'}.tgz"


def _version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "unknown"


def _revision() -> str:
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _bill(archive: OciArchive, image: Image) -> bytes | None:
    """The image's bill of materials, as its uppermost layer that has one says; None for images of other makers."""
    for layer in reversed(image.layers):
        with archive.open(layer.digest) as content, tarfile.open(fileobj=content, mode="r|*") as tar:
            for member in tar:
                if member.name.lstrip("./") == SBOM and member.isreg() and member.size <= MAX_SBOM_BYTES:
                    found = tar.extractfile(member)
                    return found.read() if found else None
    return None


def _refuse_a_full_disk(bundle: Path, wanted: dict[str, Path | bytes]) -> None:
    new_bytes = sum(
        source.stat().st_size
        for path, source in wanted.items()
        if isinstance(source, Path) and not (bundle / path).exists()
    )
    free_bytes = shutil.disk_usage(bundle).free
    if new_bytes > free_bytes:
        raise RefusedError(f"{bundle} needs {new_bytes / 1e9:.1f} GB more and {free_bytes / 1e9:.1f} GB are free")


def _put(final: Path, source: Path | bytes) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, Path):
        there = final.stat() if final.is_file() else None
        stat = source.stat()
        if there and (there.st_size, there.st_mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return
    partial = final.with_name(f".{final.name}.partial")
    if isinstance(source, Path):
        shutil.copy2(source, partial)
    else:
        partial.write_bytes(source)
    partial.replace(final)


def _bundle_models(bundle: Path, choice: Choice) -> tuple[str, ...]:
    """By the `ledge` command, which checks each byte against the catalogue."""
    archive = bundle / MODELS
    archive.parent.mkdir(exist_ok=True)
    environment = os.environ | {"LEDGE_MODELS_DIR": str(choice.models), "LEDGE_OFFLINE": "1"}
    command = [_python(), "-m", "services.cli", "models", "bundle", "--profile", choice.profile, "--json"]
    done = subprocess.run([*command, "-o", archive], capture_output=True, text=True, env=environment, cwd=ROOT)
    if done.returncode:
        raise RefusedError(f"the models of profile {choice.profile} cannot be bundled: {done.stderr.strip()[-1000:]}")
    told = tuple(model["id"] for model in json.loads(done.stdout)["models"])
    held = {file.path.partition("/")[0] for file in model_files(archive)}
    if set(told) != held:
        raise RefusedError(f"{archive} holds {', '.join(sorted(held))} instead of {', '.join(told)}")
    return told


def _fetch_wheels(folder: Path) -> None:
    """The `ledge` command for a desk at the site: `pip install --no-index --find-links wheels 'ledge[cli]'`."""
    folder.mkdir(exist_ok=True)
    command = [_python(), "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "wheel"]
    done = subprocess.run(
        [*command, "--wheel-dir", folder, "-c", ROOT / "constraints.txt", f"{ROOT}[cli]"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RefusedError(f"the wheels of the command line cannot be had: {done.stderr.strip()[-1000:]}")


def _python() -> str:
    """The checkout's own environment, which has the `ledge` command."""
    own = ROOT / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _sweep(bundle: Path, wanted: set[str]) -> None:
    """Takes away what another making left."""
    for path in bundle.rglob("*"):
        relative = path.relative_to(bundle)
        if path.is_file() and relative.parts[0] != "wheels" and relative.as_posix() not in wanted:
            path.unlink()


def _listed(bundle: Path) -> Iterator[BundledFile]:
    for path in sorted(bundle.rglob("*")):
        if path.is_file():
            yield BundledFile(path.relative_to(bundle).as_posix(), path.stat().st_size, sha256_of_file(path))
