"""A pod of the release's namespace in which commands are run, and a pod beside it that sees the node."""

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.cluster import KEYS_SECRET, Cluster, Release

PROGRAMS = Path(__file__).parent / "programs"
WAIT_FOR_THE_END = ["python", "-c", "import signal; signal.sigwait([signal.SIGTERM])"]


@dataclass(frozen=True)
class Pod:
    """One that runs until the tests end."""

    cluster: Cluster
    namespace: str
    name: str

    def run(self, *command: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        """What the command prints; it must end well."""
        return self.cluster.kubectl(*self._exec(*command), stdin=stdin, timeout_s=timeout_s)

    def program(self, name: str, *arguments: str, timeout_s: float = 180) -> str:
        """What one of the programs of this folder prints."""
        return self.run("python", self.put(name), *arguments, timeout_s=timeout_s)

    def put(self, name: str) -> str:
        """Where the program lies in the pod now."""
        # As an argument: standard input may lose its end where the command ends before it was taken.
        text = base64.b64encode((PROGRAMS / f"{name}.py").read_bytes()).decode()
        self.run("sh", "-c", f'printf %s "$1" | base64 -d > /tmp/{name}.py', "sh", text)
        return f"/tmp/{name}.py"

    def background(self, *command: str) -> "subprocess.Popen[str]":
        """The command while it runs."""
        return subprocess.Popen(
            ["kubectl", *self._exec(*command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _exec(self, *command: str) -> list[str]:
        return ["exec", "-i", "-n", self.namespace, self.name, "--", *command]


def start_client(release: Release, name: str, labels: Mapping[str, str]) -> Pod:
    """As `helm test`'s pods are made: allowed by `restricted`, with the key of the release's callers."""
    key = {"name": "LEDGE_API_KEY", "valueFrom": {"secretKeyRef": {"name": KEYS_SECRET, "key": "peer"}}}
    container = {
        "env": [
            {"name": "LEDGE_RAG_ADDRESS", "value": f"{release.name}-rag:50051"},
            {"name": "LEDGE_VOICE_ADDRESS", "value": f"{release.name}-voice:50051"},
            {"name": "HOME", "value": "/tmp"},
            key,
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    return _start(release, release.namespace, name, labels, spec, container)


def start_watcher(release: Release, namespace: str) -> Pod:
    """Sees the processes and the network of the node, and may end any of them."""
    container = {"securityContext": {"runAsUser": 0, "capabilities": {"add": ["KILL", "SYS_PTRACE"]}}}
    return _start(release, namespace, "watcher", {}, {"hostPID": True, "hostNetwork": True}, container)


def _start(
    release: Release,
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    spec: Mapping[str, Any],
    container: Mapping[str, Any],
) -> Pod:
    image = release.image("gateway").replace("/gateway", "/cli")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            **spec,
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": WAIT_FOR_THE_END,
                    **container,
                }
            ],
        },
    }
    kubectl = release.cluster.kubectl
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "-n", namespace, f"pod/{name}", "--for=condition=Ready", "--timeout=90s")
    return Pod(release.cluster, namespace, name)
