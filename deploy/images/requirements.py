"""Says which packages the extras of pyproject.toml ask for: `python requirements.py PYPROJECT EXTRA…`, one a line.

The extra `kit` stands for what every service needs.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def requirements_of(extra: str, pyproject: Path) -> Iterator[str]:
    """An extra's requirements, with those of the extras that it includes."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    if extra == "kit":
        yield from project["dependencies"]
        return
    if extra not in extras:
        raise SystemExit(f"pyproject.toml has no extra {extra!r}; it has: kit, {', '.join(sorted(extras))}")
    for requirement in extras[extra]:
        name, _, rest = requirement.partition("[")
        if name == project["name"]:
            for inner in rest.partition("]")[0].split(","):
                yield from requirements_of(inner.strip(), pyproject)
        else:
            yield requirement


if __name__ == "__main__":
    for each in dict.fromkeys(line for extra in sys.argv[2:] for line in requirements_of(extra, Path(sys.argv[1]))):
        print(each)
