"""How far an install is, from objects as Kubernetes tells of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.cli.cluster.progress import Line, progress_of
from services.cli.cluster.snapshot import logs_worth_reading
from tests.cli.cluster.installs_on_file import NAMES, snapshot

NOW = datetime(2026, 11, 23, 15, 1, tzinfo=UTC)
STUCK = {
    "bad-configuration": ("rag", "its last words: bad configuration: LEDGE_MAX_CONCURRENT_CALLS: Input should be"),
    "crash-loop": (
        "rag",
        "ends again and again (4 restarts): container rag ended with 1, its last words: LEDGE_RERANKING",
    ),
    "image-never": ("llm", "ledge.local/ledge/llm:0.1.0 is not on the node, and image.pullPolicy is Never"),
    "image-not-there": (
        "llm",
        "registry.example.com/ai/ledge/llm:0.9 cannot be pulled: the registry has no such image",
    ),
    "image-refused": ("llm", "the registry refuses it: global.imagePullSecrets"),
    "no-device-plugin": ("llm", "nvidia.com/gpu 1 is asked for and no node offers any: is the device plugin running"),
    "no-gpu-free": ("llm", "too few of the 1 that nodes offer are free, held by ledge-asr-7d9f6c5b8-x2x9p"),
    "no-secret": ("llm", 'secret "ledge-keys" not found'),
    "no-secret-to-mount": ("llm", "the secret ledge-keys is not there"),
    "no-storage-class": ("models", "the cluster has no default storage class"),
    "offline-and-not-whole": ("models", "is not whole in /models: model.bin is missing"),
    "out-of-memory": ("llm", "using more memory than its limit of 400M: services.llm.resources.limits.memory"),
    "pod-security": ("llm", "Pod Security restricted:latest of the namespace refuses it: allowPrivilegeEscalation"),
    "quota": (
        "llm",
        "quota team refuses it: limits.memory=640M asked, limits.memory=3800M used, limits.memory=4G allowed",
    ),
    "registry-away": ("llm", "the registry cannot be reached"),
    "taint": ("llm", "no node may take it: 1 node(s) had untolerated taint"),
    "too-little-memory": ("llm", "memory 300M is asked for and no node has so much left"),
    "volume-refused": ("models", 'the claim ledge-models has no volume: storageclass.storage.k8s.io "fast" not found'),
}
COMING = {
    "gpu-held-by-one-that-ends": (
        "llm",
        "waiting",
        "nvidia.com/gpu, which ledge-llm-66cf-aaaaa holds until it has ended",
    ),
    "loading": ("llm", "loading", "waits to load: ledge-embedding-5d8-q9 loads on GPU 0"),
    "models-on-their-way": ("models", "loading", "model-00002-of-00004.safetensors, 1.2 GB of 5.0 GB"),
    "not-mounted-yet": ("llm", "starting", "the secret ledge-keys is not there, which the pod mounts"),
    "not-made-yet": ("llm", "waiting", "no pod has been made yet"),
    "out-of-memory-and-loading-again": ("llm", "loading", "using more memory than its limit of 400M"),
    "pulling": ("llm", "pulling", "pulls the image ledge.local/ledge/llm:0.1.0"),
    "rolling": ("rag", "ending", "finishes its calls"),
    "upgraded-a-moment-ago": ("rag", "waiting", "the Deployment was changed"),
    "volume-on-its-way": (
        "models",
        "waiting",
        "waits for a volume for the claim ledge-models (storage class local-path)",
    ),
}
READY = {"ready", "evicted-and-replaced"}


def lines(name: str, component: str) -> list[Line]:
    return [line for line in progress_of(snapshot(name), NOW).lines if line.component == component]


@pytest.mark.parametrize("name", sorted(STUCK))
def test_what_is_stuck_says_why_in_one_sentence(name: str) -> None:
    component, why = STUCK[name]
    (line,) = [line for line in lines(name, component) if line.state == "stuck"]
    assert why in line.what
    assert "\n" not in line.what
    assert progress_of(snapshot(name), NOW).state == "stuck"


@pytest.mark.parametrize("name", sorted(COMING))
def test_what_goes_on_by_itself_says_what_it_waits_for(name: str) -> None:
    component, state, what = COMING[name]
    assert [line.what for line in lines(name, component) if line.state == state and what in line.what]
    assert progress_of(snapshot(name), NOW).state == "coming"


@pytest.mark.parametrize("name", sorted(READY))
def test_a_release_is_ready_when_nothing_is_awaited(name: str) -> None:
    assert progress_of(snapshot(name), NOW).state == "ready"


def test_every_install_on_file_is_looked_at() -> None:
    assert set(NAMES) == STUCK.keys() | COMING.keys() | READY


def test_a_volume_that_is_not_mounted_for_more_than_a_minute_is_stuck() -> None:
    later = progress_of(snapshot("not-mounted-yet"), NOW + timedelta(seconds=1))
    assert [line.state for line in later.lines if line.component == "llm"] == ["stuck"]


def test_services_that_wait_for_models_say_how_far_these_are() -> None:
    (line,) = lines("models-on-their-way", "llm")
    assert (line.state, line.what) == ("waiting", "waiting for llama-3.1-8b-instruct: 6.2 GB of 16.1 GB")


def test_what_sleeps_is_well() -> None:
    assert [(line.state, line.what) for line in lines("ready", "tts")] == [("asleep", "scaled to nothing")]


def test_an_evicted_pod_whose_place_was_taken_is_no_trouble() -> None:
    assert [line.state for line in lines("evicted-and-replaced", "rag")] == ["ready"]


def test_logs_are_read_only_where_they_tell_something() -> None:
    wanted = list(logs_worth_reading(snapshot("crash-loop").pods))
    assert wanted == [("ledge-rag-7d9f6c5b8-x2x9p", "rag", True)], "its run before: the next one has not begun"
    assert list(logs_worth_reading(snapshot("ready").pods)) == []


@pytest.mark.parametrize("name", sorted(READY))
def test_what_was_not_seen_is_never_ready(name: str) -> None:
    seen = progress_of(snapshot(name), NOW)
    hidden = progress_of(replace(snapshot(name), deployments=()), NOW)
    assert hidden.state == "coming"
    assert {line.pod for line in hidden.lines} >= {line.pod for line in seen.lines} - {""}
    assert "nobody can say whether all of it is there" in hidden.notes[-1]


def test_nothing_at_all_is_not_ready() -> None:
    empty = snapshot("not-made-yet")
    assert progress_of(type(empty)("ledge", "site"), NOW).state == "coming"
