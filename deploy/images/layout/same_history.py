"""Makes equal images equal by their digests: `python same_history.py LAYOUT`.

buildah notes which image each step began from, and the digest of a base that was made on the spot; both are others in
each build. Nothing reads these notes; without them an image is named by what it holds alone.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
NOTE = re.compile(r"FROM [0-9a-f]{12}\s*")


def forget_builds(layout: Path) -> None:
    """Doing it twice changes nothing."""
    index_file = layout / "index.json"
    index = json.loads(index_file.read_text())
    for entry in index["manifests"]:
        manifest = json.loads(_blob(layout, entry["digest"]).read_text())
        config = json.loads(_blob(layout, manifest["config"]["digest"]).read_text())
        for step in config.get("history", ()):
            if NOTE.fullmatch(step.get("comment", "")):
                del step["comment"]
        annotations = manifest.get("annotations", {})
        if annotations.get(BASE_NAME, "").startswith("localhost/"):
            annotations.pop(BASE_DIGEST, None)
        before = entry["digest"], manifest["config"]["digest"]
        manifest["config"] |= _keep(layout, config)
        entry |= _keep(layout, manifest)
        after = entry["digest"], manifest["config"]["digest"]
        for old in set(before) - set(after):
            _blob(layout, old).unlink(missing_ok=True)
    index_file.write_text(json.dumps(index, indent=1, sort_keys=True))


def _keep(layout: Path, document: Any) -> dict[str, Any]:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _blob(layout, digest).write_bytes(content)
    return {"digest": digest, "size": len(content)}


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


if __name__ == "__main__":
    forget_builds(Path(sys.argv[1]))
