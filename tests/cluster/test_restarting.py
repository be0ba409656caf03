"""Services that are restarted while people call them: nobody notices."""

import time

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import Release
from tests.cluster.traffic import MIX, RATE_PER_S, Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PRE_STOP_S = 3.0
"""`preStopSeconds` of the chart."""


def test_every_service_restarts_in_turn_under_load_without_a_failed_call(
    release: Release, client: Pod, gateway: str
) -> None:
    took_s: dict[str, float] = {}
    # Documents are taken in all the while, when the one writer of the index is replaced as well.
    with Traffic(client, gateway, mix={**MIX, "writing": 1}) as traffic:
        for service in release.services():
            began_s = time.monotonic()
            release.cluster.kubectl(
                "rollout", "restart", "-n", release.namespace, f"deployment/{release.name}-{service}"
            )
            release.rolled_out(service)
            took_s[service] = round(time.monotonic() - began_s, 1)
    reached = traffic.achieved_per_s / RATE_PER_S
    verdict = "not judged: the calls waited for a core" if traffic.is_starved else f"{reached:.0%} of the rate"
    figures.note("rolling restart", rate_per_s=RATE_PER_S, verdict=verdict, restart_s=took_s, **traffic.summary())
    assert traffic.result["calls"] > RATE_PER_S * 10
    assert traffic.result["failed"] == 0, traffic.failures()
    assert traffic.is_starved or reached >= 0.9, verdict


@pytest.mark.parametrize("service", ["llm", "gateway"])
def test_a_stream_that_is_under_way_when_its_pod_is_told_to_end_comes_to_its_end(
    release: Release, client: Pod, gateway: str, service: str
) -> None:
    [pod] = release.pods(service)
    process = client.background("python", client.put("stream"), gateway, "smollm2-135m-instruct")
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "first token"
    release.cluster.kubectl("delete", "pod", "-n", release.namespace, pod["metadata"]["name"], "--wait=false")
    printed, errors = process.communicate(timeout=120)
    told = printed.split()
    assert told[:1] == ["ended"], (printed, errors)
    tokens, finish, after_s = int(told[1]), told[2], float(told[3])
    figures.note("SIGTERM in mid-stream", **{service: {"chunks": tokens, "finish": finish, "streamed_s": after_s}})
    assert finish in ("length", "stop")
    # Longer than the pod is left alone: the order to end came within the stream.
    assert after_s > PRE_STOP_S
    assert tokens > 1
    release.settled(service)
