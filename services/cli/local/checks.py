"""What has to hold for a local run: each check says what it found and, where that is not enough, what to do."""

import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement

from services.cli.local.plan import PlannedService, RunPlan
from services.kit.models import ModelStore
from services.kit.models.disk import readable
from services.kit.profiles import Profile

DISTRIBUTION = "ledge"
EXTRAS = {
    engine: engine for engine in ("vllm", "sentence-transformers", "cross-encoder", "qdrant", "faster-whisper", "piper")
}
"""Engines with an extra of their own; the others are in that of their service."""
LEAST_FREE_BYTES = 256 * 2**20
"""Under this a run does not start: logs and documents would soon have no room."""
GOOD_FREE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Check:
    """`advice` is empty where all is well."""

    name: str
    level: Literal["ok", "warning", "failure"]
    found: str
    advice: str = ""

    def sentence(self) -> str:
        return f"{self.name}: {self.found}: {self.advice}" if self.advice else f"{self.name}: {self.found}"


def check_python() -> Check:
    found = f"{platform.python_version()} on {platform.machine()}, {platform.system()}"
    if platform.system() != "Linux":
        return Check("python", "warning", found, "the local run is made for Linux; elsewhere it is untried")
    return Check("python", "ok", found)


def check_packages(plan: RunPlan) -> Check:
    """The packages of the engines, and those of the command line."""
    extras = [*(EXTRAS.get(service.engine or "", service.name) for service in plan.services), "cli"]
    faults = list(_missing(extras))
    if faults:
        return Check(
            "packages", "failure", "; ".join(faults), f"run `pip install '{DISTRIBUTION}[{','.join(extras)}]'`"
        )
    return Check("packages", "ok", f"all there for {', '.join(extras)}")


def _missing(extras: Iterable[str]) -> Iterator[str]:
    for text in metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        wanted_by = [
            extra for extra in extras if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        ]
        if not wanted_by or requirement.name == DISTRIBUTION:
            continue
        need = f"{requirement.name}{requirement.specifier}" + (f" for {wanted_by[0]}" if requirement.marker else "")
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{need} is not installed"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{need} is needed and {version} is installed"


def check_engine(service: PlannedService) -> Check:
    """Whether an engine's library loads, tried in a process of its own: one made for other processors ends it."""
    module = f"services.{service.name}.engines.{str(service.engine).replace('-', '_')}"
    name = f"engine {service.engine}"
    try:
        done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return Check(name, "failure", "did not load within 120 s", "see whether the disk or the machine is overloaded")
    if done.returncode < 0:
        ended_by = signal.Signals(-done.returncode).name
        return Check(name, "failure", f"loading it ended by {ended_by}", "its wheel is not made for this processor")
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["(no words)"]
        return Check(
            name, "failure", words[0], f"reinstall it: `pip install --force-reinstall 'ledge[{service.name}]'`"
        )
    return Check(name, "ok", "loads")


def check_cores(profile: Profile) -> Check:
    cores = len(os.sched_getaffinity(0))
    found = f"{cores} for this process; {profile.name} is made for {profile.hardware.cpu_cores:g}"
    if cores < profile.hardware.cpu_cores:
        return Check("cores", "warning", found, "it will run, slower")
    return Check("cores", "ok", found)


def check_memory(profile: Profile) -> Check:
    total_bytes = memory_limit_bytes()
    available_bytes = min(total_bytes, psutil.virtual_memory().available)
    needed_bytes = sum(service.budget.memory_bytes for service in profile.services.values())
    found = (
        f"{readable(total_bytes)}, {readable(available_bytes)} of it free; {profile.name} takes up to "
        f"{readable(needed_bytes)}"
    )
    if total_bytes < needed_bytes:
        return Check("memory", "failure", found, "take a smaller profile or a larger machine")
    if available_bytes < needed_bytes:
        return Check("memory", "warning", found, "close something else, or expect swapping")
    return Check("memory", "ok", found)


def memory_limit_bytes() -> int:
    """What this process may use: the machine's memory, or less where a control group says so."""
    total_bytes = psutil.virtual_memory().total
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(total_bytes, int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return total_bytes


def check_disk(name: str, folder: Path, setting: str, least_bytes: int = LEAST_FREE_BYTES) -> Check:
    """Room where a folder lies or will be made."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_bytes = shutil.disk_usage(there).free
    found = f"{readable(free_bytes)} free at {folder}"
    advice = f"free some space, or name another place with {setting}"
    if free_bytes < least_bytes:
        return Check(name, "failure", found, advice)
    if free_bytes < GOOD_FREE_BYTES:
        return Check(name, "warning", found, advice)
    return Check(name, "ok", found)


def check_model(store: ModelStore, model_id: str) -> Check:
    """Reads every byte of a model that is here."""
    name = f"model {model_id}"
    state = store.state(model_id)
    if store.catalog.entry(model_id).unpinned:
        advice = f"run `ledge models pin {model_id}`, then `ledge models pull {model_id}`"
        return Check(name, "failure", "not pinned to a revision and its sums yet", advice)
    if state != "ready":
        return Check(name, "failure", state, f"run `ledge models pull {model_id}`")
    if faults := store.verify(model_id):
        return Check(name, "failure", "; ".join(faults), f"run `ledge models pull {model_id}`")
    return Check(name, "ok", f"verified in {store.directory}")
