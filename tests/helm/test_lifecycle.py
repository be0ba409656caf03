"""How pods start, end, are replaced and multiplied."""

import copy
from typing import Any

import pytest
from google.protobuf.descriptor_pool import Default as default_pool

from tests.helm.chart import RELEASE, refusal, render

SETTLED_S = 5
"""What CoreDNS lets clients keep an address: so long a pod that ends must still take calls."""


def test_a_pod_is_given_the_time_that_its_end_takes() -> None:
    rendered = render()
    for name, deployment in rendered.of("Deployment").items():
        spec = deployment["spec"]["template"]["spec"]
        env = rendered.environment(name.removeprefix(f"{RELEASE}-"))
        pre_stop_s = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        settle_s = float(env["LEDGE_SETTLE_S"])
        needed_s = pre_stop_s + settle_s + float(env["LEDGE_DRAIN_S"])
        assert spec["terminationGracePeriodSeconds"] >= needed_s + 5, name
        if deployment["spec"]["strategy"]["type"] == "RollingUpdate":
            assert pre_stop_s + settle_s > SETTLED_S, name


def test_too_little_time_to_end_is_refused_with_the_sum() -> None:
    told = refusal({"services": {"llm": {"terminationGracePeriodSeconds": 20}}})
    assert "services.llm.terminationGracePeriodSeconds is 20, and a pod needs 41" in told


def test_probes_ask_for_the_services_that_the_programs_offer() -> None:
    from ledge.asr.v1 import asr_pb2  # noqa: F401 - importing a contract puts it into the pool
    from ledge.embedding.v1 import embedding_pb2  # noqa: F401
    from ledge.llm.v1 import llm_pb2  # noqa: F401
    from ledge.rag.v1 import rag_pb2  # noqa: F401
    from ledge.reranking.v1 import reranking_pb2  # noqa: F401
    from ledge.retrieval.v1 import retrieval_pb2  # noqa: F401
    from ledge.translation.v1 import translation_pb2  # noqa: F401
    from ledge.tts.v1 import tts_pb2  # noqa: F401
    from ledge.voice.v1 import voice_pb2  # noqa: F401
    from riva_compat import asr_pb2 as riva_pb2  # noqa: F401

    values = {"services": {"voice": {"enabled": True}, "hybrid": {"enabled": True}}}
    rendered = render(values)
    asked = 0
    for name in rendered.of("Deployment"):
        container = rendered.container(name.removeprefix(f"{RELEASE}-"))
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert probe in container, name
        if "grpc" in container["readinessProbe"]:
            asked += 1
            default_pool().FindServiceByName(container["readinessProbe"]["grpc"]["service"])
            assert container["startupProbe"]["grpc"] == container["readinessProbe"]["grpc"]
            # The process is alive while it loads.
            assert "service" not in container["livenessProbe"]["grpc"]
    assert asked == 11


