"""Why one pod waits or is stuck, in one sentence that names what to change.

Pure: from Kubernetes' objects to words. What counts as stuck does not go on by itself, unless somebody changes the
cluster or the values; what goes on by itself (an image on its way, a claim that waits for its first pod) is waiting.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from services.cli.cluster.snapshot import Object, Snapshot, component_of, condition, name_of, parsed
from services.cli.terminal import one_line

MOST_CHARACTERS = 400
_BAD_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_BAD_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
_BAD_MOUNT = {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}
_LASTING_S = 60.0
"""The node tries again by itself, and most often gets what lacked: a claim just bound, a network that just starts."""
_LASTING_TIMES = 3
_QUANTITY = re.compile(r"Insufficient ([\w./-]*\w)")


@dataclass(frozen=True)
class Reason:
    """A sentence, and whether it will not go on by itself."""

    text: str
    is_stuck: bool


def of_container(pod: Object, status: Object, snapshot: Snapshot) -> Reason | None:
    """Why a container does not run; None where it runs, has done its work, or has not had its turn."""
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in _BAD_IMAGE:
        return Reason(_of_image(status, waiting, snapshot.events_of("Pod", name_of(pod))), True)
    if reason in _BAD_CONTAINER:
        return Reason(f"container {status['name']} cannot be made: {_short(waiting.get('message', reason))}", True)
    if reason == "CrashLoopBackOff":
        ended = (status.get("lastState") or {}).get("terminated") or {}
        return Reason(f"ends again and again ({_times(status)}): {_of_end(pod, status, ended, snapshot)}", True)
    ended = state.get("terminated") or {}
    if ended and ended.get("exitCode"):
        return Reason(_of_end(pod, status, ended, snapshot), _is_final(pod))
    return None


def of_unscheduled(pod: Object, snapshot: Snapshot) -> Reason:
    """Why no node has taken the pod."""
    found = condition(pod, "PodScheduled")
    if found.get("reason") == "SchedulingGated":
        return Reason("waits for its scheduling gates to be lifted", False)
    if found.get("reason") != "Unschedulable":
        return Reason("waits for the scheduler", False)
    message = str(found.get("message", "")).partition(" preemption:")[0].strip().rstrip(".")
    claim = _of_claims(pod, snapshot)
    if claim is not None and "persistent" in message.lower():
        return claim
    if any(event.get("reason") == "TriggeredScaleUp" for event in snapshot.events_of("Pod", name_of(pod))):
        return Reason("waits for a node that the cluster's autoscaler is adding", False)
    leaving = [name_of(other) for other in snapshot.pods if other["metadata"].get("deletionTimestamp")]
    lacking = dict.fromkeys(_QUANTITY.findall(message))
    if lacking and leaving:
        return Reason(
            f"waits for room: {', '.join(lacking)}, which {', '.join(leaving)} holds until it has ended", False
        )
    if lacking:
        return Reason("no node has room: " + "; ".join(_of_resource(pod, name, snapshot) for name in lacking), True)
    nodes = re.sub(r"^\d+/\d+ nodes are available: ", "", message)
    return Reason(f"no node may take it: {_short(nodes)}", True)


def of_volumes(pod: Object, snapshot: Snapshot, now: datetime) -> Reason | None:
    """Why a pod that has its node is still without its volumes or network, from the events about it."""
    failures: list[Object] = []
    for event in reversed(snapshot.events_of("Pod", name_of(pod))):
        if event.get("reason") in ("Pulling", "Pulled", "Created", "Started"):
            break
        if event.get("reason") in (*_BAD_MOUNT, "FailedCreatePodSandBox"):
            failures.append(event)
    if not failures:
        return None
    message = str(failures[0].get("message", ""))
    if failures[0].get("reason") in _BAD_MOUNT:
        return Reason(_of_mount(message), _lasts(failures, now))
    return Reason(f"the node cannot give it a network or a sandbox: {_short(message)}", _lasts(failures, now))


def of_pulling(pod: Object, snapshot: Snapshot) -> Reason | None:
    """Which image is on its way to the node."""
    for event in reversed(snapshot.events_of("Pod", name_of(pod))):
        if event.get("reason") == "Pulling":
            return Reason(
                one_line(f"pulls the image {_quoted(event.get('message', ''))}".rstrip(), MOST_CHARACTERS), False
            )
        if event.get("reason") in ("Pulled", "Created", "Started"):
            return None
    return None


def of_refusal(message: str) -> Reason:
    """Why the cluster refuses to make a pod: a quota, Pod Security, a webhook, an account that is not there."""
    bare = re.sub(r'^(Error creating: )?pods? "[^"]*" is forbidden: ', "", message)
    if bare.startswith("exceeded quota"):
        found = re.match(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)", bare)
        if found:
            quota, asked, used, limit = found.groups()
            return Reason(
                f"the namespace's quota {quota} refuses it: {asked} asked, {used} used, {limit} allowed", True
            )
    if bare.startswith("failed quota"):
        return Reason(f"the namespace's quota refuses it: {_short(bare.removeprefix('failed quota: '))}", True)
    if bare.startswith("violates PodSecurity"):
        level, _, faults = bare.removeprefix("violates PodSecurity ").partition(": ")
        return Reason(f"Pod Security {level.strip(chr(34))} of the namespace refuses it: {_short(faults)}", True)
    return Reason(f"the cluster refuses the pod: {_short(bare)}", True)


def last_words(log: str) -> str:
    """The last line of a log, for people: of one of the suite's own its event, with the fields that say what about."""
    lines = [line for line in log.splitlines() if line.strip()]
    if not lines:
        return ""
    try:
        entry = json.loads(lines[-1])
    except ValueError:
        return one_line(lines[-1], MOST_CHARACTERS)
    if not isinstance(entry, dict) or "event" not in entry:
        return one_line(lines[-1], MOST_CHARACTERS)
    exception = (
        f" ({entry['exception']} at {entry.get('stack', '?').rpartition(' > ')[2]})" if "exception" in entry else ""
    )
    return one_line(f"{entry['event']}{exception}", MOST_CHARACTERS)


