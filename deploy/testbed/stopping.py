"""Ends a test bed and leaves nothing: no process, mount, namespace, control group, or setting of the kernel."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from place import Place

CGROUPS = Path("/sys/fs/cgroup")
LEFT_ELSEWHERE = (
    Path("/run/containerd"),
    Path("/var/lib/cni"),
    Path("/etc/cni"),
    Path("/var/log/containers"),
    Path("/var/lib/kubelet"),
    Path("/usr/libexec/kubernetes"),
)
"""Folders that the kubelet and containerd make although they are told another place; removed where they are empty."""


def bring_down(place: Place) -> list[str]:
    """Safe to repeat, and after a bringing up that failed half-way. Returns what could not be removed."""
    if not place.found_before.file.exists():
        # Pods and control groups of a kubelet that somebody else runs here are none of this.
        return []
    if place.kubeconfig.exists() and (place.programs / "kubectl").exists():
        _delete_pods(place)
    # The kubelet first, or it would start again what ends.
    own = _processes_in(place.namespace)
    _end([pid for pid in own if "kubelet" in _command(pid)], signal.SIGTERM)
    _end_pods(place)
    _end(_processes_in(place.namespace), signal.SIGKILL)
    _end(_processes_named(str(place.socket)), signal.SIGKILL)
    _unmount(place.directory)
    subprocess.run(["ip", "netns", "delete", place.namespace], capture_output=True)
    place.found_before.restore()
    _remove_cgroups()
    _tidy_elsewhere(place)
    shutil.rmtree(place.directory, ignore_errors=True)
    return _left(place)


def _delete_pods(place: Place) -> None:
    """By the API, as long as it answers, since pods that end by themselves leave least behind."""
    if place.kubectl("get", "--raw", "/readyz", "--request-timeout=3s", check=False) != "ok":
        return
    # Nothing may start them again while they go.
    kinds = "deployments,statefulsets,daemonsets,jobs,cronjobs"
    place.kubectl("delete", kinds, "--all", "-A", "--wait=false", "--timeout=20s", check=False)
    place.kubectl("delete", "pods", "--all", "-A", "--grace-period=1", "--timeout=30s", check=False)


def _end_pods(place: Place) -> None:
    for task in place.containerd("tasks", "ls", "-q").stdout.split():
        place.containerd("tasks", "kill", "-s", "KILL", task)
    for folder in cgroup_folders():
        for file in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                _end(map(int, file.read_text().split()), signal.SIGKILL)


def _processes_in(namespace: str) -> list[int]:
    """What runs in the network namespace: all that the bringing up started, and shims, which are their children."""
    found = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout
    return [pid for pid in map(int, found.split()) if pid != os.getpid()]


def _processes_named(part: str) -> list[int]:
    """Shims leave the namespace with their pod's sandbox, but name containerd's socket."""
    pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [pid for pid in pids if part in _command(pid) and "containerd-shim" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _end(pids: Iterable[int], by: signal.Signals, timeout_s: float = 10) -> None:
    waiting = set(pids)
    for pid in waiting:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, by)
    until_s = time.monotonic() + timeout_s
    while waiting and time.monotonic() < until_s:
        waiting = {pid for pid in waiting if _alive(pid)}
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _unmount(directory: Path) -> None:
    mounts = [line.split()[1] for line in _mounts()]
    for mount in sorted(mounts, reverse=True):
        if mount.startswith(f"{directory}/"):
            subprocess.run(["umount", "-l", mount], capture_output=True)


def cgroup_folders() -> list[Path]:
    """The tops of all pods' control groups: one in version 2, one for each controller in version 1."""
    return [each for each in (CGROUPS / "kubepods", *CGROUPS.glob("*/kubepods")) if each.is_dir()]


def _remove_cgroups() -> None:
    for top in cgroup_folders():
        for folder in sorted((each for each in top.rglob("*") if each.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


def _tidy_elsewhere(place: Place) -> None:
    for file in Path("/var/lib/cni/results").glob("*"):
        if file.name.startswith((f"{place.namespace}-", "cni-loopback-")):
            file.unlink(missing_ok=True)
    Path("/var/lib/kubelet/device-plugins/kubelet.sock").unlink(missing_ok=True)
    lock = Path("/etc/cni/net.d/cni.lock")
    if lock.exists() and not lock.stat().st_size:
        lock.unlink()
    for link in Path("/var/log/containers").glob("*"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{place.directory}/"):
            link.unlink()
    for top in LEFT_ELSEWHERE:
        if top.is_dir():
            for folder in [*sorted((each for each in top.rglob("*") if each.is_dir()), reverse=True), top]:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _left(place: Place) -> list[str]:
    left = [f"process {pid}: {_command(pid)[:80]}" for pid in _processes_named(str(place.socket))]
    left += [f"mount {line.split()[1]}" for line in _mounts() if line.split()[1].startswith(f"{place.directory}/")]
    left += [f"control group {folder}" for folder in cgroup_folders()]
    left += [str(path) for path in (Path(f"/run/netns/{place.namespace}"), place.directory) if path.exists()]
    return left


def _mounts() -> list[str]:
    return Path("/proc/mounts").read_text().splitlines()
