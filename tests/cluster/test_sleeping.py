"""A service that nobody calls sleeps; the first request wakes it, and waits."""

import json
import time

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import Release, until
from tests.cluster.waking import DEFINITION, scaled

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ASLEEP = (
    *("--set", "services.llm.autoscaling.kind=keda", "--set", "services.llm.autoscaling.minReplicas=0"),
    *("--set", "services.llm.autoscaling.idleSeconds=3", "--set", "services.wyoming.enabled=false"),
)
CHAT = json.dumps(
    {"model": "smollm2-135m-instruct", "max_tokens": 4, "messages": [{"role": "user", "content": "Say hello."}]}
)
ASK = (
    "import os, sys, httpx\n"
    "headers = {'authorization': 'Bearer ' + os.environ['LEDGE_API_KEY'], 'content-type': 'application/json'}\n"
    "answer = httpx.post(sys.argv[1] + '/v1/chat/completions', content=sys.argv[2], headers=headers, timeout=120)\n"
    "print(answer.status_code, answer.text)\n"
)


def test_a_sleeping_service_is_woken_by_the_first_request_which_waits_for_it(
    release: Release, client: Pod, gateway: str
) -> None:
    kubectl = release.cluster.kubectl
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(DEFINITION))
    kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=30s")
    try:
        release.install(*ASLEEP)
        with scaled(release, "llm"):
            until(lambda: release.pods("llm") == [], 60, "llm sleeps")
            began_s = time.monotonic()
            answer = client.run("python", "-c", ASK, gateway, CHAT)
            woken_s = time.monotonic() - began_s
            assert answer.startswith("200 "), answer
            assert len(release.pods("llm")) == 1
            until(lambda: release.pods("llm") == [], 60, "llm sleeps again")
        scaler = "by KEDA's protocol, without KEDA"
        figures.note("scale to zero and back", wake_s=round(woken_s, 1), service="llm", scaler=scaler)
    finally:
        release.install()
        kubectl("delete", "crd", "scaledobjects.keda.sh", "--wait=false")
        release.scale("llm", 1)
        release.settled("llm")
