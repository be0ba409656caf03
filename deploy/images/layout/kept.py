"""Readies an OCI layout for a build: `python kept.py keep|anew LAYOUT PREFIX TAG TARGET…`, TARGET being what is built.

keep   leaves whole images of the same prefix and tag that are not built now
anew   leaves none

All else goes, with the blobs that nothing names any more. It prints what stays, with the commit that it was built from,
and what goes and will not be built again.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

REVISION = "org.opencontainers.image.revision"


def make_ready(layout: Path, keeps: bool, prefix: str, tag: str, targets: Sequence[str]) -> Iterator[str]:
    """A line for each image that was there and is not built now. Doing it twice changes nothing."""
    index_file = layout / "index.json"
    if not index_file.is_file():
        return
    index = json.loads(index_file.read_text())
    built = {f"{prefix}/{target}:{tag}" for target in targets}
    kept, named = [], set()
    for entry in index["manifests"]:
        if (name := _name(entry)) in built:
            continue
        blobs = _blobs(layout, entry)
        is_ours = name.startswith(f"{prefix}/") and name.rpartition(":")[2] == tag
        if keeps and is_ours and all(_path(layout, each).is_file() for each in blobs):
            kept.append(entry)
            named |= blobs
            yield f"kept as it was: {name} of {_revision(layout, entry)[:12]}"
        else:
            yield f"no longer there: {name}"
    index["manifests"] = kept
    index_file.write_text(json.dumps(index, indent=1, sort_keys=True))
    held = {_path(layout, each) for each in named}
    for path in (layout / "blobs").glob("*/*"):
        if path not in held:
            path.unlink()


def _name(entry: Any) -> str:
    annotations = entry.get("annotations", {})
    return str(
        annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name") or ""
    )


def _blobs(layout: Path, entry: Any) -> set[str]:
    manifest = _document(layout, entry["digest"])
    parts = [manifest["config"], *manifest["layers"]] if manifest else []
    return {entry["digest"], *(part["digest"] for part in parts)}


def _revision(layout: Path, entry: Any) -> str:
    config = _document(layout, _document(layout, entry["digest"])["config"]["digest"])
    labels = (config.get("config") or {}).get("Labels") or {}
    return str(labels.get(REVISION, "unknown"))


def _document(layout: Path, digest: str) -> Any:
    path = _path(layout, digest)
    return json.loads(path.read_text()) if path.is_file() else {}


def _path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


if __name__ == "__main__":
    for line in make_ready(Path(sys.argv[2]), sys.argv[1] == "keep", sys.argv[3], sys.argv[4], sys.argv[5:]):
        print(line)