def _of_image(status: Object, waiting: Object, events: list[Object]) -> str:
    image = status.get("image", "?")
    if waiting.get("reason") == "ErrImageNeverPull":
        return (
            f"the image {image} is not on the node, and image.pullPolicy is Never: load it there, or let it be pulled"
        )
    if waiting.get("reason") == "InvalidImageName":
        return f"{image} is no name of an image: image.prefix, image.tag, global.imageRegistry"
    told = str(waiting.get("message", ""))
    if "Back-off" in told or not told:  # which says no more than the state does: the failure itself is an event
        failures = [str(event.get("message", "")) for event in events if event.get("reason") == "Failed"]
        told = next((each for each in reversed(failures) if "Failed to pull" in each), told)
    lowered = told.lower()
    if "not found" in lowered or "manifest unknown" in lowered:
        why = "the registry has no such image: image.tag, global.imageRegistry"
    elif any(sign in lowered for sign in ("unauthorized", "denied", "forbidden", "authentication required", "401")):
        why = "the registry refuses it: global.imagePullSecrets"
    elif any(sign in lowered for sign in ("no such host", "dial tcp", "timeout", "connection refused", "unreachable")):
        why = "the registry cannot be reached: global.imageRegistry, or load it on the node (image.pullPolicy Never)"
    else:
        why = _short(told.rpartition(": ")[2] or told)
    return f"the image {image} cannot be pulled: {why}"


def _of_end(pod: Object, status: Object, ended: Object, snapshot: Snapshot) -> str:
    name = status["name"]
    if ended.get("reason") == "OOMKilled":
        limit = _limit(pod, name, "memory")
        setting = "models" if component_of(pod) == "models" else f"services.{component_of(pod)}"
        bound = f" its limit of {limit}" if limit else " what the node has"
        return f"container {name} was killed for using more memory than{bound}: {setting}.resources.limits.memory"
    words = last_words(snapshot.logs.get((name_of(pod), name), "")) or one_line(
        ended.get("message", ""), MOST_CHARACTERS
    )
    said = f", its last words: {words}" if words else ", without a word"
    return f"container {name} ended with {ended.get('exitCode', '?')}{said}"


