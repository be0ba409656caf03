"""The command line on a cluster: how far a release is, a way in that outlives a pod, and what nodes offer."""

from pathlib import Path

import httpx
import pytest

from tests.cli.cluster.test_connect import Connected
from tests.cluster.cluster import Cluster, Release
from tests.ledge_command import Ledge

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture
def ledge(tmp_path: Path) -> Ledge:
    return Ledge(tmp_path / "state")


def named(release: Release) -> tuple[str, ...]:
    """Which release a command is about."""
    return ("--namespace", release.namespace, "--release", release.name)


def test_status_says_that_every_service_is_ready(release: Release, ledge: Ledge) -> None:
    told = ledge.json("status", "--cluster", *named(release))
    assert told["state"] == "ready", told
    assert {pod["component"] for pod in told["pods"]} - {"models"} == set(release.services())


def test_connect_leads_to_the_gateway_and_to_its_next_pod_when_that_goes(
    release: Release, ledge: Ledge, peer_key: str
) -> None:
    connected = Connected(ledge, *named(release))
    try:
        assert "ledge-rag" in models(connected.address, peer_key)
        [pod] = release.pods("gateway")
        name = pod["metadata"]["name"]
        release.cluster.kubectl("delete", "pod", "-n", release.namespace, name, "--wait=false")
        assert "ledge-rag" in models(connected.address, peer_key)
        connected.wait_for(f"gateway: {name} is gone")
    finally:
        connected.close()
        release.settled("gateway")


def test_plan_says_that_no_node_offers_an_accelerator(cluster: Cluster, ledge: Ledge) -> None:
    offered = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.allocatable}")
    if "nvidia.com/" in offered or "tenstorrent.com/" in offered:
        pytest.skip("a node offers one: test_gpu plans for it")
    assert "no node offers an accelerator" in ledge.run("plan", "--cluster", code=1).stderr


def models(address: str, key: str) -> list[str]:
    """Asked once, and waited for: a way in that has no pod just now holds who comes."""
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.get(f"{address}v1/models", headers=headers, timeout=90, trust_env=False)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]
