"""A cluster and a release in it, by the commands that people use: kubectl and helm."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODELS_CLASS = os.environ.get("E2E_MODELS_CLASS", "")
"""Storage class whose volume holds the models already; none: the cluster's default, which the chart's Job fills,
so that nodes need a way to the hub."""
SETTINGS = os.environ.get("E2E_SETTINGS", "").split()
"""Further `--set` of every installation: which images, where they are not the chart's own."""
KEYS_SECRET = "ledge-keys"


class Cluster:
    """The cluster that KUBECONFIG names."""

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 180) -> str:
        return self._run(["kubectl", *arguments], stdin, check, timeout_s)

    def helm(self, *arguments: str, stdin: str | None = None, timeout_s: float = 420) -> str:
        return self._run(["helm", *arguments], stdin, True, timeout_s)

    def warnings(self, *arguments: str) -> list[str]:
        """What the API server remarks of a call of kubectl that it lets through."""
        told = self._done(["kubectl", *arguments], None, True, 180).stderr
        return [line for line in told.splitlines() if line.startswith("Warning:")]

    def objects(self, kind: str, namespace: str) -> list[Any]:
        found: list[Any] = json.loads(self.kubectl("get", kind, "-n", namespace, "-o", "json"))["items"]
        return found

    def _run(self, command: list[str], stdin: str | None, check: bool, timeout_s: float) -> str:
        return self._done(command, stdin, check, timeout_s).stdout

    def _done(
        self, command: list[str], stdin: str | None, check: bool, timeout_s: float
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
        return done


@dataclass(frozen=True)
class Release:
    """One installation of the chart, called `ledge`."""

    cluster: Cluster
    namespace: str
    chart: Path
    values: Path
    name: str = "ledge"

    def settings(self) -> list[str]:
        """What every installation of these tests says beside its values."""
        given = [*SETTINGS, f"auth.existingSecret={KEYS_SECRET}"]
        # An empty claim must be filled: `offline` only verifies what is there.
        given.append(f"models.persistence.storageClass={MODELS_CLASS}" if MODELS_CLASS else "models.offline=false")
        return [word for setting in given for word in ("--set", setting)]

    def install(self, *arguments: str, chart: Path | None = None, waits: bool = True) -> None:
        """Installs or upgrades, with further arguments of helm. Returns when every pod is ready; where one does not
        become so, tells what the cluster says about it."""
        wait = ("--wait", "--timeout", "6m") if waits else ()
        try:
            self.cluster.helm(
                *("upgrade", "--install", self.name, str(chart or self.chart), "-n", self.namespace),
                *("-f", str(self.values), *self.settings(), *arguments, *wait),
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.troubles()}") from None

    def revision(self) -> int:
        [told] = json.loads(self.cluster.helm("list", "-n", self.namespace, "-o", "json"))
        return int(told["revision"])

    def roll_back(self, revision: int) -> None:
        self.cluster.helm("rollback", self.name, str(revision), "-n", self.namespace, "--wait", "--timeout", "6m")

    def uninstall(self) -> None:
        self.cluster.helm("uninstall", self.name, "-n", self.namespace, "--wait", "--timeout", "3m")

    def services(self) -> list[str]:
        """Names of the release's services, `gateway` last: whoever calls is restarted after whom it calls."""
        found = [each["metadata"]["name"] for each in self.cluster.objects("deployments", self.namespace)]
        names = [name.removeprefix(f"{self.name}-") for name in found]
        return sorted(names, key=lambda name: (name in ("rag", "voice"), name == "gateway", name))

    def pods(self, component: str = "") -> list[Any]:
        """Those of the release, or of one service, that nobody has told to end."""
        wanted = {"app.kubernetes.io/instance": self.name}
        if component:
            wanted["app.kubernetes.io/component"] = component
        return [
            pod
            for pod in self.cluster.objects("pods", self.namespace)
            if wanted.items() <= pod["metadata"].get("labels", {}).items()
            and "deletionTimestamp" not in pod["metadata"]
            and pod["status"]["phase"] not in ("Succeeded", "Failed")
        ]

    def restarts(self) -> dict[str, int]:
        """Pod → how often its containers began again."""
        return {
            pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ()))
            for pod in self.pods()
        }

    def rolled_out(self, service: str, timeout_s: float = 180) -> None:
        """Returns when all pods of a service are of its latest kind, and ready."""
        self.cluster.kubectl(
            *("rollout", "status", "-n", self.namespace, f"deployment/{self.name}-{service}"),
            *("--timeout", f"{timeout_s:.0f}s"),
            timeout_s=timeout_s + 20,
        )

    def settled(self, service: str, replicas: int = 1, timeout_s: float = 180) -> None:
        """Returns when a service has so many pods, all of them ready."""

        def there() -> bool:
            pods = self.pods(service)
            return len(pods) == replicas and all(map(is_ready, pods))

        until(there, timeout_s, f"{service} has {replicas} pods that are ready")

    def scale(self, service: str, replicas: int) -> None:
        self.cluster.kubectl(
            "scale", "-n", self.namespace, f"deployment/{self.name}-{service}", f"--replicas={replicas}"
        )

    def labels(self, component: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": "ledge",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/component": component,
        }

    def image(self, service: str) -> str:
        """The image that a service of the release runs."""
        deployment = self.cluster.kubectl(
            *("get", "deployment", "-n", self.namespace, f"{self.name}-{service}"),
            *("-o", "jsonpath={.spec.template.spec.containers[0].image}"),
        )
        return deployment.strip()

    def troubles(self) -> str:
        """Pods, what became of them, and the last words of those that are not ready."""
        told = [self.cluster.kubectl("get", "pods", "-n", self.namespace, "-o", "wide", check=False)]
        told.append(
            self.cluster.kubectl("get", "events", "-n", self.namespace, "--sort-by=.lastTimestamp", check=False)[-4000:]
        )
        for pod in self.pods():
            if not is_ready(pod):
                name = pod["metadata"]["name"]
                lines = self.cluster.kubectl(
                    "logs", "-n", self.namespace, name, "--all-containers", "--tail=15", check=False
                )
                told.append(f"{name}:\n{lines}")
        return "\n".join(told)


def is_ready(pod: Any) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def until(true: Callable[[], Any], timeout_s: float, what: str) -> float:
    """Asks again and again. Returns how many seconds it took; where it does not come true, says what was awaited."""
    began_s = time.monotonic()
    while not true():
        assert time.monotonic() - began_s < timeout_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - began_s
