"""Turns at loading on a GPU: whoever uses one may hold Leases, and nobody else may speak to Kubernetes."""

from typing import Any

from tests.helm.chart import NAMESPACE, RELEASE, refusal, render
from tests.helm.test_gpu import sharing

ACCOUNT = f"{RELEASE}-loading"


def taking_turns(**memory_mib: int) -> dict[str, Any]:
    values = sharing("shared", **memory_mib)
    values["gpu"]["loadingTurns"] = {"enabled": True, "waitSeconds": 600}
    for service in memory_mib:
        values["services"][service]["image"] = {"variant": "gpu"}
    return values


def test_pods_on_a_gpu_take_turns_and_others_know_nothing_of_it() -> None:
    rendered = render(taking_turns(llm=10_000, embedding=2_000))
    for service in ("llm", "embedding"):
        environment = rendered.environment(service)
        assert environment["LEDGE_LOADING_LEASE"] == "ledge-gpu"
        assert environment["LEDGE_LOADING_RELEASE"] == RELEASE
        assert environment["LEDGE_LOADING_WAIT_S"] == "600"
        node = {"name": "LEDGE_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
        assert node in rendered.container(service)["env"]
    assert not {"LEDGE_LOADING_LEASE", "LEDGE_LOADING_RELEASE"} & rendered.environment("tts").keys()
    for name, pod in rendered.pods():
        takes_turns = name in (f"Deployment/{RELEASE}-llm", f"Deployment/{RELEASE}-embedding")
        assert pod["spec"]["serviceAccountName"] == (ACCOUNT if takes_turns else RELEASE), name
        assert pod["spec"]["automountServiceAccountToken"] is takes_turns, name


def test_they_may_do_nothing_but_hold_leases() -> None:
    rendered = render(taking_turns(llm=10_000))
    assert rendered.of("Role")[ACCOUNT]["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    ]
    binding = rendered.of("RoleBinding")[ACCOUNT]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]
    assert binding["roleRef"]["name"] == ACCOUNT
    assert rendered.of("ServiceAccount")[ACCOUNT]["automountServiceAccountToken"] is False
    assert not rendered.of("ClusterRole")


def test_only_they_reach_the_api_server() -> None:
    values = taking_turns(llm=10_000)
    ports = [{"port": 443}, {"port": 6443}]

    def ways_out(service: str) -> list[Any]:
        return list(render(values).of("NetworkPolicy")[f"{RELEASE}-{service}"]["spec"]["egress"])

    assert {"ports": ports} in ways_out("llm")
    assert not [rule for rule in ways_out("embedding") if rule.get("ports") == ports]
    where = [{"ipBlock": {"cidr": "192.0.2.1/32"}}]
    values["networkPolicy"] = {"kubernetesTo": where}
    assert {"to": where, "ports": ports} in ways_out("llm")


def test_the_time_to_wait_comes_on_top_of_the_time_to_start() -> None:
    values = taking_turns(llm=10_000)
    values["services"]["llm"]["startupTimeoutSeconds"] = 300
    assert render(values).container("llm")["startupProbe"]["failureThreshold"] == 900
    assert render(values).of("Deployment")[f"{RELEASE}-llm"]["spec"]["progressDeadlineSeconds"] == 1500


def test_turns_without_gpus_are_refused() -> None:
    assert "gpu.mode is none" in refusal({"gpu": {"loadingTurns": {"enabled": True}}})


def test_turns_in_an_image_that_cannot_take_them_are_refused() -> None:
    values = taking_turns(llm=10_000, embedding=2_000)
    values["services"]["embedding"]["image"] = {"variant": ""}
    told = refusal(values)
    assert "services.embedding loads in turns" in told
    assert "set services.embedding.image.variant to gpu" in told
    assert "services.llm loads" not in told
    # An image of one's own is the site's affair, and without turns nothing is asked.
    values["services"]["embedding"]["image"] = {"repository": "ours/embedding"}
    render(values)
    values["services"]["embedding"]["image"] = {}
    values["gpu"]["loadingTurns"]["enabled"] = False
    render(values)


def test_a_second_release_of_the_namespace_has_leases_of_its_own_name() -> None:
    values = taking_turns(llm=10_000)
    values["fullnameOverride"] = "other"
    assert list(render(values).of("Role")) == ["other-loading"]
