"""From `helm install` to a spoken question that is answered aloud, with what it takes of time and memory."""

import json
import time
from datetime import datetime
from typing import Any

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import KEYS_SECRET, Cluster, Release

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

DOCUMENTS = "/opt/ledge/app/deploy/samples/documents"
QUESTION = "What is the standing charge?"
SUITE = {
    *("asr", "tts", "translation", "llm", "embedding", "retrieval", "reranking", "rag", "voice"),
    *("gateway", "riva", "wyoming"),
}
MEMORY_MIB = 3 * 1024
ROW = "install to a voice answer"
TO_AN_ANSWER_S = 120.0
STEPS = {"PodScheduled": "scheduled", "Initialized": "initialized", "Ready": "ready"}


def test_every_pod_of_the_suite_becomes_ready_under_restricted_pod_security(cluster: Cluster, release: Release) -> None:
    assert set(release.services()) == SUITE
    assert set(release.restarts().values()) == {0}
    took_s = steps_s(cluster, release)
    figures.note(ROW, steps_s=took_s)
    assert all(set(STEPS.values()) == set(steps) for name, steps in took_s.items() if name != "models"), took_s


def steps_s(cluster: Cluster, release: Release) -> dict[str, dict[str, float]]:
    """Service → step → seconds since the install began, all by the cluster's own clock, which tells whole seconds."""
    # The Secret is made right before the install.
    secret = json.loads(cluster.kubectl("get", "secret", "-n", release.namespace, KEYS_SECRET, "-o", "json"))
    began = instant(secret["metadata"]["creationTimestamp"])
    found: dict[str, dict[str, float]] = {}
    for pod in release.pods():
        conditions = {each["type"]: each for each in pod["status"]["conditions"] if each["status"] == "True"}
        found[pod["metadata"]["labels"]["app.kubernetes.io/component"]] = {
            name: (instant(conditions[kind]["lastTransitionTime"]) - began).total_seconds()
            for kind, name in STEPS.items()
            if kind in conditions
        }
    for job in cluster.objects("jobs", release.namespace):
        if done := job["status"].get("completionTime"):
            found["models"] = {"verified": (instant(done) - began).total_seconds()}
    return found


def instant(text: Any) -> datetime:
    return datetime.fromisoformat(str(text))


def test_a_spoken_question_is_answered_aloud_with_citations(release: Release, client: Pod) -> None:
    began_s = time.monotonic()
    stored = json.loads(client.run("ledge", "ingest", DOCUMENTS, "--json"))
    assert stored
    ingest_s = time.monotonic() - began_s
    began_s = time.monotonic()
    told = json.loads(client.program("ask_aloud", QUESTION, f"{release.name}-tts:50051", f"{release.name}-voice:50051"))
    conversation_s = time.monotonic() - began_s
    install = figures.row(ROW)
    sum_s = install["install_to_ready_s"] + ingest_s + conversation_s
    is_kept = sum_s <= TO_AN_ANSWER_S
    verdict = "kept" if is_kept else f"more than {TO_AN_ANSWER_S:.0f} s"
    figures.note(
        ROW,
        ingest_s=round(ingest_s, 1),
        conversation_s=round(conversation_s, 1),
        sum_s=round(sum_s, 1),
        verdict=f"not judged: {install['not_judged']}" if install["not_judged"] else verdict,
        first_audio_after_the_end_of_speech_ms=told["first_audio_ms"],
        heard=told["heard"],
        answer=told["answer"],
        citations=told["citations"],
    )
    assert told["status"] == "COMPLETED", told
    assert told["heard"].lower().strip(" ?.") == "what is the standing charge", told
    assert "£" in told["answer"], told
    assert told["citations"], told
    assert told["audio_bytes"] > 0
    assert install["not_judged"] or is_kept, figures.row(ROW)


def test_the_pods_together_stay_within_the_memory_of_a_small_server(cluster: Cluster, release: Release) -> None:
    used_mib = {name: round(value / 2**20) for name, value in sorted(memory_bytes(cluster, release).items())}
    figures.note(ROW, memory_mib=used_mib, memory_of_all_pods_mib=sum(used_mib.values()))
    assert set(used_mib) == SUITE
    assert sum(used_mib.values()) <= MEMORY_MIB, used_mib


def memory_bytes(cluster: Cluster, release: Release) -> dict[str, int]:
    """Service → resident memory of its pods, as the kubelets count it."""
    components = {
        pod["metadata"]["name"]: pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in release.pods()
    }
    found: dict[str, int] = {}
    for node in cluster.kubectl("get", "nodes", "-o", "name").split():
        path = f"/api/v1/nodes/{node.partition('/')[2]}/proxy/stats/summary"
        for pod in json.loads(cluster.kubectl("get", "--raw", path))["pods"]:
            component = (
                components.get(pod["podRef"]["name"]) if pod["podRef"]["namespace"] == release.namespace else None
            )
            if component in SUITE:
                used = sum(each["memory"].get("rssBytes", 0) for each in pod.get("containers", ()))
                found[component] = found.get(component, 0) + used
    return found


def test_helm_test_makes_a_real_call_to_every_service(cluster: Cluster, release: Release) -> None:
    began_s = time.monotonic()
    told = cluster.helm("test", release.name, "-n", release.namespace, "--timeout", "5m")
    assert told.count("Phase:          Succeeded") == len(SUITE), told
    figures.note("helm test", seconds=round(time.monotonic() - began_s, 1), services=len(SUITE))
