"""Installs as Kubernetes' API tells of them, one file each: objects in YAML, and a document of logs (`kind: Logs`)."""

from pathlib import Path
from typing import Any

import yaml

from services.cli.cluster.snapshot import Snapshot
from tests.kubernetes_server import ApiServer

FOLDER = Path(__file__).parent / "installs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def objects(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()) if each]


def snapshot(name: str) -> Snapshot:
    """As it would be read, without reading."""
    found = objects(name)

    def of(kind: str) -> list[dict[str, Any]]:
        return [each for each in found if each["kind"] == kind]

    logs = {
        (key.partition("/")[0], key.partition("/")[2]): text
        for each in of("Logs")
        for key, text in each["logs"].items()
    }
    return Snapshot(
        release="ledge",
        namespace="site",
        pods=of("Pod"),
        deployments=of("Deployment"),
        replica_sets=of("ReplicaSet"),
        jobs=of("Job"),
        claims=of("PersistentVolumeClaim"),
        events=of("Event"),
        nodes=of("Node"),
        logs=logs,
    )


def fill(server: ApiServer, name: str) -> None:
    """Puts an install into an API server."""
    for each in objects(name):
        if each["kind"] == "Logs":
            server.logs.update(each["logs"])
        else:
            server.put(each)
