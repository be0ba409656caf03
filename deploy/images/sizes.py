"""Says what the images of an OCI layout weigh: `python sizes.py LAYOUT [--json FILE] [--packed] [--enforce]`.

A layer that several images share is counted once in the sum, as a node stores it once. Sizes are of unpacked layers, as
budgets are; `--packed`: as they are carried. With `--enforce` it exits with 1 where a budget is not kept.
"""

import argparse
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEGABYTE = 1e6
ABOVE_BASE_MB = {"gateway": 80, "retrieval": 100, "llm": 180, "embedding": 280}
"""What an image may add to its base, where that is promised."""
WHOLE_SET_MB = 1200
"""What all layers of the CPU images may weigh together, base included."""


@dataclass(frozen=True)
class Image:
    """One image of the layout: its name without registry and tag, and its layers from the base up."""

    name: str
    layers: tuple[str, ...]


def read_images(layout: Path) -> Iterator[Image]:
    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        manifest = _blob_json(layout, entry["digest"])
        name = entry["annotations"]["io.containerd.image.name"].rpartition(":")[0].rpartition("/")[2]
        yield Image(name, tuple(layer["digest"] for layer in manifest["layers"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--json", type=Path, dest="json_file")
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--enforce", action="store_true", help="fail where a budget is not kept")
    parser.add_argument("--base-layers", type=int, default=1, help="how many layers of each image are its base's")
    chosen = parser.parse_args()

    images = sorted(read_images(chosen.layout), key=lambda image: image.name)
    layers = {digest for image in images for digest in image.layers}
    weigh = _packed if chosen.packed else _unpacked
    megabytes = {digest: weigh(_blob(chosen.layout, digest)) / MEGABYTE for digest in layers}
    kind = "packed" if chosen.packed else "unpacked"
    print(f"{'image':<18}{'MB ' + kind:>14}{'above base':>12}{'its own':>10}   budget")
    rows: list[dict[str, Any]] = []
    over: list[str] = []
    for image in images:
        whole = sum(megabytes[digest] for digest in image.layers)
        above = sum(megabytes[digest] for digest in image.layers[chosen.base_layers :])
        others = {digest for other in images if other is not image for digest in other.layers}
        own = sum(megabytes[digest] for digest in image.layers if digest not in others)
        budget = ABOVE_BASE_MB.get(image.name)
        is_over = budget is not None and above > budget
        over += [f"{image.name} adds {above:.1f} MB of {budget}"] if is_over else []
        told = "" if budget is None else f"{budget:>6} {'OVER' if is_over else 'kept'}"
        print(f"{image.name:<18}{whole:>14.1f}{above:>12.1f}{own:>10.1f}   {told}")
        rows.append({"image": image.name, "mb": whole, "above_base_mb": above, "own_mb": own})
    total = sum(megabytes.values())
    is_over = total > WHOLE_SET_MB
    over += [f"all layers are {total:.1f} MB of {WHOLE_SET_MB}"] if is_over else []
    print(f"{'unique layers of all':<32}{total:>12.1f}{'':>10}   {WHOLE_SET_MB:>6} {'OVER' if is_over else 'kept'}")
    if chosen.json_file:
        chosen.json_file.write_text(
            json.dumps({"kind": kind, "images": rows, "unique_layers_mb": total, "over": over}, indent=1) + "\n"
        )
    if chosen.enforce and over:
        sys.exit("over budget: " + "; ".join(over))


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _blob_json(layout: Path, digest: str) -> Any:
    return json.loads(_blob(layout, digest).read_text())


def _packed(path: Path) -> int:
    return path.stat().st_size


def _unpacked(path: Path) -> int:
    unpacker = zlib.decompressobj(wbits=31)
    with path.open("rb") as layer:
        if layer.read(2) != b"\x1f\x8b":
            return path.stat().st_size
        layer.seek(0)
        return sum(len(unpacker.decompress(block)) for block in iter(lambda: layer.read(1 << 20), b""))


if __name__ == "__main__":
    main()
