"""Writes what an image holds, Debian's packages and Python's, as a CycloneDX 1.5 bill of materials.

`python sbom.py FILE`: read from dpkg's status and from the distributions' own metadata, so it names what is there and
not what was asked for. The same image gives the same bytes.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

DPKG = Path("/var/lib/dpkg/status")
SPDX_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+()-]+)*")


def main() -> None:
    target = Path(sys.argv[1])
    components = sorted([*debian_packages(DPKG), *python_packages()], key=lambda each: str(each["purl"]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "ledge", "bom-ref": "ledge"}},
        "components": components,
    }
    target.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def debian_packages(status: Path) -> Iterator[dict[str, Any]]:
    if not status.is_file():
        return
    for paragraph in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" ")
        )
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={fields.get('Architecture', 'all')}"
            yield {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def python_packages() -> Iterator[dict[str, Any]]:
    site = f"/opt/ledge/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    for distribution in metadata.distributions(path=[site]):
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        purl = f"pkg:pypi/{name}@{distribution.version}"
        component: dict[str, Any] = {
            "type": "library",
            "name": name,
            "version": distribution.version,
            "purl": purl,
            "bom-ref": purl,
        }
        if licence := _licence(distribution):
            component["licenses"] = [licence]
        yield component


def _licence(distribution: metadata.Distribution) -> dict[str, Any] | None:
    """As the distribution states it: an SPDX expression where it has one, else its words."""
    fields: dict[str, Any] = distribution.metadata.json
    expression = fields.get("license_expression")
    if expression and SPDX_EXPRESSION.fullmatch(expression):
        return {"expression": expression}
    words = fields.get("license")
    if words and len(words) <= 100 and "\n" not in words:
        return {"license": {"name": words}}
    for classifier in fields.get("classifier") or ():
        if classifier.startswith("License :: "):
            return {"license": {"name": classifier.rpartition(" :: ")[2]}}
    return None


if __name__ == "__main__":
    main()
