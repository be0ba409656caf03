"""Two pods of each stateless service: the work is divided evenly, and one of them may be killed."""

import functools
import re
from typing import Any

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import Release, until
from tests.cluster.test_killing import has_begun_again, kill
from tests.cluster.traffic import MIX, Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

RATE_PER_S = 20.0
RETRY_S = 25.0
GROUPS = (("embedding", "reranking", "translation"), ("rag", "gateway", "tts", "asr"), ("llm",))
"""Services that get a second pod at the same time: as many as two cores have room for."""
ENOUGH_CALLS = 150
DIVIDED = ("embedding", "reranking")
"""Which get enough calls to tell whether they are divided evenly."""
METRICS = (
    "import pathlib, urllib.request\n"
    "key = pathlib.Path('/etc/ledge/keys/keys').read_text().splitlines()[0].partition('=')[2]\n"
    "request = urllib.request.Request('http://127.0.0.1:8000/v1/metrics', headers={'authorization': 'Bearer ' + key})\n"
    "print(urllib.request.urlopen(request).read().decode())\n"
)


@pytest.mark.parametrize("services", GROUPS, ids="+".join)
def test_one_of_two_pods_is_killed_under_load_and_no_call_fails_after_retries(
    release: Release, client: Pod, watcher: Pod, gateway: str, services: tuple[str, ...]
) -> None:
    try:
        for service in services:
            release.scale(service, 2)
        for service in services:
            release.settled(service, 2)
        mix = {**dict.fromkeys(MIX, 1), "embedding": 6, "reranking": 6}
        counted = [service for service in services if service in DIVIDED]
        divided: dict[str, float] = {}
        if counted:
            with Traffic(client, gateway, RATE_PER_S, mix) as traffic:
                for service in counted:
                    # Callers find the second pod when they connect anew (`connectionAgeSeconds`).
                    until(functools.partial(all_get_calls, release, service), 120, f"all pods of {service} get calls")
                began = {service: calls(release, service) for service in counted}
                for service, before in began.items():
                    enough = functools.partial(have_come, release, service, sum(before.values()) + ENOUGH_CALLS)
                    until(enough, 120, f"{service} gets enough calls to count")
                divided = {service: share(began[service], calls(release, service)) for service in counted}
            assert traffic.result["failed"] == 0, traffic.failures()
        with Traffic(client, gateway, RATE_PER_S, mix, retry_s=RETRY_S) as traffic:
            for service in services:
                pod = release.pods(service)[0]
                name = pod["metadata"]["name"]
                # By its count of restarts: it may be back before anybody has looked.
                began_again = functools.partial(has_begun_again, release, service, name, release.restarts()[name])
                kill(watcher, pod)
                until(began_again, 180, f"{service} is ready again")
                release.settled(service, 2)
        figures.note(
            "two replicas, one killed",
            **{
                "+".join(services): {
                    "rate_per_s": RATE_PER_S,
                    "calls": traffic.result["calls"],
                    "tries": traffic.result["tries"],
                    "failed": traffic.result["failed"],
                    "larger_share": divided,
                }
            },
        )
        assert traffic.result["failed"] == 0, traffic.failures()
        assert all(each < 0.6 for each in divided.values()), divided
    finally:
        for service in services:
            release.scale(service, 1)
        for service in services:
            release.settled(service)


def all_get_calls(release: Release, service: str) -> bool:
    return all(count > 0 for count in calls(release, service).values())


def have_come(release: Release, service: str, wanted: float) -> bool:
    return sum(calls(release, service).values()) > wanted


def calls(release: Release, service: str) -> dict[str, float]:
    """Pod → how many calls it has served."""
    return {pod["metadata"]["name"]: served(release, pod) for pod in release.pods(service)}


def served(release: Release, pod: Any) -> float:
    text = Pod(release.cluster, release.namespace, pod["metadata"]["name"]).run("python", "-c", METRICS)
    counted = re.findall(r'^ledge_calls_total\{.*method="([^"]*)".*\} ([0-9.e+]+)$', text, re.MULTILINE)
    return sum(float(value) for method, value in counted if "ealth" not in method)


def share(before: dict[str, float], after: dict[str, float]) -> float:
    """Of the pod that got more."""
    got = [after[name] - before[name] for name in before]
    return round(max(got) / sum(got), 2)
