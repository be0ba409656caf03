"""Makes an image that holds one static program and nothing else, without any tool for images."""

import hashlib
import io
import json
import tarfile
from pathlib import Path


def write_image(program: Path, name: str, archive: Path) -> None:
    """Writes an archive as `docker save` does, which `ctr images import` takes. The same program: the same bytes."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("program")
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as file:
            tar.addfile(entry, file)
    digest = hashlib.sha256(layer.getbuffer()).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/program"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        for name_in_archive, content in (
            (config_name, config),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name_in_archive)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
