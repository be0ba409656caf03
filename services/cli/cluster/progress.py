"""How far a release is: a line for every pod, and for every one that could not even be made.

A pod goes  waiting → pulling → starting → loading → ready;  a Job's ends as done, a pod that is replaced is ending,
a service scaled to nothing is asleep. `stuck` is what does not go on by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.cli.cluster import reasons
from services.cli.cluster.reasons import Reason
from services.cli.cluster.snapshot import (
    Object,
    Snapshot,
    age_s,
    component_of,
    condition,
    container_statuses,
    init_statuses,
    name_of,
)

State = Literal["ready", "done", "asleep", "ending", "waiting", "pulling", "starting", "loading", "stuck"]
WELL: frozenset[str] = frozenset({"ready", "done", "asleep"})


@dataclass(frozen=True)
class Line:
    """One pod, or one that is missing (`pod` is empty)."""

    component: str
    pod: str
    state: State
    what: str
    """What it waits for, or why it is stuck; empty where there is nothing to say."""
    restarts: int = 0
    age_s: float = 0.0
    node: str = ""


@dataclass(frozen=True)
class Progress:
    """A release at one moment."""

    lines: Sequence[Line]
    notes: Sequence[str]
    services_seen: bool = True
    """Whether it is known which services there are to be."""

    @property
    def state(self) -> Literal["ready", "coming", "stuck"]:
        """stuck: at least one line is; ready: nothing is awaited, and nothing was hidden."""
        if any(line.state == "stuck" for line in self.lines):
            return "stuck"
        if self.services_seen and self.lines and all(line.state in WELL for line in self.lines):
            return "ready"
        return "coming"


def progress_of(snapshot: Snapshot, now: datetime) -> Progress:
    """Lines in the order of components, `models` first."""
    if snapshot.deployments:
        return Progress([*_models(snapshot, now), *_services(snapshot, now)], snapshot.notes)
    # Pods alone do not say which ones are missing.
    pods = sorted(snapshot.pods, key=lambda pod: (component_of(pod), name_of(pod)))
    pods = [pod for pod in pods if component_of(pod) != "models" and not _was_replaced(pod)]
    lines = [_of_pod(pod, snapshot, now) for pod in pods]
    notes = [*snapshot.notes, "no Deployment of the release was seen: nobody can say whether all of it is there"]
    return Progress([*_models(snapshot, now), *lines], notes, services_seen=False)


def _models(snapshot: Snapshot, now: datetime) -> Iterator[Line]:
    jobs = [job for job in snapshot.jobs if component_of(job) == "models"]
    if not jobs:
        return
    # Another list of models is another Job: the newest counts.
    job = max(jobs, key=lambda each: each["metadata"].get("creationTimestamp") or "")
    pods = [
        pod
        for pod in _of_component(snapshot, "models")
        if pod["metadata"].get("labels", {}).get("job-name", name_of(job)) == name_of(job)
    ]
    if condition(job, "Complete").get("status") == "True":
        yield Line("models", name_of(pods[-1]) if pods else "", "done", "", age_s=age_s(job, now))
        return
    failed = condition(job, "Failed")
    if failed.get("status") == "True":
        words = [each for pod in pods if (each := _end_of(pod, snapshot))]
        why = words[-1] if words else f"the Job gave up: {failed.get('message', failed.get('reason', ''))}"
        yield Line("models", name_of(pods[-1]) if pods else "", "stuck", why, age_s=age_s(job, now))
        return
    for pod in pods:
        yield _of_pod(pod, snapshot, now)
    if not pods:
        yield _missing("models", snapshot.events_of("Job", name_of(job)), None, age_s(job, now))


def _services(snapshot: Snapshot, now: datetime) -> Iterator[Line]:
    for deployment in sorted(snapshot.deployments, key=component_of):
        component = component_of(deployment)
        wanted = int(deployment["spec"].get("replicas", 1))
        pods = [pod for pod in _of_component(snapshot, component) if not _was_replaced(pod)]
        for pod in pods:
            yield _of_pod(pod, snapshot, now)
        there = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        if wanted == 0 and not pods:
            yield Line(component, "", "asleep", "scaled to nothing", age_s=age_s(deployment, now))
        elif len(there) < wanted:
            yield from _not_made(component, deployment, there, snapshot, now)
        elif _is_behind(deployment) and all(_is_ready(pod) for pod in pods):
            yield Line(component, "", "waiting", "the Deployment was changed; its pods are about to be", 0, 0.0)


def _not_made(
    component: str, deployment: Object, there: list[Object], snapshot: Snapshot, now: datetime
) -> Iterator[Line]:
    sets = [
        each
        for each in snapshot.replica_sets
        if any(owner.get("name") == name_of(deployment) for owner in each["metadata"].get("ownerReferences") or ())
    ]
    events = [event for each in sets for event in snapshot.events_of("ReplicaSet", name_of(each))]
    failure = next(
        (found for each in sets if (found := condition(each, "ReplicaFailure")).get("status") == "True"), None
    )
    missing = _missing(component, events, failure, age_s(deployment, now))
    if missing.state == "stuck" or not there:
        yield missing


def _missing(component: str, events: list[Object], failure: Object | None, old_s: float) -> Line:
    refusals = [event for event in events if event.get("reason") == "FailedCreate"]
    message = str(failure.get("message", "")) if failure else str(refusals[-1].get("message", "")) if refusals else ""
    if message:
        return Line(component, "", "stuck", reasons.of_refusal(message).text, age_s=old_s)
    return Line(component, "", "waiting", "no pod has been made yet", age_s=old_s)


def _of_pod(pod: Object, snapshot: Snapshot, now: datetime) -> Line:
    state, what = _state(pod, snapshot, now)
    restarts = sum(int(status.get("restartCount", 0)) for status in [*init_statuses(pod), *container_statuses(pod)])
    node = str(pod["spec"].get("nodeName") or "")
    return Line(component_of(pod), name_of(pod), state, what, restarts, age_s(pod, now), node)


def _state(pod: Object, snapshot: Snapshot, now: datetime) -> tuple[State, str]:
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return "ending", "finishes its calls"
    if status.get("phase") == "Succeeded":
        return "done", ""
    if status.get("phase") == "Failed":
        return "stuck", _end_of(pod, snapshot) or f"{status.get('reason', 'failed')}: {status.get('message', '')}"
    if status.get("reason") == "NodeLost":
        return "stuck", f"its node {pod['spec'].get('nodeName')} does not answer"
    if not pod["spec"].get("nodeName"):
        return _told("waiting", reasons.of_unscheduled(pod, snapshot))
    for each in [*init_statuses(pod), *container_statuses(pod)]:
        if (reason := reasons.of_container(pod, each, snapshot)) is not None:
            return _told("starting", reason)
    if _is_ready(pod):
        return "ready", ""
    return _on_its_way(pod, snapshot, now)


def _on_its_way(pod: Object, snapshot: Snapshot, now: datetime) -> tuple[State, str]:
    running = [
        each for each in [*init_statuses(pod), *container_statuses(pod)] if "running" in (each.get("state") or {})
    ]
    if not running:
        if (reason := reasons.of_volumes(pod, snapshot, now)) is not None:
            return _told("starting", reason)
        if (reason := reasons.of_pulling(pod, snapshot)) is not None:
            return "pulling", reason.text
        return "starting", ""
    current = running[0]
    words = reasons.last_words(snapshot.logs.get((name_of(pod), current["name"]), ""))
    if any(current["name"] == each["name"] for each in init_statuses(pod)):
        return "waiting", words or f"for its init container {current['name']}"
    if component_of(pod) == "models":
        return "loading", words
    ended = (current.get("lastState") or {}).get("terminated") or {}
    if ended.get("reason") == "OOMKilled":
        again = reasons.of_container(pod, {**current, "state": {"terminated": {**ended, "exitCode": 137}}}, snapshot)
        words = f"again; before, {again.text}" if again else words
    return "loading", words


def _told(otherwise: State, reason: Reason) -> tuple[State, str]:
    return ("stuck" if reason.is_stuck else otherwise), reason.text


def _end_of(pod: Object, snapshot: Snapshot) -> str:
    """Why a pod has ended badly; empty where it did not say."""
    for each in [*init_statuses(pod), *container_statuses(pod)]:
        if (reason := reasons.of_container(pod, each, snapshot)) is not None:
            return reason.text
    return ""


def _was_replaced(pod: Object) -> bool:
    """Of a pod that was evicted, or whose node was shut down, another one has taken the place."""
    is_kept: bool = pod["spec"].get("restartPolicy", "Always") == "Always"
    return is_kept and bool(pod.get("status", {}).get("phase") == "Failed")


def _is_behind(deployment: Object) -> bool:
    """Whether it was changed, and pods of before are still all there is."""
    status = deployment.get("status", {})
    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 0)):
        return True
    return "replicas" in status and int(status.get("updatedReplicas", 0)) < int(deployment["spec"].get("replicas", 1))


def _is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def _of_component(snapshot: Snapshot, component: str) -> list[Object]:
    found = [pod for pod in snapshot.pods if component_of(pod) == component]
    return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", name_of(pod)))
