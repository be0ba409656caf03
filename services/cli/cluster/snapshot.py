"""What was read of a release at one moment: Kubernetes' objects as its API gives them, and the last lines of logs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]
"""An object as JSON, in the names of Kubernetes' API."""
COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Snapshot:
    """Objects of one namespace: workloads of the release, claims and events of all of it."""

    release: str
    namespace: str
    pods: Sequence[Object] = ()
    deployments: Sequence[Object] = ()
    replica_sets: Sequence[Object] = ()
    jobs: Sequence[Object] = ()
    claims: Sequence[Object] = ()
    events: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    """Empty where they may not be read."""
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(pod, container) → the last lines that it wrote."""
    notes: Sequence[str] = ()
    """What could not be read, and why."""

    def events_of(self, kind: str, name: str) -> list[Object]:
        """The oldest first."""
        found = [
            event
            for event in self.events
            if event.get("involvedObject", {}).get("kind") == kind and event["involvedObject"].get("name") == name
        ]
        return sorted(found, key=_when)

    def claim(self, name: str) -> Object | None:
        return next((claim for claim in self.claims if name_of(claim) == name), None)


def name_of(object: Object) -> str:
    return str(object["metadata"]["name"])


def component_of(object: Object) -> str:
    """The part of the release that an object belongs to: a service, or `models`."""
    return str(object["metadata"].get("labels", {}).get(COMPONENT, ""))


def condition(object: Object, kind: str) -> Object:
    """The object's condition of a kind; empty where it has none."""
    found = (each for each in object.get("status", {}).get("conditions") or () if each.get("type") == kind)
    return next(found, {})


def age_s(object: Object, now: datetime) -> float:
    made = object["metadata"].get("creationTimestamp")
    return max(0.0, (now - parsed(made)).total_seconds()) if made else 0.0


def parsed(time: str) -> datetime:
    return datetime.fromisoformat(time.replace("Z", "+00:00"))


def container_statuses(pod: Object) -> list[Object]:
    return list(pod.get("status", {}).get("containerStatuses") or ())


def init_statuses(pod: Object) -> list[Object]:
    return list(pod.get("status", {}).get("initContainerStatuses") or ())


def logs_worth_reading(pods: Sequence[Object]) -> Iterator[tuple[str, str, bool]]:
    """(pod, container, whether of its run before): what says how far a pod is, or why it ended."""
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        for status in [*init_statuses(pod), *container_statuses(pod)]:
            state = status.get("state") or {}
            tells = not status.get("ready") or component_of(pod) == "models"
            failed = (state.get("terminated") or {}).get("exitCode")
            if ("running" in state and tells) or failed:
                yield name_of(pod), status["name"], False
            elif "waiting" in state and (status.get("lastState") or {}).get("terminated"):
                yield name_of(pod), status["name"], True


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")
