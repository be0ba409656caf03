"""The release under test: the whole embedded suite, installed once by Helm for all tests of the folder."""

import base64
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod, start_client, start_watcher
from tests.cluster.cluster import KEYS_SECRET, MODELS_CLASS, Cluster, Release

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = "ledge-e2e"
NODE_NAMESPACE = "ledge-e2e-node"
KEEPS = bool(os.environ.get("E2E_KEEP"))
"""Whether the release stays for the next run, which then takes it as it is: while one writes tests."""
ORDER = (
    *("test_installing", "test_commands", "test_boundaries", "test_restarting", "test_killing", "test_replicas"),
    *("test_overload", "test_sleeping", "test_gpu", "test_upgrading", "test_uninstalling"),
)
"""As a site meets them; each leaves the release as it found it, but the last."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine = [item for item in items if item.get_closest_marker("cluster")]
    # Whoever has a cluster in his shell's settings did not say that tests may install something in it.
    if "cluster" not in config.getoption("markexpr"):
        for item in mine:
            item.add_marker(pytest.mark.skip(reason="needs a cluster: `make e2e`"))
        return
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item in mine else -1)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG names the cluster; `make e2e` makes one"
    return Cluster()


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Iterator[Release]:
    """Installed as a site would, with keys, and Pod Security `restricted` enforced on its namespace."""
    release = Release(cluster, NAMESPACE, ROOT / "helm" / "ledge", ROOT / "helm" / "ledge" / "values-ci.yaml")
    if KEEPS and cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
        yield release
        return
    figures.begin()
    for namespace in (NAMESPACE, NODE_NAMESPACE):
        cluster.kubectl("create", "namespace", namespace)
    try:
        cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        key = secrets.token_hex(24)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": KEYS_SECRET, "namespace": NAMESPACE},
            "stringData": {"peer": key, "keys": f"peer={key}"},
        }
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(secret))
        not_judged = figures.other_work() if MODELS_CLASS else "the models were fetched on the way"
        began_s = time.monotonic()
        release.install()
        took_s = round(time.monotonic() - began_s, 1)
        figures.note("install to a voice answer", install_to_ready_s=took_s, not_judged=not_judged)
        yield release
    finally:
        if not KEEPS:
            for namespace in (NAMESPACE, NODE_NAMESPACE):
                cluster.kubectl("delete", "namespace", namespace, "--wait", "--timeout=150s", check=False)


@pytest.fixture(scope="session")
def peer_key(release: Release) -> str:
    """What the release's services show each other; it may be seen nowhere but in its Secret."""
    data = release.cluster.kubectl(
        *("get", "secret", "-n", release.namespace, KEYS_SECRET, "-o", "jsonpath={.data.peer}")
    )
    return base64.b64decode(data).decode()


@pytest.fixture(scope="session")
def client(release: Release) -> Pod:
    """A pod that the release's network policies let call every service, as those of `helm test` are."""
    return start_client(release, "client", release.labels("test"))


@pytest.fixture(scope="session")
def watcher(release: Release) -> Pod:
    """A pod that sees the node."""
    return start_watcher(release, NODE_NAMESPACE)


@pytest.fixture(scope="session")
def gateway(release: Release) -> str:
    return f"http://{release.name}-gateway:8000"
