"""Renders as they were looked at, to hold later ones against: of each values file the outline, and every line.

The default release is kept whole (`golden/embedded-cpu.yaml`), the others as what they have otherwise (`<name>.diff`).
"""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from tests.helm.chart import Rendered, render

GOLDEN = Path(__file__).parent / "golden"
PROFILES = ("embedded-cpu", "cpu", "gpu-24g", "gpu-80g", "gpu-2x80g")
SCENARIOS = {
    **{name: (name,) for name in PROFILES},
    "airgap": ("embedded-cpu", "airgap"),
    "ci": ("embedded-cpu", "ci"),
}
WHOLE = "embedded-cpu"
CONTEXT_LINES = 2


def outline(rendered: Rendered) -> str:
    """The release at a glance: every object, and of every service what makes it what it is."""
    lines = sorted(f"{each['kind']} {each['metadata']['name']}" for each in rendered.objects)
    for name, deployment in sorted(rendered.of("Deployment").items()):
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        env = {each["name"]: each.get("value", "(secret)") for each in container["env"]}
        lines += [
            "",
            f"{name}: {container['image']}, {deployment['spec']['strategy']['type']}",
            f"  resources {container['resources']}",
            *(f"  {variable}={value}" for variable, value in sorted(env.items())),
        ]
    return _without_sums("\n".join(lines) + "\n")


def whole(rendered: Rendered) -> str:
    """Every object with all that it says, in the order of kinds and names; each begins with both."""
    texts = []
    for each in sorted(rendered.objects, key=_kind_and_name):
        text = yaml.safe_dump(each, default_flow_style=None, width=118)
        texts.append(f"--- # {' '.join(_kind_and_name(each))}\n{text}")
    return _without_sums("".join(texts))


def difference(text: str) -> str:
    """What a render has otherwise than the whole one; each place under its object."""
    usual = (GOLDEN / f"{WHOLE}.yaml").read_text().splitlines()
    lines = text.splitlines()
    made = []
    for line in difflib.unified_diff(usual, lines, n=CONTEXT_LINES, lineterm=""):
        if line.startswith(("---", "+++")):
            if line[3:].strip():
                made.append(line)  # an object that only one of them has
        elif line.startswith("@@"):
            first = int(re.findall(r"\+(\d+)", line)[0])
            heads = [head for head in lines[: first + CONTEXT_LINES] if head.startswith("--- #")]
            made.append(f"@@ {heads[-1].removeprefix('--- # ') if heads else ''}".rstrip())
        else:
            made.append(line)
    return "\n".join(made) + "\n"


def texts(scenario: str) -> dict[Path, str]:
    """File → what is made of a scenario now."""
    rendered = render({}, *SCENARIOS[scenario])
    every_line = whole(rendered)
    if scenario == WHOLE:
        kept = {GOLDEN / f"{scenario}.yaml": every_line}
    else:
        kept = {GOLDEN / f"{scenario}.diff": difference(every_line)}
    return {GOLDEN / f"{scenario}.txt": outline(rendered), **kept}


def keep() -> None:
    """Writes all of them anew."""
    GOLDEN.mkdir(exist_ok=True)
    for scenario in sorted(SCENARIOS, key=lambda each: each != WHOLE):
        for path, text in texts(scenario).items():
            path.write_text(text)


def _kind_and_name(each: dict[str, Any]) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def _without_sums(text: str) -> str:
    # The Job's name holds a sum of all that it is.
    return re.sub(r"(-models-)[0-9a-f]{8}", r"\1SUM", text)