def test_each_service_has_its_own_time_to_start() -> None:
    probe = render({}, "gpu-80g").container("llm")["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == 1800
    deployment = render({}, "gpu-80g").of("Deployment")[f"{RELEASE}-llm"]["spec"]
    assert deployment["progressDeadlineSeconds"] > 1800


def test_one_writer_is_replaced_and_the_others_are_rolled() -> None:
    for name, deployment in render().of("Deployment").items():
        strategy = deployment["spec"]["strategy"]
        if name == "ledge-retrieval":
            assert strategy == {"type": "Recreate"}
        else:
            assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, name


def test_callers_wait_for_whom_is_replaced_and_for_whom_sleeps_and_for_nobody_else() -> None:
    rendered = render()
    assert rendered.environment("rag")["LEDGE_AWAITED_PEERS"] == "ledge-retrieval-steady:50051"
    assert "LEDGE_AWAITED_PEERS" not in rendered.environment("gateway")
    trigger = {"type": "cron", "metadata": {"start": "0 8 * * *"}}
    # By a name that has an address even where there is no pod.
    assert rendered.environment("rag")["LEDGE_RETRIEVAL_ADDRESS"] == "ledge-retrieval-steady:50051"
    assert "clusterIP" not in rendered.of("Service")["ledge-retrieval-steady"]["spec"]
    asleep = {"services": {"llm": {"autoscaling": {"kind": "keda", "minReplicas": 0, "triggers": [trigger]}}}}
    rendered = render(asleep)
    assert rendered.environment("rag")["LEDGE_AWAITED_PEERS"] == "ledge-retrieval-steady:50051,ledge-llm-steady:50051"
    assert rendered.environment("gateway")["LEDGE_AWAITED_PEERS"] == "ledge-llm-steady:50051"


def test_callers_wait_a_while_for_whom_restarts() -> None:
    rendered = render({"services": {"rag": {"peerWaitSeconds": 0}}})
    assert rendered.environment("gateway")["LEDGE_PEER_WAIT_S"] == "30"
    assert rendered.environment("rag")["LEDGE_PEER_WAIT_S"] == "0"
    assert "LEDGE_PEER_WAIT_S" not in rendered.environment("embedding")


def test_a_budget_for_disruptions_comes_with_the_second_pod() -> None:
    assert render().of("PodDisruptionBudget") == {}
    assert set(render({"services": {"asr": {"replicas": 2}}}).of("PodDisruptionBudget")) == {"ledge-asr"}


def test_a_second_writer_is_refused() -> None:
    assert "one writer, so it cannot have 2 pods" in refusal({"services": {"retrieval": {"replicas": 2}}})


def test_the_autoscaler_has_the_number_of_pods_to_itself() -> None:
    rendered = render({"services": {"asr": {"autoscaling": {"kind": "hpa", "maxReplicas": 4}}}})
    assert rendered.of("HorizontalPodAutoscaler")["ledge-asr"]["spec"]["maxReplicas"] == 4
    assert "replicas" not in rendered.of("Deployment")["ledge-asr"]["spec"]
    assert rendered.of("Deployment")["ledge-tts"]["spec"]["replicas"] == 1


def test_keda_scales_by_the_triggers_that_it_is_given() -> None:
    trigger = {"type": "prometheus", "metadata": {"query": "sum(ledge_calls_in_flight)"}}
    scaling = {"kind": "keda", "minReplicas": 0, "triggers": [trigger]}
    scaled = render({"services": {"asr": {"autoscaling": scaling}}}).of("ScaledObject")["ledge-asr"]["spec"]
    assert scaled["triggers"] == [trigger]
    assert scaled["minReplicaCount"] == 0
    assert "only keda scales to zero" in refusal(
        {"services": {"asr": {"autoscaling": {"kind": "hpa", "minReplicas": 0}}}}
    )


SLEEPING: dict[str, Any] = {
    "services": {"llm": {"autoscaling": {"kind": "keda", "minReplicas": 0}}, "wyoming": {"enabled": False}}
}


def test_the_gateway_wakes_whom_its_calls_lead_to() -> None:
    rendered = render(SLEEPING)
    (trigger,) = rendered.of("ScaledObject")["ledge-llm"]["spec"]["triggers"]
    assert trigger["type"] == "external-push"
    assert trigger["metadata"] == {
        "scalerAddress": "ledge-scaler.site:50053",
        "callers": "llm,rag,voice",
        "idleSeconds": "300",
        "callsPerPod": "8",
    }
    assert rendered.environment("gateway")["LEDGE_SCALER_PORT"] == "50053"
    assert rendered.of("Service")["ledge-scaler"]["spec"]["ports"][0]["port"] == 50053
    keda = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    assert {"from": [keda], "ports": [{"port": 50053}]} in rendered.of("NetworkPolicy")["ledge-gateway"]["spec"][
        "ingress"
    ]
    assert "ledge-test-llm" not in rendered.of("Pod")
    assert "LEDGE_SCALER_PORT" not in render().environment("gateway")


def test_whom_the_gateway_cannot_wake_is_refused() -> None:
    values = copy.deepcopy(SLEEPING)
    values["services"]["wyoming"] = {}
    assert "wyoming leads to it as well, whose calls the gateway does not see" in refusal(values)
    values = copy.deepcopy(SLEEPING)
    values["services"]["gateway"] = {"replicas": 2}
    assert "services.gateway has more than one pod" in refusal(values)
    values = copy.deepcopy(SLEEPING)
    values["services"]["gateway"] = {"calls": ["embedding"]}
    assert "whose calls do not lead to it" in refusal(values)


@pytest.mark.parametrize("service", ["asr", "rag", "gateway", "wyoming", "retrieval"])
def test_a_test_makes_a_real_call_to_each_service(service: str) -> None:
    pod: dict[str, Any] = render().of("Pod")[f"ledge-test-{service}"]
    container = pod["spec"]["containers"][0]
    port = {"gateway": 8000, "wyoming": 10300}.get(service, 50051)
    assert container["command"] == ["ledge", "try", service]
    assert container["args"] == ["--address", f"ledge-{service}:{port}"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_every_service_has_its_test() -> None:
    rendered = render()
    assert {name.removeprefix("ledge-test-") for name in rendered.of("Pod")} == {
        name.removeprefix("ledge-") for name in rendered.of("Deployment")
    }
    assert render({"tests": {"enabled": False}}).of("Pod") == {}
