"""Installing a bundle's chart into a namespace: what is made here is restricted, what others made stays theirs."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.small_bundle import airgap, write_bundle, write_manifest, write_tar

KUBECTL = Path(__file__).parent / "small_kubectl.py"
ENFORCE = "pod-security.kubernetes.io/enforce"


class Site:
    """A cluster, and a bundle whose chart and helm are there and do nothing."""

    def __init__(self, folder: Path) -> None:
        self.cluster = folder / "cluster"
        self.cluster.mkdir()
        self.bundle = write_bundle(folder / "bundle")
        write_tar(self.bundle / "charts" / "ledge-1.2.3.tgz", {})
        (self.bundle / "bin").mkdir()
        helm = self.bundle / "bin" / "helm"
        helm.write_text("#!/bin/sh\n")
        helm.chmod(0o755)
        write_manifest(self.bundle, json.loads((self.bundle / "manifest.json").read_text())["images"])

    def install(self) -> str:
        kubectl = shlex.join([sys.executable, str(KUBECTL), str(self.cluster)])
        done = airgap("install", self.bundle, "--only", "chart", "--kubectl", kubectl)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, **labels: str) -> None:
        document = {"kind": "Namespace", "metadata": {"name": "ledge", "labels": labels}}
        (self.cluster / "namespace-ledge.json").write_text(json.dumps(document))

    def labels(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.cluster / "namespace-ledge.json").read_text())["metadata"]["labels"]
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_namespace_that_is_made_here_admits_restricted_pods_alone(site: Site) -> None:
    assert "was there before" not in site.install()
    assert site.labels()[ENFORCE] == "restricted"
    assert "was there before" not in site.install(), "the second time it is still ours"
    assert site.labels()[ENFORCE] == "restricted"


def test_a_namespace_of_others_stays_as_it_is_and_what_to_do_is_told(site: Site) -> None:
    site.make(team="assembly")
    told = site.install()
    assert site.labels() == {"team": "assembly"}
    assert "the namespace ledge was there before and stays as it is" in told
    assert f"label namespace ledge {ENFORCE}=restricted" in told


def test_of_a_namespace_that_is_restricted_already_nothing_is_told(site: Site) -> None:
    site.make(**{ENFORCE: "restricted"})
    assert "was there before" not in site.install()
    assert site.labels() == {ENFORCE: "restricted"}
