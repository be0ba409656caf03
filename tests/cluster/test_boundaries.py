"""Who may reach whom, what leaves the machine, what changes by itself, and where secrets are."""

import json

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod, start_client
from tests.cluster.cluster import Cluster, Release, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

REACH = (
    "import socket, sys\n"
    "for host, port in (each.rsplit(':', 1) for each in sys.argv[1:]):\n"
    "    try: socket.create_connection((host, int(port)), timeout=3).close(); print('reached')\n"
    "    except OSError as error: print('dropped' if isinstance(error, TimeoutError) else error.strerror)\n"
)
OUTSIDE = "203.0.113.7:443"
"""An address of the ranges for documentation: nobody has it."""


def reached(pod: Pod, *addresses: str) -> dict[str, str]:
    """Address → what became of a connection to it."""
    return dict(zip(addresses, pod.run("python", "-c", REACH, *addresses).split("\n"), strict=False))


def test_a_call_outside_the_call_graph_is_dropped(release: Release) -> None:
    stranger = start_client(release, "stranger", {"app": "stranger"})
    door = f"{release.name}-gateway:8000"
    until(lambda: reached(stranger, door)[door] == "reached", 15, "a stranger reaches the gateway")
    inner = [f"{release.name}-{name}:50051" for name in ("retrieval", "llm", "rag", "embedding", "voice", "tts")]
    assert reached(stranger, *inner) == dict.fromkeys(inner, "dropped")
    release.cluster.kubectl("delete", "pod", "-n", release.namespace, stranger.name, "--wait=false")


def test_a_service_reaches_whom_it_calls_and_nobody_else(release: Release) -> None:
    called = [f"{release.name}-embedding:50051", f"{release.name}-llm:50051"]
    others = [f"{release.name}-tts:50051", f"{release.name}-gateway:8000"]
    pod = Pod(release.cluster, release.namespace, release.pods("rag")[0]["metadata"]["name"])
    assert reached(pod, *called, *others) == {**dict.fromkeys(called, "reached"), **dict.fromkeys(others, "dropped")}
    # Dropped by the policy, or told by the node that nothing leads there.
    assert reached(pod, OUTSIDE)[OUTSIDE] in ("dropped", "Network is unreachable")


def test_nothing_leads_out_of_the_cluster(watcher: Pod) -> None:
    lines = watcher.run("cat", "/proc/net/route").splitlines()[1:]
    by_default = [line.split()[0] for line in lines if line.split()[1] == "00000000"]
    if by_default:
        pytest.skip(f"this node has a way out by {', '.join(by_default)}: the test bed has none")
    figures.note("no egress", routes=len(lines), default_routes=0)


def test_pod_security_restricted_has_nothing_to_say_about_any_pod(
    cluster: Cluster, release: Release, watcher: Pod
) -> None:
    assert violations(cluster, release.namespace) == []
    # It does speak: of a pod that sees the node.
    assert watcher.name in " ".join(violations(cluster, watcher.namespace))
    refused = [
        event["message"]
        for event in cluster.objects("events", release.namespace)
        if event["reason"] == "FailedCreate" or "violates PodSecurity" in event.get("message", "")
    ]
    assert refused == []
    for pod in release.pods():
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"], container["name"]
            assert not context["allowPrivilegeEscalation"], container["name"]


def violations(cluster: Cluster, namespace: str) -> list[str]:
    """What the API server would warn of, were `restricted` enforced from now on; nothing is set."""
    version = json.loads(cluster.kubectl("version", "-o", "json"))["serverVersion"]
    # Pods that are there are judged only where the policy changes: a named version of the same is a change.
    pinned = f"v{version['major']}.{version['minor'].rstrip('+')}"
    prefix = "pod-security.kubernetes.io/enforce"
    return cluster.warnings(
        *("label", "--dry-run=server", "--overwrite", "namespace", namespace),
        *(f"{prefix}=restricted", f"{prefix}-version={pinned}"),
    )


def test_server_side_apply_a_second_time_changes_nothing(cluster: Cluster, release: Release) -> None:
    manifest = cluster.helm("get", "manifest", release.name, "-n", release.namespace)
    # As Helm itself applies: another manager would keep the fields, and the next upgrade be refused them.
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-n", release.namespace, "-f", "-")

    def generations() -> dict[str, object]:
        kinds = "deployments,services,configmaps,networkpolicies,serviceaccounts,persistentvolumeclaims,jobs"
        own = [each for each in cluster.objects(kinds, release.namespace) if "ownerReferences" not in each["metadata"]]
        return {
            f"{each['kind']}/{each['metadata']['name']}": {
                key: value for key, value in each.items() if key not in ("metadata", "status")
            }
            for each in own
        } | {f"generation of {each['metadata']['name']}": each["metadata"].get("generation") for each in own}

    installed = generations()
    cluster.kubectl(*apply, stdin=manifest)
    assert generations() == installed
    cluster.kubectl(*apply, stdin=manifest)
    assert generations() == installed
    figures.note("server-side apply twice", objects=len(installed) // 2, changed=0)


def test_no_secret_is_in_a_config_map_a_log_an_event_or_a_pod(
    cluster: Cluster, release: Release, peer_key: str
) -> None:
    assert places_of(peer_key, cluster, release) == []


def places_of(secret: str, cluster: Cluster, release: Release) -> list[str]:
    """Where it can be read by whoever may not read Secrets; logs of containers before their restart are among it."""
    kinds = "configmaps,events,pods,deployments,replicasets,jobs,services,persistentvolumeclaims"
    found = [
        f"{each['kind']}/{each['metadata']['name']}"
        for each in cluster.objects(kinds, release.namespace)
        if secret in json.dumps(each)
    ]
    lines = 0
    for pod in cluster.objects("pods", release.namespace):
        name = pod["metadata"]["name"]
        statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
        for status in statuses:
            for which in ((), ("--previous",)) if status["restartCount"] else ((),):
                # A container that has not begun, or whose log was cleared away, has none.
                log = ("logs", "-n", release.namespace, name, "-c", status["name"], *which)
                logged = cluster.kubectl(*log, check=False)
                found += [" ".join(log[3:])] if secret in logged else []
                lines += logged.count("\n")
    assert lines > len(release.pods()), "the logs were read"
    return found
