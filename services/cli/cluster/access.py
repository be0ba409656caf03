"""Reads a cluster with the `kubernetes` client: objects as JSON, logs, nodes; what fails is told in one sentence.

It asks for no more than `get` and `list` of pods, their logs, deployments, replicasets, jobs, claims and events of one
namespace. What may not be read of these is left out and noted; pods must be readable. Nodes are read where that is
allowed, for what GPUs they offer.
"""

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from services.cli.cluster.snapshot import Object, Snapshot, logs_worth_reading, name_of
from services.kit.errors import EngineFailed, InvalidInput, NotFound, NotReady
from services.kit.kubernetes_access import Forbidden, connect, told

INSTANCE = "app.kubernetes.io/instance"
PART_OF = "app.kubernetes.io/part-of=ledge"
CALL_TIMEOUT_S = 15
LOG_LINES = 3
LOG_BYTES = 16 * 2**10
MOST_OBJECTS = 1000
_LISTS = {
    "deployments": ("AppsV1Api", "list_namespaced_deployment"),
    "replicasets": ("AppsV1Api", "list_namespaced_replica_set"),
    "jobs": ("BatchV1Api", "list_namespaced_job"),
    "pods": ("CoreV1Api", "list_namespaced_pod"),
    "persistentvolumeclaims": ("CoreV1Api", "list_namespaced_persistent_volume_claim"),
    "services": ("CoreV1Api", "list_namespaced_service"),
    "events": ("CoreV1Api", "list_namespaced_event"),
}


class Cluster:
    """The cluster of a kubeconfig's context, and one namespace of it. Any thread may read."""

    def __init__(self, namespace: str | None = None, context: str | None = None) -> None:
        """Args as `services.kit.kubernetes_access.connect` has them; a namespace goes before the context's."""
        access = connect(context)
        self.client = access.client
        self.host = access.host
        self.namespace = namespace or access.namespace

    def close(self) -> None:
        self.client.close()

    def snapshot(self, release: str) -> Snapshot:
        """Raises NotFound where nothing of the release is there."""
        notes: list[str] = []
        ours = f"{INSTANCE}={release}"
        pods = [pod for pod in self.objects("pods", ours) if not _is_of_a_test(pod)]
        deployments = self._list_if_allowed("deployments", notes, ours)
        if not pods and not deployments:
            raise NotFound(self._nothing_here(release))
        return Snapshot(
            release=release,
            namespace=self.namespace,
            pods=pods,
            deployments=deployments,
            replica_sets=self._list_if_allowed("replicasets", notes, ours),
            jobs=self._list_if_allowed("jobs", notes, ours),
            claims=self._list_if_allowed("persistentvolumeclaims", notes),
            events=self._list_if_allowed("events", notes),
            nodes=self.nodes_if_allowed(),
            logs=self._logs(pods, notes),
            notes=notes,
        )

    def objects(self, kind: str, labels: str = "") -> Sequence[Object]:
        """Objects of the namespace; the first thousand where there are more."""
        api, method = _LISTS[kind]
        chosen = {"label_selector": labels} if labels else {}
        what = f"list {kind} in {self.namespace}"
        return self._items(what, api, method, self.namespace, limit=MOST_OBJECTS, **chosen)

    def nodes(self) -> Sequence[Object]:
        return self._items("list nodes", "CoreV1Api", "list_node", limit=MOST_OBJECTS)

    def nodes_if_allowed(self) -> Sequence[Object]:
        with contextlib.suppress(Forbidden):
            return self.nodes()
        return ()

    def log(self, pod: str, container: str, previous: bool = False) -> str:
        """The last lines of a container's log; empty where it has not begun one."""
        what = f"get the logs of pods in {self.namespace}"
        bounds = {"tail_lines": LOG_LINES, "limit_bytes": LOG_BYTES, "previous": previous}
        try:
            text = self._read(
                what, "CoreV1Api", "read_namespaced_pod_log", pod, self.namespace, container=container, **bounds
            )
        except (NotFound, InvalidInput):  # the container, or its run before, is gone
            return ""
        return text.decode(errors="replace")

    def _list_if_allowed(self, kind: str, notes: list[str], labels: str = "") -> Sequence[Object]:
        try:
            return self.objects(kind, labels)
        except Forbidden as error:
            notes.append(error.message)
            return ()

    def _logs(self, pods: Sequence[Object], notes: list[str]) -> dict[tuple[str, str], str]:
        found = {}
        try:
            for pod, container, previous in logs_worth_reading(pods):
                found[pod, container] = self.log(pod, container, previous)
        except Forbidden as error:
            notes.append(error.message)
        return found

    def _nothing_here(self, release: str) -> str:
        told = f"there is no release {release} of Ledge in the namespace {self.namespace} of {self.host}"
        with contextlib.suppress(EngineFailed, NotReady):
            found = self._items(
                "list deployments", "AppsV1Api", "list_deployment_for_all_namespaces", label_selector=PART_OF
            )
            places = {
                f"--namespace {each['metadata']['namespace']} --release {each['metadata']['labels'].get(INSTANCE, '')}"
                for each in found
            }
            if places:
                return f"{told}; there is: {', '.join(sorted(places))}"
        return f"{told}: `ledge up --cluster` or `helm install` makes one"

    def _items(self, what: str, api: str, method: str, *names: str, **query: Any) -> Sequence[Object]:
        items: list[Object] = json.loads(self._read(what, api, method, *names, **query))["items"]
        return items

    def _read(self, what: str, api: str, method: str, *names: str, **query: Any) -> bytes:
        """The body as it came: objects of the client's own classes cost a hundred times as much."""
        from kubernetes import client
        from kubernetes.client.exceptions import ApiException

        with told(what, self.host):
            call = getattr(getattr(client, api)(self.client), method)
            response = call(*names, _preload_content=False, _request_timeout=CALL_TIMEOUT_S, **query)
            data: bytes = response.data
            if response.status >= 400:
                raise ApiException(status=response.status, reason=response.reason, body=data.decode(errors="replace"))
            return data


def _is_of_a_test(pod: Object) -> bool:
    return pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "test" or name_of(pod) == ""
