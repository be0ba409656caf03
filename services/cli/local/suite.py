"""The suite as the commands see it: start what is not running, wait until all is ready, tell how it is, stop it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from services.cli.local import log_lines
from services.cli.local.config import LocalRunConfig
from services.cli.local.plan import RunPlan
from services.cli.local.ports import busy_ports
from services.cli.local.readiness import is_ready, wait_until_ready
from services.cli.local.state import RunRecord, StateDirectory
from services.cli.local.supervisor import NotRunning, ProcessState, Supervisor, end, left_behind
from services.kit.errors import EngineFailed, TooSlow
from services.kit.ops import release

ENDS_TOLERATED = 1
"""A service may end once as it starts (another may just have freed its port); at the second end `up` gives up."""


@dataclass(frozen=True)
class ServiceStatus:
    """One service, honestly: `ready` is what it answers now, whatever its supervisor thinks."""

    name: str
    state: str
    """ready, starting (the process is there but does not serve yet), restarting, "given up" or stopped."""
    ready: bool
    pid: int | None
    uptime_s: float | None
    restarts: int
    memory_bytes: int | None
    """Pages shared with others divided among them (PSS)."""
    address: str
    ops_url: str
    engine: str | None
    model: str | None
    last_error: str | None
    last_error_at: str | None


@dataclass
class Started:
    """What one `up` has started, and so has to stop when it is interrupted."""

    services: list[str] = field(default_factory=list)
    supervisor: bool = False
    supervisor_pid: int | None = None
    log_offsets: dict[str, int] = field(default_factory=dict)
    cleared: int = 0
    """Processes that an earlier run had left behind."""


class Suite:
    """The local run of one state directory."""

    def __init__(self, config: LocalRunConfig) -> None:
        self.config = config
        self.state = StateDirectory(config.state_dir)
        self.supervisor = Supervisor(self.state)

    @property
    def is_running(self) -> bool:
        return self.supervisor.is_running

    def start(self, plan: RunPlan, started: Started) -> None:
        """Starts what of the plan is not running; `started` is filled in as it goes, so that it holds in any interrupt.

        Raises:
            EngineFailed: a port is taken; it runs already, but otherwise than planned; the supervisor does not start.
        """
        started.log_offsets = {service.name: self.state.log_bytes(service.name) for service in plan.services}
        if self.supervisor.is_running:
            record = self.state.record()
            if record is None or record.fingerprint != plan.fingerprint:
                what = f"profile {record.profile}" if record else "unknown settings"
                raise EngineFailed(
                    f"the suite already runs, with {what} or other ports than asked: stop it first with `ledge down`"
                )
            if record.release != release():
                raise EngineFailed(
                    f"the suite that runs is release {record.release}, this is {release()}: "
                    "stop it first with `ledge down`"
                )
            for process in self.supervisor.states():
                if process.state not in ("RUNNING", "STARTING", "BACKOFF"):
                    started.services.append(process.name)
                    self.supervisor.start_service(process.name)
            return
        orphans = left_behind(self.state)
        end(orphans)
        started.cleared = len(orphans)
        if busy := busy_ports(plan.services):
            raise EngineFailed(busy[0].sentence())
        self.state.forget()
        self.state.write_record(plan)
        started.supervisor = True
        started.services = [service.name for service in plan.services]

        def note(pid: int) -> None:
            started.supervisor_pid = pid

        self.supervisor.start(plan, note)

    def undo(self, started: Started) -> None:
        """Stops what `start` has started, and nothing else."""
        if started.supervisor:
            self.supervisor.stop()
            with contextlib.suppress(psutil.NoSuchProcess):
                # It may have been interrupted before it wrote its pid file or opened its socket.
                end([psutil.Process(started.supervisor_pid)] if started.supervisor_pid else [])
            end(left_behind(self.state))
            self.state.forget()
            return
        for name in started.services:
            self.supervisor.stop_service(name)

    async def wait_until_ready(self, plan: RunPlan, started: Started, on_ready: Callable[[str, float], None]) -> None:
        """Returns when every service of the plan is ready.

        Args:
            on_ready: told each service as it gets ready, and after how many seconds.

        Raises:
            EngineFailed: a service keeps ending; says why.
            TooSlow: `start_timeout_s` has passed; names those that are not ready.
        """
        began_s = time.monotonic()
        waiting = {
            asyncio.create_task(wait_until_ready(service.address, service.health_name, service.ops_url)): service
            for service in plan.services
        }
        ends: dict[str, set[float]] = {service.name: set() for service in plan.services}
        try:
            while waiting:
                done, _ = await asyncio.wait(waiting, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                    on_ready(waiting.pop(task).name, time.monotonic() - began_s)
                self._check_alive([service.name for service in waiting.values()], ends, started)
                if time.monotonic() - began_s > self.config.start_timeout_s:
                    names = ", ".join(service.name for service in waiting.values())
                    raise TooSlow(
                        f"not ready after {self.config.start_timeout_s:.0f} s: {names}; see `ledge logs`, "
                        "or allow more time with LEDGE_START_TIMEOUT_S"
                    )
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _check_alive(self, names: Sequence[str], ends: Mapping[str, set[float]], started: Started) -> None:
        for process in self.supervisor.states() if names else []:
            if process.name not in names:
                continue
            if process.state == "BACKOFF":
                ends[process.name].add(process.started_at_s)
            if process.state == "FATAL" or len(ends[process.name]) > ENDS_TOLERATED:
                offset = started.log_offsets.get(process.name, 0)
                words = log_lines.last_words(self.state.log(process.name), offset)
                raise EngineFailed(f"{process.name} does not start: {words} (all of it: `ledge logs {process.name}`)")

    def stop(self) -> bool:
        """Stops everything, also what a supervisor that died has left. False where nothing ran."""
        ran = self.supervisor.pid is not None or self.supervisor.is_running
        self.supervisor.stop()
        orphans = left_behind(self.state)
        end(orphans)
        self.state.forget()
        return ran or bool(orphans)

    def status(self) -> list[ServiceStatus]:
        """How each service is now. Raises NotRunning."""
        processes = self.supervisor.states()
        record = self.state.record()
        if record is None:
            raise NotRunning
        known = [process for process in processes if process.name in record.services]

        async def ask_all() -> list[bool]:
            facts = [record.services[process.name] for process in known]
            return await asyncio.gather(
                *(is_ready(fact["address"], fact["health_name"], fact["ops_url"]) for fact in facts)
            )

        readiness = asyncio.run(ask_all())
        statuses = list(self._statuses(known, readiness, record))
        order = list(record.services)
        return sorted(statuses, key=lambda status: order.index(status.name))

    def _statuses(
        self, processes: Sequence[ProcessState], readiness: Sequence[bool], record: RunRecord
    ) -> Iterator[ServiceStatus]:
        for process, ready in zip(processes, readiness, strict=True):
            fact = record.services[process.name]
            alive = process.pid > 0
            error = log_lines.last_error(self.state.log(process.name), record.log_offsets.get(process.name, 0))
            yield ServiceStatus(
                name=process.name,
                state=_word(process, ready),
                ready=ready and alive,
                pid=process.pid if alive else None,
                uptime_s=max(0.0, time.time() - process.started_at_s) if alive else None,
                restarts=self.supervisor.restarts(process.name),
                memory_bytes=memory_bytes(process.pid) if alive else None,
                address=fact["address"],
                ops_url=fact["ops_url"],
                engine=fact["engine"],
                model=fact["model"],
                last_error=error.event if error else None,
                last_error_at=error.time or None if error else None,
            )


def _word(process: ProcessState, ready: bool) -> str:
    if process.state in ("RUNNING", "STARTING"):
        return "ready" if ready else "starting"
    return {"BACKOFF": "restarting", "FATAL": "given up"}.get(process.state, process.state.lower())


def memory_bytes(pid: int) -> int | None:
    """What a process and its children take of memory, shared pages divided among those that share them; None: gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for member in family:
        with contextlib.suppress(psutil.Error):
            total += int(member.memory_full_info().pss)
    return total or None


def addresses(config: LocalRunConfig) -> Callable[[str], str]:
    """Where services are: as the run in the state directory has them, else where this configuration would put them."""
    record = StateDirectory(config.state_dir).record()

    def address(service: str) -> str:
        if record is not None and service in record.services:
            return str(record.services[service]["address"])
        return config.address(service)

    return address
