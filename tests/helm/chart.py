"""The chart as helm renders it, for tests: objects by kind and name, or the words with which values are refused."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm" / "ledge"
RELEASE, NAMESPACE = "ledge", "site"
HELM_3 = "v3.21.0"


def helm_program(version: str = "") -> str:
    """The cached helm (of `make helm`), one named by HELM, or one in the PATH; skips the test where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ledge" / "bin"
    cached = cache / (f"helm-{version}" if version else "helm")
    program = str(cached) if cached.exists() else None
    if program is None and not version:
        program = os.environ.get("HELM") or shutil.which("helm")
    if program is None:
        pytest.skip("helm is not here: `make helm` builds it, with Go")
    return program


@dataclass(frozen=True)
class Rendered:
    """What one `helm template` made."""

    objects: list[dict[str, Any]]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name → object."""
        return {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every pod that the release may ever have: `kind/name` and its spec with metadata."""
        for each in self.objects:
            name = f"{each['kind']}/{each['metadata']['name']}"
            if each["kind"] == "Pod":
                yield name, each
            elif "template" in each.get("spec", {}):
                yield name, each["spec"]["template"]

    def container(self, service: str) -> dict[str, Any]:
        deployment = self.of("Deployment")[f"{RELEASE}-{service}"]
        container: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
        return container

    def environment(self, service: str) -> dict[str, str]:
        """Variables with values of their own; those from Secrets are left out."""
        return {each["name"]: each["value"] for each in self.container(service)["env"] if "value" in each}


def run(values: Mapping[str, Any] | None, *files: str, command: str = "template", helm: str = "") -> Any:
    """Calls helm with values files of the chart and values over them."""
    arguments = [helm or helm_program(), command]
    arguments += [RELEASE] if command in ("template", "install") else []
    # Helm 3 from its module knows only of the Kubernetes of its youth.
    arguments += [str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.36.0"]
    for file in files:
        arguments += ["--values", str(CHART / f"values-{file}.yaml")]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as own:
        json.dump(values or {}, own)
        own.flush()
        return subprocess.run(
            [*arguments, "--values", own.name], capture_output=True, text=True, check=False, timeout=60
        )


def render(values: Mapping[str, Any] | None = None, *files: str, helm: str = "") -> Rendered:
    """The objects of a release; not to be changed, for the next call with the same values gets the same."""
    return _rendered(json.dumps(values or {}, sort_keys=True), files, helm or helm_program())


@cache
def _rendered(values: str, files: tuple[str, ...], helm: str) -> Rendered:
    done = run(json.loads(values), *files, helm=helm)
    assert done.returncode == 0, done.stderr
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some ten times as fast
    return Rendered([each for each in yaml.load_all(done.stdout, Loader=loader) if each])


def refusal(values: Mapping[str, Any], *files: str) -> str:
    """Why helm refuses the values, on one line."""
    done = run(values, *files)
    assert done.returncode != 0, "these values were taken"
    return " ".join(done.stderr.split())
