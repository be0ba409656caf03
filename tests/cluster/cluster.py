"""A cluster, a release in it and pods that call it, by the commands that people use: kubectl and helm."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENT_IMAGE = os.environ.get("E2E_CLIENT_IMAGE", "ledge.local/ledge/cli:0.1.0")
MODELS_CLASS = os.environ.get("E2E_MODELS_CLASS", "")
"""Storage class whose volume holds the models already; none: the cluster's default, filled by the chart's Job."""


class Cluster:
    """The cluster that KUBECONFIG names."""

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 180) -> str:
        return self._run(["kubectl", *arguments], stdin, check, timeout_s)

    def helm(self, *arguments: str, timeout_s: float = 420) -> str:
        return self._run(["helm", *arguments], None, True, timeout_s)

    def objects(self, kind: str, namespace: str) -> list[Any]:
        found: list[Any] = json.loads(self.kubectl("get", kind, "-n", namespace, "-o", "json"))["items"]
        return found

    def _run(self, command: list[str], stdin: str | None, check: bool, timeout_s: float) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
        return done.stdout


@dataclass(frozen=True)
class Release:
    """One installation of the chart, called `ledge`."""

    cluster: Cluster
    namespace: str
    chart: Path
    values: Path
    name: str = "ledge"

    def install(self, *settings: str) -> None:
        """Returns when every pod is ready; where one does not become so, tells what the cluster says about it."""
        given = ["--set", f"models.persistence.storageClass={MODELS_CLASS}"] if MODELS_CLASS else []
        try:
            self.cluster.helm(
                *("upgrade", "--install", self.name, str(self.chart), "-n", self.namespace, "-f", str(self.values)),
                *(*given, *settings, "--wait", "--timeout", "5m"),
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.troubles()}") from None

    def uninstall(self) -> None:
        self.cluster.helm("uninstall", self.name, "-n", self.namespace, "--wait", "--timeout", "2m")

    def deployments(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.cluster.objects("deployments", self.namespace)]

    def workloads(self) -> list[str]:
        """Everything that can be restarted, as `kubectl rollout` names it."""
        kinds = ("deployments", "statefulsets")
        return [
            f"{kind}/{each['metadata']['name']}"
            for kind in kinds
            for each in self.cluster.objects(kind, self.namespace)
        ]

    def pods(self) -> list[Any]:
        return self.cluster.objects("pods", self.namespace)

    def labels(self, component: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": "ledge",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/component": component,
        }

    def troubles(self) -> str:
        """Pods, what became of them, and the last words of those that are not ready."""
        told = [self.cluster.kubectl("get", "pods", "-n", self.namespace, "-o", "wide", check=False)]
        told.append(
            self.cluster.kubectl("get", "events", "-n", self.namespace, "--sort-by=.lastTimestamp", check=False)[-4000:]
        )
        for pod in self.pods():
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
            if not ready:
                name = pod["metadata"]["name"]
                lines = self.cluster.kubectl(
                    "logs", "-n", self.namespace, name, "--all-containers", "--tail=15", check=False
                )
                told.append(f"{name}:\n{lines}")
        return "\n".join(told)


@dataclass(frozen=True)
class Client:
    """A pod of the release's namespace in which commands are run."""

    release: Release
    name: str

    @classmethod
    def start(cls, release: Release, name: str, labels: Mapping[str, str]) -> "Client":
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": release.namespace, "labels": dict(labels)},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10001,
                    "runAsGroup": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "client",
                        "image": CLIENT_IMAGE,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-c", "import signal; signal.sigwait([signal.SIGTERM])"],
                        "env": [{"name": "LEDGE_RAG_ADDRESS", "value": f"{release.name}-rag:50051"}],
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        }
        kubectl = release.cluster.kubectl
        kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(pod))
        kubectl("wait", "-n", release.namespace, f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
        return cls(release, name)

    def run(self, *command: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        """What the command prints; it must end well."""
        return self.release.cluster.kubectl(*self._exec(*command), stdin=stdin, timeout_s=timeout_s)

    def background(self, *command: str, stdin: str) -> "subprocess.Popen[str]":
        """The command while it runs."""
        process = subprocess.Popen(
            ["kubectl", *self._exec(*command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        return process

    def _exec(self, *command: str) -> list[str]:
        return ["exec", "-i", "-n", self.release.namespace, self.name, "--", *command]


def until(true: Any, timeout_s: float, what: str) -> None:
    """Asks again and again; where it does not come true, says what was waited for."""
    ends_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < ends_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.2)
