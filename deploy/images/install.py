"""Installs packages into the image that is being built, without what no service reads, and writes what is in it.

Runs with the image's own interpreter, `/opt/ledge/bin/python /tools/install.py`, in a build step that mounts `/tools`:
neither pip nor this file is in the image. Versions are those of constraints.txt, or as `--unpinned` resolves them.
"""

import argparse
import fnmatch
import importlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

TOOLS = Path(__file__).parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]

UNREAD = (
    # What packages carry for those who build against them or test them.
    "*/tests/*",
    "*.pyi",
    "*.h",
    "*.a",
    "*.c",
    "*.pxd",
    "*.pyx",
    "numpy/f2py/*",
    "numpy/distutils/*",
    # Makes and shrinks models; services only run them.
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    # Messages of Google's own services; gRPC's errors are in google/rpc.
    "google/api/*",
    "google/cloud/*",
    "google/longrunning/*",
    "google/type/*",
    # Other ways to speak the protocol than the HTTP server's.
    "websockets/legacy/*",
    "websockets/sync/*",
    "websockets/trio/*",
    # Towns and operators of numbers; the guards look at numbers alone.
    "phonenumbers/geodata/*",
    "phonenumbers/carrierdata/*",
)
"""Files of wheels that no service opens, as patterns of paths in site-packages."""

STRIPPED = ("xllamacpp", "qdrant-edge-py", "cryptography", "tokenizers", "pyyaml")
"""Distributions whose libraries carry symbols by the ten megabytes. Only such as auditwheel did not rewrite: libraries
that patchelf has touched do not always survive `strip`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help="requirements: numpy, nvidia-cudnn-cu12>=9")
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml; `kit`: what all need")
    parser.add_argument(
        "--without", action="append", default=[], help="a distribution to leave out, with what it needs"
    )
    parser.add_argument("--unpinned", action="store_true", help="not the versions of constraints.txt")
    chosen = parser.parse_args()

    os.environ.update(PYTHONPATH=str(TOOLS / "pip"), PYTHONHASHSEED="0", PIP_CONFIG_FILE=str(TOOLS / "pip.conf"))
    before = set(_installed())
    wanted = [
        *chosen.packages,
        *_asked_by(chosen.extra),
    ]
    pins = [] if chosen.unpinned else ["-c", str(TOOLS / "constraints.txt")]
    exact = _resolve(wanted, pins, {_normal(name) for name in chosen.without})
    if exact:
        subprocess.run([*PIP, "install", "--no-compile", "--no-cache-dir", "--no-deps", *exact], check=True)
    for name in sorted(set(_installed()) - before):
        _tidy(metadata.distribution(name))
    subprocess.run([sys.executable, TOOLS / "sbom.py", "/opt/ledge/sbom.cdx.json"], check=True)


def _asked_by(extras: list[str]) -> list[str]:
    # A process of its own: the images' Python takes no module from beside the program (PYTHONSAFEPATH).
    command = [sys.executable, TOOLS / "requirements.py", TOOLS / "pyproject.toml", *extras]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def _resolve(wanted: list[str], pins: list[str], without: set[str]) -> list[str]:
    """What pip would install, as exact versions, less what only `without` asks for."""
    # As the pip that resolves knows it; it is on the path of this step alone.
    sys.path.insert(0, str(TOOLS / "pip"))
    from pip._vendor.packaging.requirements import Requirement

    if not wanted:
        return []
    report = subprocess.run(
        [*PIP, "install", "--dry-run", "--report", "-", *pins, *wanted], check=True, capture_output=True, text=True
    )
    found = {_normal(each["metadata"]["name"]): each["metadata"] for each in json.loads(report.stdout)["install"]}
    kept: set[tuple[str, frozenset[str]]] = set()
    queue = [Requirement(each) for each in wanted]
    while queue:
        requirement = queue.pop()
        name, extras = _normal(requirement.name), frozenset(requirement.extras)
        if (name, extras) in kept or name in without or name not in found:
            continue
        kept.add((name, extras))
        for text in found[name].get("requires_dist", []):
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                queue.append(inner)
    return sorted({f"{name}=={found[name]['version']}" for name, _ in kept})


def _tidy(distribution: metadata.Distribution) -> None:
    """Removes what is not read, strips what is known to be large, and compiles what is left."""
    strip = shutil.which("strip", path=str(TOOLS / "bin"))
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if any(fnmatch.fnmatch(str(file), pattern) for pattern in UNREAD):
            path.unlink(missing_ok=True)
        elif path.suffix == ".py":
            # A read-only root keeps no cache: compiled here, and checked by nobody, since nobody changes it.
            py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, quiet=1)
        elif strip and _normal(distribution.name) in STRIPPED and ".so" in path.suffixes:
            subprocess.run([strip, "--strip-unneeded", path], check=True)


def _installed() -> Iterator[str]:
    importlib.invalidate_caches()
    # The site-packages of the image alone, not the pip that works here.
    site = f"/opt/ledge/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    return (_normal(each.name) for each in metadata.distributions(path=[site]))


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    main()
