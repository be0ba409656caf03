"""From an earlier chart and its images to these, and back: nobody notices, and the documents stay."""

import os
import time
from pathlib import Path

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import Release
from tests.cluster.traffic import Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

CHART = os.environ.get("E2E_EARLIER_CHART", "")
MISSING = os.environ.get("E2E_EARLIER_MISSING") or "E2E_EARLIER_CHART names no earlier chart: see deploy/e2e.sh"
SETTINGS = os.environ.get("E2E_EARLIER_SETTINGS", "").split()
RATE_PER_S = 5.0
MIX = {"embedding": 4, "reranking": 4, "gateway": 4, "retrieval": 4, "rag": 2, "translation": 1, "tts": 1}
SEARCH = (
    "import os, sys, httpx\n"
    "headers = {'authorization': 'Bearer ' + os.environ['LEDGE_API_KEY']}\n"
    "answer = httpx.get(sys.argv[1] + '/v1/documents', headers=headers, timeout=60)\n"
    "print(answer.status_code, sorted(each['document_name'] for each in answer.json()['documents']))\n"
)


@pytest.mark.skipif(not CHART, reason=MISSING)
def test_an_upgrade_and_a_rollback_under_load_fail_no_call_and_keep_the_documents(
    release: Release, client: Pod, gateway: str
) -> None:
    documents = client.run("python", "-c", SEARCH, gateway)
    assert documents.startswith("200 ['")
    earlier = [word for setting in SETTINGS for word in ("--set", setting)]
    release.install(*earlier, chart=Path(CHART))
    assert client.run("python", "-c", SEARCH, gateway) == documents
    revision = release.revision()
    took_s: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in ("upgrade", "rollback"):
        with Traffic(client, gateway, RATE_PER_S, MIX) as traffic:
            began_s = time.monotonic()
            if name == "upgrade":
                release.install()
            else:
                release.roll_back(revision)
            took_s[name] = round(time.monotonic() - began_s, 1)
        figures.note("upgrade and rollback", **{name: {"took_s": took_s[name], **traffic.summary()}})
        if traffic.result["failed"]:
            failed[name] = traffic.failures()
        assert client.run("python", "-c", SEARCH, gateway) == documents, name
    assert failed == {}
