"""One GPU, which the tests pretend the node has: who may have it, and who is told why not."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster import figures
from tests.cluster.cluster import Release, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RESOURCE = "nvidia.com/gpu"
TWO_SERVICES = ("--set", "services.llm.gpu.memoryMiB=1000", "--set", "services.embedding.gpu.memoryMiB=800")


def gpu(mode: str, count: int) -> tuple[str, ...]:
    settings = (f"gpu.mode={mode}", f"gpu.count={count}", "gpu.totalMemoryMiB=2000")
    return (*TWO_SERVICES, *(word for setting in settings for word in ("--set", setting)))


@pytest.fixture
def one_gpu(release: Release) -> Iterator[None]:
    """An extended resource in the node's status, as a device plugin puts it there."""
    kubectl = release.cluster.kubectl
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    path = f"/status/capacity/{RESOURCE.replace('/', '~1')}"
    patch = ("patch", "node", node, "--subresource=status", "--type=json", "-p")
    kubectl(*patch, json.dumps([{"op": "add", "path": path, "value": "1"}]))
    allocatable = ("get", "node", node, "-o", "jsonpath={.status.allocatable}")
    until(lambda: RESOURCE in kubectl(*allocatable), 60, "the node has a GPU")
    try:
        yield
    finally:
        release.install()
        kubectl(*patch, json.dumps([{"op": "remove", "path": path}]))


def test_what_does_not_fit_on_the_gpu_is_refused_before_anything_is_installed(release: Release) -> None:
    with pytest.raises(AssertionError, match="ask for 2 whole GPUs and there are 1"):
        release.cluster.helm("template", str(release.chart), "-f", str(release.values), *gpu("exclusive", 1))
    with pytest.raises(AssertionError, match="1800 MiB of 1 × 1500"):
        release.cluster.helm(
            *("template", str(release.chart), "-f", str(release.values), *gpu("timeSlicing", 1)),
            *("--set", "gpu.totalMemoryMiB=1500"),
        )


@pytest.mark.usefixtures("one_gpu")
def test_a_second_service_stays_pending_on_a_node_with_one_gpu_and_the_reason_is_shown(release: Release) -> None:
    release.install(*gpu("exclusive", 2), waits=False)

    def waiting() -> dict[str, str]:
        found = {}
        for service in ("llm", "embedding"):
            for pod in release.pods(service):
                for condition in pod["status"].get("conditions", ()):
                    if condition["type"] == "PodScheduled" and condition["status"] == "False":
                        found[service] = condition["message"]
        return found

    until(lambda: len(waiting()) == 1, 120, "one of two services has the GPU, the other waits")
    [(service, reason)] = waiting().items()
    assert f"Insufficient {RESOURCE}" in reason
    figures.note("one GPU, two services", pending=service, reason=reason)
