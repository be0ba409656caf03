"""The release under test: the whole embedded suite, installed once by Helm for all tests of the folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Client, Cluster, Release

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = "ledge-e2e"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Whoever has a cluster in his shell's settings did not say that tests may install something in it.
    if "cluster" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="needs a cluster: `make e2e`")
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG names the cluster; `make e2e` makes one"
    return Cluster()


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Iterator[Release]:
    """Installed as a site would, with Pod Security `restricted` enforced on its namespace."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        release = Release(cluster, NAMESPACE, ROOT / "helm" / "ledge", ROOT / "helm" / "ledge" / "values-ci.yaml")
        release.install()
        yield release
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait", "--timeout=120s", check=False)


@pytest.fixture(scope="session")
def client(release: Release) -> Client:
    """A pod that the release's network policies let call every service, as those of `helm test` are."""
    return Client.start(release, "client", release.labels("test"))
