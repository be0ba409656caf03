"""Turns at loading on a GPU, by Leases: with an API server that keeps versions as Kubernetes does."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from services.kit.errors import NotReady
from services.kit.kubernetes_access import Access, connect
from services.kit.loading_turn import LEASE_S, Turn, lease_names
from tests.kubernetes_server import ApiServer, api_server
from tests.processes import ServiceProcess

LEASE = "ledge-gpu-edge-1-0"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def kubeconfig(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = str(server.kubeconfig(tmp_path / "kubeconfig"))
    monkeypatch.setenv("KUBECONFIG", path)
    return path


@pytest.fixture
def access(kubeconfig: str) -> Iterator[Access]:
    access = connect()
    yield access
    access.client.close()


def holder(server: ApiServer, lease: str = LEASE) -> str:
    found = server.get("Lease", lease)
    assert found is not None
    return str(found["spec"]["holderIdentity"])


def test_the_second_waits_until_the_first_gives_back(server: ApiServer, access: Access) -> None:
    first, second = Turn(access, LEASE, "llm-0"), Turn(access, LEASE, "embedding-0")
    assert first.try_to_take() is None
    assert second.try_to_take() == "llm-0"
    first.give_back()
    assert holder(server) == ""
    assert second.try_to_take() is None
    assert holder(server) == "embedding-0"


def test_of_many_at_once_exactly_one_gets_it(server: ApiServer, access: Access) -> None:
    start = threading.Barrier(8)

    def take(turn: Turn) -> str | None:
        start.wait()
        return turn.try_to_take()

    turns = [Turn(access, LEASE, f"pod-{number}") for number in range(8)]
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(take, turns))
        (winner,) = [turn for turn, other in zip(turns, got, strict=True) if other is None]
        assert holder(server) == winner.holder
        winner.give_back()


def test_who_died_gives_way_when_the_lease_has_run_out(server: ApiServer, access: Access) -> None:
    clock = Clock()
    dead, waiting = Turn(access, LEASE, "llm-0"), Turn(access, LEASE, "embedding-0", clock=clock)
    assert dead.try_to_take() is None
    assert waiting.try_to_take() == "llm-0"
    clock.now_s = LEASE_S - 1
    assert waiting.try_to_take() == "llm-0"
    clock.now_s = LEASE_S + 1
    assert waiting.try_to_take() is None


def test_who_renews_keeps_it_however_long_it_takes(server: ApiServer, access: Access) -> None:
    clock = Clock()
    loading, waiting = Turn(access, LEASE, "llm-0"), Turn(access, LEASE, "embedding-0", clock=clock)
    assert loading.try_to_take() is None
    for _ in range(5):
        assert waiting.try_to_take() == "llm-0"
        clock.now_s += LEASE_S - 1
        assert loading.try_to_take() is None, "which renews, too"
    assert waiting.try_to_take() == "llm-0"


def test_the_next_container_of_a_pod_takes_what_its_last_one_left(access: Access) -> None:
    assert Turn(access, LEASE, "llm-0").try_to_take() is None
    assert Turn(access, LEASE, "llm-0").try_to_take() is None


def test_what_another_took_meanwhile_is_not_given_back(server: ApiServer, access: Access) -> None:
    clock = Clock()
    slow, other = Turn(access, LEASE, "llm-0"), Turn(access, LEASE, "embedding-0", clock=clock)
    assert slow.try_to_take() is None
    other.try_to_take()
    clock.now_s = LEASE_S + 1
    assert other.try_to_take() is None
    slow.give_back()
    assert holder(server) == "embedding-0"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_strained_control_plane_is_asked_again(server: ApiServer, access: Access, method: str, status: int) -> None:
    turn = Turn(access, LEASE, "llm-0")
    server.failing = [(method, status)]
    with pytest.raises(NotReady, match="request timed out"):
        turn.try_to_take()
    assert turn.try_to_take() is None


def test_a_lease_that_is_deleted_between_reading_and_writing_is_looked_at_again(
    server: ApiServer, access: Access
) -> None:
    server.put({"kind": "Lease", "metadata": {"name": LEASE}, "spec": {"holderIdentity": ""}})
    server.failing = [("PUT", 404)]
    turn = Turn(access, LEASE, "llm-0")
    assert turn.try_to_take() == ""
    assert turn.try_to_take() is None


@pytest.mark.parametrize("failure", [("PUT", 404), ("PUT", 500), ("PUT", 422), ("GET", 400)])
def test_giving_back_never_fails_who_has_loaded(server: ApiServer, access: Access, failure: tuple[str, int]) -> None:
    turn = Turn(access, LEASE, "llm-0")
    assert turn.try_to_take() is None
    server.failing = [failure]
    turn.give_back()
    assert server.failing == []
    assert holder(server) == "llm-0", "which runs out"
    turn.give_back()
    assert holder(server) == ""


def test_a_lease_is_labelled_with_its_release_for_as_long_as_it_lives(server: ApiServer, access: Access) -> None:
    labels = {"app.kubernetes.io/instance": "ledge"}
    turn = Turn(access, LEASE, "llm-0", labels)
    assert turn.try_to_take() is None
    turn.give_back()
    found = server.get("Lease", LEASE)
    assert found is not None
    assert found["metadata"]["labels"] == labels


def test_a_lease_is_named_for_its_gpu() -> None:
    assert lease_names("ledge-gpu", "edge-1", "1,0") == ["ledge-gpu-edge-1-0", "ledge-gpu-edge-1-1"]
    uuid = "GPU-5E1D4F3A-0000-1111-2222-333344445555"
    assert lease_names("ledge-gpu", "edge-1", uuid) == [f"ledge-gpu-{uuid.lower()}"]
    for unknown in ("", "all", "void", "none"):
        assert lease_names("ledge-gpu", "edge-1", unknown) == ["ledge-gpu-edge-1"]


def embedding(kubeconfig: str, **settings: str) -> ServiceProcess:
    return ServiceProcess(
        "embedding",
        {
            "LEDGE_ENGINE": "scripted",
            "LEDGE_LOADING_LEASE": "ledge-gpu",
            "LEDGE_NODE_NAME": "edge-1",
            "NVIDIA_VISIBLE_DEVICES": "0",
            "KUBECONFIG": kubeconfig,
            **settings,
        },
    )


def test_a_service_loads_when_the_control_plane_has_recovered(server: ApiServer, kubeconfig: str) -> None:
    server.failing = [("GET", 503), ("GET", 429), ("POST", 500)]
    loading = embedding(kubeconfig, LEDGE_LOADING_RELEASE="ledge")
    try:
        loading.wait_ready()
        assert server.failing == []
        assert holder(server) == ""
        found = server.get("Lease", LEASE)
        assert found is not None
        assert found["metadata"]["labels"] == {"app.kubernetes.io/instance": "ledge"}
    finally:
        loading.close()


def test_a_service_waits_for_its_turn_says_so_and_gives_it_back(
    server: ApiServer, access: Access, kubeconfig: str
) -> None:
    other = Turn(access, LEASE, "llm-0")
    assert other.try_to_take() is None
    other.keep()
    waiting = embedding(kubeconfig)
    try:
        told = f"waits to load: llm-0 loads on the same GPU ({LEASE})"
        waiting.wait_for(told)
        answer = httpx.get(f"{waiting.ops_url}/v1/health/ready")
        assert (answer.status_code, answer.json()["message"]) == (503, f"embedding is {told}")
        other.give_back()
        waiting.wait_ready()
        assert holder(server) == ""
    finally:
        other.give_back()
        waiting.close()


@pytest.mark.parametrize(
    ("forbidden", "told"),
    [
        (False, "gave up after 1 s (LEDGE_LOADING_WAIT_S)"),
        (True, "the cluster does not let you get leases in site, which turns at loading need"),
    ],
)
def test_a_service_that_does_not_get_its_turn_ends_and_says_why(
    server: ApiServer, access: Access, kubeconfig: str, forbidden: bool, told: str
) -> None:
    assert Turn(access, LEASE, "llm-0").try_to_take() is None
    if forbidden:
        server.forbidden = {"leases"}
    waiting = embedding(kubeconfig, LEDGE_LOADING_WAIT_S="1")
    try:
        assert waiting.wait() == 1
        assert any(told in entry["event"] for entry in waiting.log)
    finally:
        waiting.close()