def _of_claims(pod: Object, snapshot: Snapshot) -> Reason | None:
    for volume in pod["spec"].get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if not name:
            continue
        claim = snapshot.claim(name)
        if claim is None:
            if snapshot.claims:
                return Reason(f"the claim {name} is not there", True)
            continue
        phase = claim.get("status", {}).get("phase")
        if phase == "Lost":
            return Reason(f"the claim {name} has lost its volume", True)
        if phase == "Bound":
            continue
        return _of_claim(name, claim, snapshot)
    return None


def _of_claim(name: str, claim: Object, snapshot: Snapshot) -> Reason:
    failures = [
        event
        for event in snapshot.events_of("PersistentVolumeClaim", name)
        if event.get("reason") in ("ProvisioningFailed", "FailedBinding")
    ]
    if failures:
        message = str(failures[-1].get("message", ""))
        if "no storage class is set" in message:
            return Reason(
                f"the claim {name} has no volume: the cluster has no default storage class; name one "
                "(persistence.storageClass), a claim (existingClaim) or a folder of the node (hostPath)",
                True,
            )
        return Reason(f"the claim {name} has no volume: {_short(message)}", True)
    class_ = claim["spec"].get("storageClassName") or "the default"
    return Reason(f"waits for a volume for the claim {name} (storage class {class_})", False)


def _of_resource(pod: Object, name: str, snapshot: Snapshot) -> str:
    wanted = ", ".join(dict.fromkeys(amount for _, amount in _requests(pod, name)))
    asked = f"{name}{f' {wanted}' if wanted else ''} is asked for"
    if "/" not in name:
        return (
            f"{asked} and no node has so much left: a smaller profile, or lower services.{component_of(pod)}.resources"
        )
    offered = [str((node.get("status", {}).get("allocatable") or {}).get(name, "0")) for node in snapshot.nodes]
    holders = [
        name_of(other)
        for other in snapshot.pods
        if other["spec"].get("nodeName") and any(_requests(other, name)) and not _has_ended(other)
    ]
    if offered and all(each == "0" for each in offered):
        return f"{asked} and no node offers any: is the device plugin running, and gpu.resourceName right?"
    held = f", held by {', '.join(holders)}" if holders else ""
    total = f" of the {sum(int(each) for each in offered if each.isdigit())} that nodes offer" if offered else ""
    return f"{asked} and too few{total} are free{held}: share GPUs (gpu.mode), or run fewer on them"


def _requests(pod: Object, name: str) -> list[tuple[str, str]]:
    """(container, amount) of each that asks for the resource."""
    found = []
    for container in pod["spec"].get("containers") or ():
        resources = container.get("resources") or {}
        amount = (resources.get("requests") or {}).get(name) or (resources.get("limits") or {}).get(name)
        if amount:
            found.append((container["name"], str(amount)))
    return found


def _of_mount(message: str) -> str:
    found = re.search(r'volume "([^"]+)"', message)
    missing = re.search(r'(secret|configmap) "([^"]+)" not found', message, re.IGNORECASE)
    if missing:
        return f"the {missing[1].lower()} {missing[2]} is not there, which the pod mounts"
    return (
        f"the volume {found[1] if found else '?'} cannot be mounted: {_short(message.rpartition(' : ')[2] or message)}"
    )


def _limit(pod: Object, container: str, resource: str) -> str:
    for each in [*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())]:
        if each["name"] == container:
            return str(((each.get("resources") or {}).get("limits") or {}).get(resource, ""))
    return ""


def _lasts(failures: list[Object], now: datetime) -> bool:
    times = sum(int(event.get("count") or 1) for event in failures)
    began = [parsed(time) for event in failures if (time := event.get("firstTimestamp") or event.get("eventTime"))]
    return times >= _LASTING_TIMES or (bool(began) and (now - min(began)).total_seconds() > _LASTING_S)


def _is_final(pod: Object) -> bool:
    return bool(pod["spec"].get("restartPolicy") == "Never" or pod.get("status", {}).get("phase") == "Failed")


def _has_ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _times(status: Object) -> str:
    count = status.get("restartCount", 0)
    return f"{count} {'restart' if count == 1 else 'restarts'}"


def _quoted(message: object) -> str:
    found = re.search(r'"([^"]+)"', str(message))
    return found[1] if found else ""


def _short(text: str) -> str:
    return one_line(text, MOST_CHARACTERS).rstrip(".")
