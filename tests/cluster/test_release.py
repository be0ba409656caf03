"""What a site does with the chart on a real cluster, in the order in which it does it."""

import json
from pathlib import Path

import pytest

from tests.cluster.cluster import Client, Release, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

DOCUMENTS = "/opt/ledge/app/deploy/samples/documents"
RATE_PER_S = 10.0
LOAD = Path(__file__).parent / "load.py"


def test_every_pod_of_the_suite_becomes_ready_under_restricted_pod_security(release: Release) -> None:
    running = [pod for pod in release.pods() if pod["status"]["phase"] == "Running"]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in running} >= {
        *(
            "asr",
            "tts",
            "translation",
            "llm",
            "embedding",
            "retrieval",
            "reranking",
            "rag",
            "gateway",
            "riva",
            "wyoming",
        )
    }
    assert [c["restartCount"] for pod in running for c in pod["status"]["containerStatuses"]] == [0] * len(running)


def test_a_question_is_answered_inside_the_cluster_with_citations(client: Client) -> None:
    stored = json.loads(client.run("ledge", "ingest", DOCUMENTS, "--json"))
    assert stored
    answer = json.loads(client.run("ledge", "ask", "--json", "How deep is borehole 2?"))
    assert answer["answer"].strip()
    assert answer["citations"]


def test_a_call_outside_the_call_graph_is_dropped(release: Release) -> None:
    # The release's own pods may call what the graph says; another pod of the namespace may call the doors alone.
    stranger = Client.start(release, "stranger", {"app": "stranger"})
    reach = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close(); print('reached')\n"
        "except TimeoutError: print('dropped')\n"
    )
    until(
        lambda: stranger.run("python", "-c", reach, f"{release.name}-gateway", "8000").strip() == "reached",
        timeout_s=10,
        what="a stranger reaches the gateway",
    )
    for service in ("retrieval", "llm", "rag", "embedding"):
        assert stranger.run("python", "-c", reach, f"{release.name}-{service}", "50051").strip() == "dropped", service


def test_services_restart_one_after_the_other_under_load_without_a_failed_call(
    release: Release, client: Client
) -> None:
    client.run("sh", "-c", "cat > /tmp/load.py && rm -f /tmp/end", stdin=LOAD.read_text())
    load = client.background(
        *("python", "/tmp/load.py", f"http://{release.name}-gateway:8000", str(RATE_PER_S), "/tmp/end"), stdin=""
    )
    try:
        for name in ("embedding", "reranking", "llm", "rag", "gateway"):
            kubectl, workload = release.cluster.kubectl, f"deployment/{release.name}-{name}"
            kubectl("rollout", "restart", "-n", release.namespace, workload)
            kubectl("rollout", "status", "-n", release.namespace, workload, "--timeout=120s")
    finally:
        client.run("touch", "/tmp/end")
        printed, errors = load.communicate(timeout=60)
    result = json.loads(printed or "null")
    assert result, errors
    assert result["calls"] > 10 * RATE_PER_S
    assert result["failures"] == [], result


def test_uninstalling_leaves_only_the_claims(release: Release) -> None:
    release.uninstall()
    kinds = (
        "deployments,statefulsets,services,configmaps,secrets,jobs,networkpolicies,serviceaccounts,roles,rolebindings"
    )
    left = release.cluster.kubectl(
        *("get", kinds, "-n", release.namespace, "-l", f"app.kubernetes.io/instance={release.name}", "-o", "name")
    )
    assert left.split() == []
    claims = release.cluster.kubectl("get", "pvc", "-n", release.namespace, "-o", "name").split()
    assert sorted(claims) == [
        f"persistentvolumeclaim/{release.name}-models",
        f"persistentvolumeclaim/{release.name}-retrieval",
    ]
