"""`ledge status --cluster` against an API server: what it prints, its exit codes, and what it must be allowed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cluster.installs_on_file import fill, objects
from tests.kubernetes_server import ApiServer, api_server
from tests.ledge_command import Ledge


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def command(server: ApiServer, tmp_path: Path) -> Ledge:
    return Ledge(tmp_path / "state", KUBECONFIG=str(server.kubeconfig(tmp_path / "kubeconfig")))


def test_a_ready_release_is_shown_with_exit_0(server: ApiServer, command: Ledge) -> None:
    fill(server, "ready")
    shown = command.run("status", "--cluster").stdout
    assert "llm" in shown
    assert "asleep" in shown


def test_a_release_on_its_way_exits_1_and_one_that_is_stuck_3(server: ApiServer, command: Ledge) -> None:
    fill(server, "pulling")
    assert "pulls the image" in command.run("status", "--cluster", code=1).stdout
    fill(server, "image-never")
    assert "image.pullPolicy" in command.run("status", "--cluster", code=3).stdout


def test_json_tells_every_pod(server: ApiServer, command: Ledge) -> None:
    fill(server, "models-on-their-way")
    told = command.json("status", "--cluster", "--namespace", "site", code=1)
    assert (told["release"], told["namespace"], told["state"]) == ("ledge", "site", "coming")
    by_component = {pod["component"]: pod for pod in told["pods"]}
    assert by_component["models"]["what"].endswith("1.2 GB of 5.0 GB")
    assert by_component["llm"]["what"] == "waiting for llama-3.1-8b-instruct: 6.2 GB of 16.1 GB"
    assert by_component["rag"]["node"] == "edge-1"


def test_watching_ends_when_all_is_ready(server: ApiServer, command: Ledge) -> None:
    fill(server, "pulling")
    with command.start("status", "--cluster", "--watch", "--json") as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["state"] == "coming"
        fill(server, "ready")
        assert json.loads(watching.stdout.readline())["state"] == "ready"
        assert watching.wait(20) == 0


def test_watching_gives_up_when_its_time_is_over(server: ApiServer, command: Ledge) -> None:
    fill(server, "image-never")
    told = command.run("status", "--cluster", "--watch", "--timeout-s", "0.1", code=3).stdout
    assert told.startswith(
        "stuck    ledge-llm-7d9f6c5b8-x2x9p  the image ledge.local/ledge/llm:0.1.0 is not on the node"
    )


def test_what_may_not_be_read_is_noted_and_the_rest_is_shown(server: ApiServer, command: Ledge) -> None:
    fill(server, "pulling")
    server.forbidden = {"events", "nodes", "persistentvolumeclaims"}
    told = command.json("status", "--cluster", code=1)
    assert [pod["state"] for pod in told["pods"]] == ["starting"], "without events nobody knows that it pulls"
    assert told["notes"] == [
        "the cluster does not let you list persistentvolumeclaims in site",
        "the cluster does not let you list events in site",
    ]
    server.forbidden = {"pods"}
    assert "the cluster does not let you list pods in site" in command.run("status", "--cluster", code=1).stderr


def test_a_release_whose_deployments_may_not_be_listed_is_not_called_ready(server: ApiServer, command: Ledge) -> None:
    fill(server, "ready")
    server.forbidden = {"deployments"}
    told = command.json("status", "--cluster", code=1)
    assert told["state"] == "coming"
    assert "the cluster does not let you list deployments in site" in told["notes"]
    assert "ready" in {pod["state"] for pod in told["pods"]}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_watching_survives_a_control_plane_that_is_strained(server: ApiServer, command: Ledge, status: int) -> None:
    fill(server, "ready")
    server.failing = [("GET", status)]
    with command.start("status", "--cluster", "--watch", "--json") as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        assert (first["state"], first["pods"]) == ("coming", [])
        assert "the cluster cannot list pods in site now" in first["notes"][0]
        assert json.loads(watching.stdout.readline())["state"] == "ready"
        assert watching.wait(20) == 0


def test_a_release_that_is_not_there_is_told_with_those_that_are(server: ApiServer, command: Ledge) -> None:
    assert "there is no release ledge" in command.run("status", "--cluster", code=1).stderr
    for each in objects("pulling"):
        server.put({**each, "metadata": {**each["metadata"], "namespace": "elsewhere"}})
    told = command.run("status", "--cluster", code=1).stderr
    assert "there is: --namespace elsewhere --release ledge" in told


def test_only_the_release_that_was_asked_for_is_shown(server: ApiServer, command: Ledge) -> None:
    fill(server, "pulling")
    assert "there is no release other" in command.run("status", "--cluster", "--release", "other", code=1).stderr


def test_a_cluster_that_is_away_is_told_at_once(command: Ledge, server: ApiServer, tmp_path: Path) -> None:
    gone = ApiServer()
    kubeconfig = gone.kubeconfig(tmp_path / "gone")
    gone.start()
    gone.close()
    told = command.run("status", "--cluster", code=1, KUBECONFIG=str(kubeconfig)).stderr
    assert f"the cluster at {gone.url} cannot be reached" in told


def test_no_cluster_at_all_is_told(command: Ledge, tmp_path: Path) -> None:
    told = command.run("status", "--cluster", code=1, KUBECONFIG=str(tmp_path / "none")).stderr
    assert "no cluster is named: set KUBECONFIG" in told


def test_the_clusters_options_want_the_cluster(command: Ledge) -> None:
    assert "go with --cluster" in command.run("status", "--watch", code=2).stderr


def test_reading_changes_nothing(server: ApiServer, command: Ledge) -> None:
    fill(server, "crash-loop")
    command.run("status", "--cluster", code=3)
    assert {method for method, _ in server.requests} == {"GET"}
