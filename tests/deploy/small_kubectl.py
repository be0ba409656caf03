"""A kubectl that keeps objects in a folder: `small_kubectl.py FOLDER get|apply …`; applied labels join those before."""

import json
import sys
from pathlib import Path


def main(folder: Path, verb: str, *words: str) -> None:
    if verb == "get":
        kind, name = words[:2]
        file = folder / f"{kind}-{name}.json"
        if file.is_file():
            sys.stdout.write(file.read_text())
        elif "--ignore-not-found" not in words:
            sys.exit(f'Error from server (NotFound): {kind}s "{name}" not found')
        return
    if verb != "apply":
        sys.exit(f"error: unknown command {verb!r}")
    given = json.load(sys.stdin)
    file = folder / f"{given['kind'].lower()}-{given['metadata']['name']}.json"
    before = json.loads(file.read_text())["metadata"].get("labels", {}) if file.is_file() else {}
    given["metadata"]["labels"] = {**before, **given["metadata"].get("labels", {})}
    file.write_text(json.dumps(given))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
