"""One GPU, which the tests pretend the node has: who may have it, and who is told why not."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from services.kit.kubernetes_access import Access, connect
from services.kit.loading_turn import Turn
from tests.cluster import figures
from tests.cluster.cluster import Release, until
from tests.cluster.test_commands import named
from tests.ledge_command import Ledge

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RESOURCE = "nvidia.com/gpu"
LABELS = {f"{RESOURCE}.product": "NVIDIA-L40S", f"{RESOURCE}.memory": "46068", f"{RESOURCE}.count": "1"}
TWO_SERVICES = ("--set", "services.llm.gpu.memoryMiB=1000", "--set", "services.embedding.gpu.memoryMiB=800")


def gpu(mode: str, count: int) -> tuple[str, ...]:
    settings = (f"gpu.mode={mode}", f"gpu.count={count}", "gpu.totalMemoryMiB=2000")
    return (*TWO_SERVICES, *(word for setting in settings for word in ("--set", setting)))


@pytest.fixture
def node_with_a_gpu(release: Release) -> Iterator[str]:
    """An extended resource in the node's status, as a device plugin puts it there, with the labels of its kind."""
    kubectl = release.cluster.kubectl
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    path = f"/status/capacity/{RESOURCE.replace('/', '~1')}"
    patch = ("patch", "node", node, "--subresource=status", "--type=json", "-p")
    kubectl(*patch, json.dumps([{"op": "add", "path": path, "value": "1"}]))
    kubectl("label", "node", node, "--overwrite", *(f"{name}={value}" for name, value in LABELS.items()))
    allocatable = ("get", "node", node, "-o", "jsonpath={.status.allocatable}")
    try:
        until(lambda: RESOURCE in kubectl(*allocatable), 60, "the node has a GPU")
        yield node
    finally:
        kubectl("label", "node", node, *(f"{name}-" for name in LABELS))
        kubectl(*patch, json.dumps([{"op": "remove", "path": path}]))


def test_what_does_not_fit_on_the_gpu_is_refused_before_anything_is_installed(release: Release) -> None:
    with pytest.raises(AssertionError, match="ask for 2 whole GPUs and there are 1"):
        release.cluster.helm("template", str(release.chart), "-f", str(release.values), *gpu("exclusive", 1))
    with pytest.raises(AssertionError, match="1800 MiB of 1 × 1500"):
        release.cluster.helm(
            *("template", str(release.chart), "-f", str(release.values), *gpu("timeSlicing", 1)),
            *("--set", "gpu.totalMemoryMiB=1500"),
        )


def test_a_plan_is_made_for_the_gpu_of_the_node(node_with_a_gpu: str, tmp_path: Path) -> None:
    told = Ledge(tmp_path / "state").run("plan", "--cluster", "--users", "1").stdout
    assert node_with_a_gpu in told
    assert "gpu.mode=shared,gpu.count=1,gpu.totalMemoryMiB=46068" in told
    assert "llama-3.1-8b in bf16 on l40s" in told


@pytest.mark.usefixtures("node_with_a_gpu")
def test_a_second_service_stays_pending_on_a_node_with_one_gpu_and_the_reason_is_shown(
    release: Release, tmp_path: Path
) -> None:
    ledge = Ledge(tmp_path / "state")

    def waiting() -> dict[str, str]:
        found = {}
        for service in ("llm", "embedding"):
            for pod in release.pods(service):
                for condition in pod["status"].get("conditions", ()):
                    if condition["type"] == "PodScheduled" and condition["status"] == "False":
                        found[service] = condition["message"]
        return found

    def stuck() -> dict[str, str]:
        """Service → what `ledge status` says of it."""
        done = ledge.run("status", "--cluster", "--json", *named(release), code=None)
        lines = json.loads(done.stdout)["pods"]
        found = {line["component"]: line["what"] for line in lines if line["state"] == "stuck"}
        assert (done.returncode == 3) == bool(found), done.stdout
        return found

    try:
        release.install(*gpu("exclusive", 2), waits=False)
        until(lambda: len(waiting()) == 1, 120, "one of two services has the GPU, the other waits")
        [(service, reason)] = waiting().items()
        assert f"Insufficient {RESOURCE}" in reason
        until(lambda: RESOURCE in stuck().get(service, ""), 60, f"`ledge status` says why {service} waits")
        figures.note("one GPU, two services", pending=service, reason=reason, status=stuck().get(service))
    finally:
        release.install()


PODS, TURNS = 4, 5
LOADING_S = 0.3


def test_what_loads_on_one_gpu_never_loads_at_once_and_needs_no_more_than_the_chart_grants(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the pods of a GPU do it, with the account that the chart gives them, at Kubernetes itself; the images of a CPU
    # have no client of it, so it is done from here.
    manifest = release.cluster.helm(
        *("template", release.name, str(release.chart), "-n", release.namespace, "-f", str(release.values)),
        *(*gpu("timeSlicing", 1), "--set", "gpu.loadingTurns.enabled=true", "-s", "templates/serviceaccount.yaml"),
        *("--set", "services.llm.image.variant=gpu,services.embedding.image.variant=gpu"),
    )
    of_it = [each for each in yaml.safe_load_all(manifest) if each["metadata"]["name"].endswith("-loading")]
    assert {each["kind"] for each in of_it} == {"ServiceAccount", "Role", "RoleBinding"}
    kubectl = release.cluster.kubectl
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": of_it})
    kubectl("apply", "--server-side", "-n", release.namespace, "-f", "-", stdin=listed)
    try:
        access = _as_account(release, f"{release.name}-loading", tmp_path, monkeypatch)
        loading = threading.Lock()
        overlaps: list[str] = []

        def pod(number: int) -> None:
            for _ in range(TURNS):
                turn = Turn(access, "e2e-gpu-0", f"pod-{number}")
                until(lambda: turn.try_to_take() is None, 120, f"pod {number} has its turn")  # noqa: B023
                if not loading.acquire(blocking=False):
                    overlaps.append(f"pod-{number}")
                else:
                    time.sleep(LOADING_S)
                    loading.release()
                turn.give_back()

        began_s = time.monotonic()
        with ThreadPoolExecutor(PODS) as pods:
            list(pods.map(pod, range(PODS)))
        figures.note("one GPU, turns at loading", pods=PODS, turns=PODS * TURNS, at_once=len(overlaps))
        assert overlaps == []
        assert time.monotonic() - began_s > PODS * TURNS * LOADING_S
    finally:
        kubectl("delete", "-n", release.namespace, "-f", "-", "--ignore-not-found", stdin=listed)
        kubectl("delete", "lease", "-n", release.namespace, "e2e-gpu-0", "--ignore-not-found")


def _as_account(release: Release, account: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Access:
    """A way to the cluster that may do what the account may."""
    token = release.cluster.kubectl("create", "token", "-n", release.namespace, account).strip()
    known = json.loads(release.cluster.kubectl("config", "view", "--raw", "--flatten", "--minify", "-o", "json"))
    known["users"] = [{"name": account, "user": {"token": token}}]
    known["contexts"][0]["context"] = {
        **known["contexts"][0]["context"],
        "user": account,
        "namespace": release.namespace,
    }
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(known))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    access = connect()
    monkeypatch.undo()
    return access
