"""Bundles of a few kilobytes for the tests of deploy/airgap, whole in every way, and the command that is tested."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
AIRGAP = ROOT / "deploy" / "airgap"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
NAMES = ("ledge.local/ledge/cli:1.2.3", "ledge.local/ledge/llm:1.2.3")
MODEL_FILES = {"tiny/weights.bin": b"weights" * 2000, "tiny/part/tokenizer.json": b"{}"}


def airgap(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, AIRGAP, *arguments], capture_output=True, text=True, env=os.environ | environment, timeout=120
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_tar(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def layer(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def write_images(path: Path, names: Iterable[str] = NAMES, architecture: str = MACHINE) -> dict[str, str]:
    """An archive as deploy/images.sh leaves it: images of a shared layer and one with a bill; digests by name."""
    blobs: dict[str, bytes] = {}

    def keep(content: bytes) -> dict[str, Any]:
        blobs[f"blobs/sha256/{sha256(content)}"] = content
        return {"digest": f"sha256:{sha256(content)}", "size": len(content)}

    base = keep(layer({"etc/os-release": b"small"}))
    entries, digests = [], {}
    for name in names:
        own = keep(layer({"opt/ledge/sbom.cdx.json": json.dumps({"of": name}).encode()}))
        config = keep(json.dumps({"architecture": architecture, "os": "linux", "for": name}).encode())
        manifest = keep(json.dumps({"schemaVersion": 2, "config": config, "layers": [base, own]}).encode())
        digests[name] = manifest["digest"]
        entries.append({**manifest, "annotations": {"io.containerd.image.name": name}})
    index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    write_tar(path, {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **blobs})
    return digests


def write_models(path: Path, files: Mapping[str, bytes] = MODEL_FILES) -> None:
    """An archive as `ledge models bundle` writes it."""
    listed = [
        {"path": name.partition("/")[2], "size_bytes": len(content), "sha256": sha256(content)}
        for name, content in files.items()
    ]
    document = {"format": "ledge-models-1", "models": [{"id": "tiny", "licence": "Apache-2.0", "files": listed}]}
    write_tar(path, {"manifest.json": json.dumps(document).encode(), **files})


def write_bundle(bundle: Path, architecture: str = MACHINE) -> Path:
    digests = write_images(bundle / "images" / "ledge-images.tar", architecture=architecture)
    write_models(bundle / "models" / "models.tar")
    (bundle / "values").mkdir()
    (bundle / "values" / "values-airgap.yaml").write_text("image: {pullPolicy: Never}\n")
    write_manifest(bundle, digests, architecture)
    return bundle


def write_manifest(bundle: Path, images: Mapping[str, str], architecture: str = MACHINE) -> None:
    """As it is now: what was changed before is then right."""
    (bundle / "manifest.json").unlink(missing_ok=True)
    files = [
        {
            "path": path.relative_to(bundle).as_posix(),
            "size_bytes": path.stat().st_size,
            "sha256": sha256(path.read_bytes()),
        }
        for path in sorted(bundle.rglob("*"))
        if path.is_file()
    ]
    document = {
        "format": "ledge-airgap-1",
        "version": "1.2.3",
        "revision": "0" * 40,
        "profile": "embedded-cpu",
        "architecture": architecture,
        "images": dict(images),
        "models": ["tiny"],
        "files": files,
    }
    (bundle / "manifest.json").write_text(json.dumps(document, indent=1))
