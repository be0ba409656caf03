"""Brings images to where a node looks for them: k3s' folder, a containerd, or a registry."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from digests import sha256_of_file
from manifest import Manifest
from oci_archive import OciArchive
from refusal import RefusedError
from registry import Registry
from verifying import IMAGES

K3S_IMAGES = Path("/var/lib/rancher/k3s/agent/images")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}

Tell = Callable[[str], None]


def refuse_another_architecture(manifest: Manifest, machine: str | None = None) -> None:
    """A node cannot run images that were built for another."""
    here = ARCHITECTURES.get(machine or platform.machine(), machine or platform.machine())
    if here != manifest.architecture:
        raise RefusedError(
            f"the images are for {manifest.architecture} and this machine is {here}: bring a bundle made for {here}"
        )


def to_k3s(bundle: Path, folder: Path, tell: Tell) -> None:
    """Into the folder that k3s reads at every start, and where k3s runs, into it at once."""
    folder.mkdir(parents=True, exist_ok=True)
    source, final = bundle / IMAGES, folder / Path(IMAGES).name
    if _is_same(source, final):
        tell(f"{final}: is there already")
    else:
        if source.stat().st_size > shutil.disk_usage(folder).free:
            raise RefusedError(f"{folder} has too little room for {source.stat().st_size / 1e6:.0f} MB of images")
        # Of another name until it is whole: k3s would read a part of it.
        partial = folder / f".{final.name}.partial"
        shutil.copyfile(source, partial)
        partial.replace(final)
        tell(f"{final}: put there")
    if program := shutil.which("k3s"):
        _import([program, "ctr", "-n", "k8s.io", "images", "import", str(final)])
        tell("k3s: images imported")


def to_containerd(bundle: Path, manifest: Manifest, socket: Path, tell: Tell) -> None:
    """Into the images that Kubernetes sees; those that are there already are not sent again."""
    client = ["ctr", "-a", str(socket), "-n", "k8s.io", "images"]
    listed = _run([*client, "ls"])
    there = dict(re.findall(r"^(\S+)\s+\S+\s+(sha256:[0-9a-f]{64})", listed, re.MULTILINE))
    if lacking := [name for name, digest in manifest.images.items() if there.get(name) != digest]:
        _import([*client, "import", str(bundle / IMAGES)])
    tell(f"{socket}: {len(lacking)} images imported, {len(manifest.images) - len(lacking)} were there")


def to_registry(images: Path, registry: Registry, tell: Tell) -> None:
    with OciArchive(images) as archive:
        for image in archive.images():
            tell(f"{registry.push(archive, image)}: pushed")


def _is_same(source: Path, final: Path) -> bool:
    return (
        final.is_file()
        and final.stat().st_size == source.stat().st_size
        and sha256_of_file(final) == sha256_of_file(source)
    )


def _import(command: list[str]) -> None:
    _run(command)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise RefusedError(f"{command[0]} is not here: it comes with containerd") from None
    if done.returncode:
        raise RefusedError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout
