"""Builds the programs of a cluster from Go modules, once for each set of inputs, into a cache beside no checkout."""

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KUBERNETES = "v1.36.2"
"""The last minor release that takes Debian 12's containerd 1.6."""
KUBERNETES_NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")

DEBIAN_PACKAGES = (
    "containerd runc containernetworking-plugins etcd-server iproute2 nftables conntrack util-linux openssl".split()
)
PROGRAMS_OF_DEBIAN = ("containerd", "runc", "etcd", "ip", "nft", "conntrack", "nsenter", "openssl")


def cache_directory() -> Path:
    override = os.environ.get("LEDGE_BUILD_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(override) if override else Path(base, "ledge", "build")


@dataclass(frozen=True)
class Module:
    """One program, made from the Go module in the folder of its name."""

    name: str
    link_flags: str = "-s -w"

    def build(self) -> Path:
        """The program's path; it is there already when the same sources were built with the same Go before."""
        program = cache_directory() / f"{self.name}-{self._key()}"
        if program.exists():
            return program
        started_s = time.monotonic()
        print(f"building {self.name} …", flush=True)
        program.parent.mkdir(parents=True, exist_ok=True)
        partial = program.with_name(program.name + f".{os.getpid()}")
        subprocess.run(
            ["nice", "-n", "19", "go", "build", "-trimpath", "-ldflags", self.link_flags, "-o", str(partial), "."],
            cwd=HERE / self.name,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly", "GOTOOLCHAIN": "local"},
            check=True,
        )
        partial.rename(program)
        print(f"{self.name} built in {time.monotonic() - started_s:.0f} s, {program.stat().st_size / 1e6:.0f} MB")
        return program

    def _key(self) -> str:
        inputs = hashlib.sha256()
        for file in sorted((HERE / self.name).iterdir()):
            if file.suffix in (".go", ".mod", ".sum"):
                inputs.update(file.name.encode() + file.read_bytes())
        inputs.update(self.link_flags.encode())
        inputs.update(subprocess.run(["go", "version"], check=True, capture_output=True).stdout)
        return inputs.hexdigest()[:12]


def _kubernetes_link_flags() -> str:
    """Its programs ask each other for their release, which only the linker can tell them."""
    _, minor, _ = KUBERNETES.split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())]
    )


MODULES = (Module("pause"), Module("dns"), Module("kube", _kubernetes_link_flags()))


def build_all() -> dict[str, Path]:
    """Name of each module → its program. Ends with a sentence where Go or a package of Debian is missing."""
    missing = [name for name in PROGRAMS_OF_DEBIAN if not shutil.which(name)]
    if missing or not Path("/usr/lib/cni/bridge").exists():
        raise SystemExit(
            f"missing here: {', '.join(missing) or 'CNI plugins'}; "
            f"as root: apt-get install -y --no-install-recommends {' '.join(DEBIAN_PACKAGES)}"
        )
    if not shutil.which("go"):
        raise SystemExit("Go 1.26 or newer builds the cluster's programs, and it is not here: https://go.dev/dl")
    return {module.name: module.build() for module in MODULES}
