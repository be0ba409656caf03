"""Gives each image of an OCI layout the name that containerd and k3s import it under: `python names.py LAYOUT`.

Tools that write layouts keep the whole name in the annotation for tags; importers want it in containerd's own.
"""

import json
import sys
from pathlib import Path


def name_images(layout: Path) -> list[str]:
    """Returns the names. Doing it twice changes nothing."""
    index_file = layout / "index.json"
    index = json.loads(index_file.read_text())
    names = []
    for manifest in index["manifests"]:
        annotations = manifest["annotations"]
        whole = annotations.get("io.containerd.image.name") or annotations["org.opencontainers.image.ref.name"]
        annotations["io.containerd.image.name"] = whole
        annotations["org.opencontainers.image.ref.name"] = whole.rpartition(":")[2]
        names.append(whole)
    # In one order, so that the same images give the same archive.
    index["manifests"].sort(key=lambda each: str(each["annotations"]["io.containerd.image.name"]))
    index_file.write_text(json.dumps(index, indent=1, sort_keys=True))
    return sorted(names)


if __name__ == "__main__":
    name_images(Path(sys.argv[1]))
