"""Installs the chart of a bundle with kubectl and helm, and fills the claim of the models through a pod beside it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from digests import sha256_of_file
from manifest import Manifest
from refusal import RefusedError
from verifying import MODELS

Tell = Callable[[str], None]
POD_TIMEOUT = "180s"
ADMITS = "pod-security.kubernetes.io/enforce"
OURS = {"app.kubernetes.io/managed-by": "ledge-airgap"}
"""On a namespace that was made here."""
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True)
class Release:
    """Where the suite goes in a cluster, and how."""

    bundle: Path
    manifest: Manifest
    name: str
    namespace: str
    registry: str | None
    """Where nodes pull images from; none: images lie on the nodes."""
    storage_class: str = ""
    values: Sequence[Path] = ()
    settings: Sequence[str] = ()
    kubectl: Sequence[str] = field(default=("kubectl",))

    def prepare(self, tell: Tell) -> None:
        """The namespace; only pods of the standard `restricted` are admitted to one that is made here."""
        found = self._run([*self.kubectl, "get", "namespace", self.namespace, "--ignore-not-found", "-o", "json"])
        there = json.loads(found)["metadata"].get("labels", {}) if found.strip() else OURS
        if OURS.items() <= there.items():
            metadata = {"name": self.namespace, "labels": {**OURS, ADMITS: "restricted"}}
            self._apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        elif there.get(ADMITS) != "restricted":
            # Others may live there, whose pods it would refuse.
            tell(
                f"the namespace {self.namespace} was there before and stays as it is; where nobody else needs more in "
                f"it: {shlex.join([*self.kubectl, 'label', 'namespace', self.namespace, f'{ADMITS}=restricted'])}"
            )

    def fill_models(self, tell: Tell) -> None:
        """Through a pod that takes the archive up where the last one broke off, and takes it in when it is whole."""
        if not self.manifest.models:
            return
        self._apply(self._claim(), keep=True)
        self._apply(self._loader())
        try:
            self._kubectl("wait", f"pod/{self._loader_name}", "--for=condition=Ready", f"--timeout={POD_TIMEOUT}")
            pinned = self.bundle / "models" / "pinned.yaml"
            if pinned.is_file():
                with pinned.open("rb") as content:
                    self._inside("cat > /models/.pinned && mv /models/.pinned /models/pinned.yaml", content)
            models = " ".join(self.manifest.models)
            if self._inside(f"ledge models verify {models} >/dev/null 2>&1 && echo intact || true").strip() == "intact":
                tell(f"models: are there already, {models}")
                return
            self._send_archive(tell)
            tell(self._inside("ledge models import /models/.airgap.tar && rm /models/.airgap.tar").strip())
        finally:
            self._kubectl("delete", "pod", self._loader_name, "--grace-period=1", "--ignore-not-found")

    def install(self, models_folder: Path | None, tell: Tell) -> None:
        settings = [
            "models.offline=true",
            *([] if models_folder else [f"models.persistence.existingClaim={self._claim_name}"]),
            *([f"models.persistence.hostPath={models_folder}"] if models_folder else []),
            *([f"global.imageRegistry={self.registry}", "image.pullPolicy=IfNotPresent"] if self.registry else []),
            *self.settings,
        ]
        values = [
            self.bundle / "values" / f"values-{self.manifest.profile}.yaml",
            self.bundle / "values" / "values-airgap.yaml",
            *sorted((self.bundle / "values").glob("site-*")),
            *self.values,
        ]
        (chart,) = (self.bundle / "charts").glob("ledge-*.tgz")
        with tempfile.TemporaryDirectory() as scratch:
            command = [
                *(_helm(self.bundle, Path(scratch)), "upgrade", "--install", self.name, str(chart)),
                *("-n", self.namespace, "--wait", "--timeout", "10m"),
                *(word for file in values for word in ("-f", str(file))),
                *(word for setting in settings for word in ("--set", setting)),
            ]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RefusedError(f"helm: {done.stderr.strip()[-1500:]}")
        tell(f"{self.namespace}/{self.name}: installed and ready")

    def _send_archive(self, tell: Tell) -> None:
        source = self.bundle / MODELS
        there = int(self._inside("touch /models/.airgap.tar && wc -c < /models/.airgap.tar").strip())
        if there > source.stat().st_size:
            there = 0
        if there:
            tell(f"models: goes on after {there / 1e6:.0f} MB")
        with source.open("rb") as content:
            content.seek(there)
            self._inside(f"truncate -s {there} /models/.airgap.tar && cat >> /models/.airgap.tar", content)
        told = self._inside("sha256sum /models/.airgap.tar").split()
        if told[:1] != [sha256_of_file(source)]:
            self._inside("rm /models/.airgap.tar")
            raise RefusedError("the models arrived damaged and were thrown away: run the same again")

    @property
    def _claim_name(self) -> str:
        return f"{self.name}-models"

    @property
    def _loader_name(self) -> str:
        return f"{self.name}-airgap-models"

    def _claim(self) -> dict[str, Any]:
        # The archive lies beside what is taken out of it, for as long as that takes.
        size_bytes = 3 * (self.bundle / MODELS).stat().st_size + (1 << 30)
        spec: dict[str, Any] = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{-(-size_bytes // (1 << 30))}Gi"}},
        }
        if self.storage_class:
            spec["storageClassName"] = self.storage_class
        metadata = {"name": self._claim_name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}

    def _loader(self) -> dict[str, Any]:
        (image,) = (name for name in self.manifest.images if name.rpartition("/")[2].startswith("cli:"))
        if self.registry:
            image = f"{self.registry}/{image.partition('/')[2]}"
        container = {
            "name": "loader",
            "image": image,
            "imagePullPolicy": "IfNotPresent" if self.registry else "Never",
            "command": ["python", "-c", "import signal; signal.sigwait([signal.SIGTERM])"],
            "env": [{"name": "LEDGE_OFFLINE", "value": "1"}],
            "securityContext": RESTRICTED,
            "volumeMounts": [
                {"name": "models", "mountPath": "/models"},
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108, the pod's own
            ],
        }
        spec = {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [
                {"name": "models", "persistentVolumeClaim": {"claimName": self._claim_name}},
                {"name": "tmp", "emptyDir": {}},
            ],
        }
        metadata = {"name": self._loader_name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _apply(self, document: dict[str, Any], keep: bool = False) -> None:
        """`keep`: what is there already stays as it is, since a claim cannot be changed."""
        kind, name = document["kind"], document["metadata"]["name"]
        if keep and self._run([*self.kubectl, "-n", self.namespace, "get", kind, name, "--ignore-not-found"]).strip():
            return
        with tempfile.TemporaryFile() as text:
            text.write(json.dumps(document).encode())
            text.seek(0)
            self._run([*self.kubectl, "apply", "--server-side", "--field-manager=ledge-airgap", "-f", "-"], text)

    def _inside(self, script: str, content: IO[bytes] | None = None) -> str:
        interactive = ["-i"] if content else []
        return self._kubectl("exec", *interactive, self._loader_name, "--", "sh", "-c", script, content=content)

    def _kubectl(self, *arguments: str, content: IO[bytes] | None = None) -> str:
        return self._run([*self.kubectl, "-n", self.namespace, *arguments], content)

    def _run(self, command: list[str], content: IO[bytes] | None = None) -> str:
        try:
            done = subprocess.run(command, stdin=content or subprocess.DEVNULL, capture_output=True)
        except FileNotFoundError:
            raise RefusedError(f"{command[0]} is not here; k3s has its own: --kubectl 'k3s kubectl'") from None
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip()[-1000:]
            raise RefusedError(f"{shlex.join(command[:12])}: {told}")
        return done.stdout.decode(errors="replace")


def _helm(bundle: Path, scratch: Path) -> str:
    """The bundle's own, which media without rights may have made unusable as it lies; else that of the machine."""
    carried = bundle / "bin" / "helm"
    if carried.is_file() and not os.access(carried, os.X_OK):
        copy = scratch / "helm"
        shutil.copyfile(carried, copy)
        copy.chmod(0o755)
        return str(copy)
    found = str(carried) if carried.is_file() else shutil.which("helm")
    if found is None:
        raise RefusedError("helm is not here and not in the bundle: make the bundle with it, or put it into the PATH")
    return found
