"""Where one test bed lives: its directory, its network namespace, its addresses."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NODE_ADDRESS = "192.0.2.1"
"""Addresses are of the ranges for documentation and benchmarks: no network that a machine is on has them."""
NODE_NETWORK = f"{NODE_ADDRESS}/24"
PODS = "198.18.0.0/24"
SERVICES = "198.19.0.0/20"
DNS_ADDRESS = "198.19.0.10"
API = f"https://{NODE_ADDRESS}:6443"
NODE = "node0"


@dataclass(frozen=True)
class Place:
    """Paths and names of a test bed; making one touches nothing."""

    directory: Path
    namespace: str = "ledge-testbed"
    """The network namespace, without a way out."""

    @classmethod
    def from_environment(cls) -> "Place":
        """`LEDGE_TESTBED_DIR`, by default a folder under /tmp: its path is short, as those of sockets must be."""
        return cls(Path(os.environ.get("LEDGE_TESTBED_DIR", "/tmp/ledge-testbed")).absolute())  # noqa: S108

    def __getattr__(self, name: str) -> Path:
        if name in ("run", "log", "etc", "keys", "programs", "volumes"):
            return self.directory / name
        raise AttributeError(name)

    @property
    def socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        return self.etc / "admin.kubeconfig"

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command, in the namespace. `ip netns exec` would mount another /sys, which hides the control groups."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, command)]

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints, as the cluster's administrator."""
        command = self.inside([self.programs / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments])
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def containerd(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = ["ctr", "-a", str(self.socket), "-n", "k8s.io", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    @property
    def found_before(self) -> "FoundBefore":
        return FoundBefore(self.run / "found-before.json")


@dataclass(frozen=True)
class FoundBefore:
    """What belongs to the whole machine and a kubelet changes, as it was before."""

    file: Path
    kernel_settings = ("vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops")

    def keep(self) -> None:
        if self.file.exists():
            return
        values = {name: Path("/proc/sys", name.replace(".", "/")).read_text().strip() for name in self.kernel_settings}
        self.file.write_text(json.dumps({"kernel_settings": values, "namespaces": _network_namespaces()}))

    def restore(self) -> None:
        if not self.file.exists():
            return
        found = json.loads(self.file.read_text())
        for name, value in found["kernel_settings"].items():
            Path("/proc/sys", name.replace(".", "/")).write_text(value)
        for name in _network_namespaces():
            if name.startswith("cni-") and name not in found["namespaces"]:
                subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def _network_namespaces() -> list[str]:
    folder = Path("/run/netns")
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
