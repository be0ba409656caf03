"""Pods that end without a word while people call them: who notices, what they are told, and for how long."""

import functools
import json
import re
import time
from typing import Any

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import Release, is_ready, until
from tests.cluster.traffic import MIX, Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

RATE_PER_S = 10.0
CLEAR = (500, 503, 504)
"""What a call is told whose service has gone: the engine failed, is not ready, or the time is over."""
INSIDES = re.compile(r"Traceback|File \"|Error\b|Exception|\n|\d+\.\d+\.\d+\.\d+")
NOTICED_S = 0.2
"""Within which callers' connections are known to be gone; a call begun in it may still have been sent on one."""
KILL = (
    "import os, pathlib, signal, sys, time\n"
    "uid = sys.argv[1]\n"
    "def text(path):\n"
    "    try: return path.read_bytes().decode(errors='replace')\n"
    "    except OSError: return ''\n"
    "for each in pathlib.Path('/proc').glob('[0-9]*'):\n"
    "    where = text(each / 'cgroup')\n"
    "    if (uid in where or uid.replace('-', '_') in where) and 'services.' in text(each / 'cmdline'):\n"
    "        try: os.kill(int(each.name), signal.SIGKILL)\n"
    "        except ProcessLookupError: pass\n"
    "print(time.time())\n"
)
NEEDS: dict[str, tuple[str, ...]] = {
    "embedding": ("embedding", "retrieval", "rag"),
    "reranking": ("reranking", "retrieval", "rag"),
    "retrieval": ("retrieval", "rag"),
    "rag": ("retrieval", "rag"),
    "llm": ("llm", "rag", "voice"),
    "asr": ("asr",),
    "tts": ("tts",),
    "translation": ("translation",),
    "voice": ("voice",),
    "gateway": tuple(kind for kind in MIX if kind != "voice"),
}
"""Service → the kinds of calls that go through it."""


def kill(watcher: Pod, pod: Any) -> float:
    """Ends all of a pod's programs at once, as the kernel does when memory lacks. When, since the epoch."""
    return float(watcher.run("python", "-c", KILL, pod["metadata"]["uid"]).split()[-1])


def test_a_killed_pod_fails_only_calls_that_need_it_and_is_back_by_itself(
    release: Release, client: Pod, watcher: Pod, gateway: str
) -> None:
    killed_at_s: dict[str, float] = {}
    ready_after_s: dict[str, float] = {}
    before = release.restarts()
    mix = {**dict.fromkeys(MIX, 1), "gateway": 3, "embedding": 3, "reranking": 3, "retrieval": 2}
    with Traffic(client, gateway, RATE_PER_S, mix) as traffic:
        for service in NEEDS:
            [pod] = release.pods(service)
            killed_at_s[service] = kill(watcher, pod)
            name = pod["metadata"]["name"]
            began_again = functools.partial(has_begun_again, release, service, name, before[name])
            until(began_again, 120, f"{service} is ready again")
            ready_after_s[service] = round(time.time() - killed_at_s[service], 1)
    told: dict[str, Any] = {}
    astray: list[Any] = []
    unclear: list[Any] = []
    ends_s = [*list(killed_at_s.values())[1:], time.time()]
    for (service, begin_s), end_s in zip(killed_at_s.items(), ends_s, strict=True):
        failures = [each for each in traffic.result["failures"] if begin_s <= each["ended_s"] < end_s]
        in_flight = [each for each in failures if each["began_s"] <= begin_s + NOTICED_S]
        told[service] = {
            "ready_again_s": ready_after_s[service],
            "failed_in_flight": len(in_flight),
            "failed_while_it_was_away": len(failures) - len(in_flight),
            "named_in": sum(service in message_of(each["text"]) for each in failures),
            "last_failure_after_s": round(max((each["ended_s"] - begin_s for each in failures), default=0.0), 1),
        }
        astray += [{"killed": service, **each} for each in failures if each["kind"] not in NEEDS[service]]
        # A gateway that is gone can say nothing.
        unclear += [each for each in failures if service != "gateway" and not is_clear(each)]
    summary = traffic.summary()
    figures.note("SIGKILL", rate_per_s=RATE_PER_S, services=told, calls=summary["calls"], failed=summary["failed"])
    assert astray[:3] == []
    assert unclear[:3] == []
    # Nobody stands before the gateway who could wait for it.
    away = {service: each["failed_while_it_was_away"] for service, each in told.items() if service != "gateway"}
    assert not any(away.values()), away
    after = release.restarts()
    assert {name for name in after if after[name] != before[name]} == {
        pod["metadata"]["name"] for service in NEEDS for pod in release.pods(service)
    }


def is_clear(failure: Any) -> bool:
    """Whether the caller was told in a sentence that a service, or which one, failed, and nothing of its insides."""
    message = message_of(failure["text"])
    says_who = any(word in message for word in ("service", *NEEDS))
    is_a_sentence = len(message.split()) > 3 and not INSIDES.search(message)
    return failure["status"] in CLEAR and says_who and is_a_sentence


def message_of(text: str) -> str:
    """The sentence of an error, in the shape of any door; empty where there is none."""
    try:
        told = json.loads(text)
    except ValueError:
        return ""
    found = (told.get("error") or told.get("message")) if isinstance(told, dict) else None
    return str(found.get("message", "")) if isinstance(found, dict) else str(found or "")


def has_begun_again(release: Release, service: str, name: str, restarts: int) -> bool:
    return release.restarts().get(name, restarts) > restarts and all(map(is_ready, release.pods(service)))
