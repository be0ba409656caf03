"""Samples beyond one server: a model over several nodes, a Qdrant cluster, and what of the release calls them."""

import re
from typing import Any

import pytest
import yaml

from tests.helm.chart import NAMESPACE, RELEASE, ROOT, Rendered, render
from tests.helm.kubernetes_fields import faults

SAMPLES = ROOT / "helm" / "samples"
# The API leaderworkerset.x-k8s.io/v1 as far as the sample may use it: field → its kind, its values, or what is in it.
GROUP = {
    "replicas": int,
    "startupPolicy": ("LeaderCreated", "LeaderReady"),
    "leaderWorkerTemplate": {
        "size": int,
        "restartPolicy": ("Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"),
        "leaderTemplate": "V1PodTemplateSpec",
        "workerTemplate": "V1PodTemplateSpec",
    },
}
SET_BY_IT = {"LWS_GROUP_SIZE", "LWS_WORKER_INDEX", "LWS_LEADER_ADDRESS"}


def sample(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return values


def group() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The set, its Service and its policy."""
    first, second, third = yaml.safe_load_all((SAMPLES / "vllm-leaderworkerset.yaml").read_text())
    return first, second, third


def group_faults(value: Any, fields: Any, path: str) -> list[str]:
    if isinstance(fields, dict):
        unknown = [f"{path}.{key} is unknown" for key in value if key not in fields]
        known = [
            each for key in value if key in fields for each in group_faults(value[key], fields[key], f"{path}.{key}")
        ]
        return unknown + known
    if isinstance(fields, str):
        return faults(value, fields, path)
    fits = value in fields if isinstance(fields, tuple) else isinstance(value, fields)
    return [] if fits else [f"{path} is {value!r}"]


def pods() -> list[dict[str, Any]]:
    template = group()[0]["spec"]["leaderWorkerTemplate"]
    return [template["leaderTemplate"], template["workerTemplate"]]


def options(pod: dict[str, Any]) -> dict[str, str]:
    arguments = pod["spec"]["containers"][0]["args"]
    return {name: value for name, _, value in (each.partition("=") for each in arguments)}


def test_the_group_has_the_fields_that_the_api_has() -> None:
    first, service, policy = group()
    assert (first["apiVersion"], first["kind"]) == ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet")
    assert group_faults(first["spec"], GROUP, "spec") == []
    assert faults(service, "V1Service") == []
    assert faults(policy, "V1NetworkPolicy") == []


def test_a_mistyped_field_of_the_group_would_be_told() -> None:
    first = group()[0]
    template = first["spec"]["leaderWorkerTemplate"]
    template["sizes"] = 2
    template["restartPolicy"] = "Always"
    template["workerTemplate"]["spec"]["containers"][0]["arg"] = []
    template["leaderTemplate"]["spec"]["terminationGracePeriodSeconds"] = "120"
    assert group_faults(first["spec"], GROUP, "spec") == [
        "spec.leaderWorkerTemplate.sizes is unknown",
        "spec.leaderWorkerTemplate.restartPolicy is 'Always'",
        "spec.leaderWorkerTemplate.leaderTemplate.spec.terminationGracePeriodSeconds is '120', not int",
        "spec.leaderWorkerTemplate.workerTemplate.spec.containers[0].arg: V1Container has no such field",
    ]


def test_the_gpus_of_a_group_are_what_the_model_is_spread_over() -> None:
    size = group()[0]["spec"]["leaderWorkerTemplate"]["size"]
    for pod in pods():
        gpus = pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
        chosen = options(pod)
        tensor, pipeline = int(chosen["--tensor-parallel-size"]), int(chosen["--pipeline-parallel-size"])
        assert tensor == gpus, "tensor parallelism stays on a node"
        assert tensor * pipeline == gpus * size


def test_leader_and_workers_are_told_the_same_and_find_each_other_by_what_the_set_tells_them() -> None:
    leader, worker = map(options, pods())
    assert leader.keys() - worker.keys() == {"--host", "--port"}
    assert worker.keys() - leader.keys() == {"--headless"}
    assert all(leader[each] == worker[each] for each in leader.keys() & worker.keys())
    for pod in pods():
        assert set(re.findall(r"\$\((\w+)\)", " ".join(pod["spec"]["containers"][0]["args"]))) == SET_BY_IT


def test_every_pod_of_the_group_is_admitted_where_pod_security_is_restricted() -> None:
    for pod in pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {
            "persistentVolumeClaim",
            "emptyDir",
        }


@pytest.mark.parametrize("profile", ["cpu", "embedded-cpu", "gpu-24g"])
def test_llm_passes_on_to_the_group_and_reaches_nothing_else(profile: str) -> None:
    rendered = render(sample("llm-over-nodes"), profile)
    service, policy = group()[1:]
    environment = rendered.environment("llm")
    port = service["spec"]["ports"][0]["port"]
    assert environment["LEDGE_ENGINE"] == "openai"
    assert environment["LEDGE_UPSTREAM_URL"] == f"http://{service['metadata']['name']}:{port}/v1"
    assert not {"LEDGE_MODEL", "LEDGE_GPU_MEMORY_SHARE", "GOMP_SPINCOUNT"} & environment.keys()
    container = rendered.container("llm")
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert container["image"].rpartition(":")[0] == "ledge.local/ledge/llm"
    # The same key, from the same Secret.
    key = next(each for each in container["env"] if each["name"] == "LEDGE_UPSTREAM_API_KEY")
    theirs = next(each for each in pods()[0]["spec"]["containers"][0]["env"] if each["name"] == "VLLM_API_KEY")
    assert key["valueFrom"] == theirs["valueFrom"]
    # What one side lets out the other lets in.
    beyond = [rule for rule in rendered.of("NetworkPolicy")[f"{RELEASE}-llm"]["spec"]["egress"] if not of_names(rule)]
    assert len(beyond) == 1
    (peer,) = beyond[0]["to"]
    assert peer["podSelector"]["matchLabels"].items() <= pods()[0]["metadata"]["labels"].items()
    let_in = policy["spec"]["ingress"][1]["from"][0]["podSelector"]["matchLabels"]
    labels = rendered.of("Deployment")[f"{RELEASE}-llm"]["spec"]["template"]["metadata"]["labels"]
    assert let_in.items() <= labels.items()
    assert policy["spec"]["ingress"][1]["ports"] == beyond[0]["ports"] == [{"port": port}]


def of_names(rule: dict[str, Any]) -> bool:
    return any(port["port"] == 53 for port in rule["ports"])


def test_the_weights_that_the_group_reads_are_those_that_the_job_fetches() -> None:
    rendered = render(sample("llm-over-nodes"), "cpu")
    claim = rendered.of("PersistentVolumeClaim")["ledge-models"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    (job,) = rendered.of("Job").values()
    for pod in pods():
        volume = next(each for each in pod["spec"]["volumes"] if each["name"] == "models")
        assert volume["persistentVolumeClaim"] == {"claimName": "ledge-models", "readOnly": True}
        model = pod["spec"]["containers"][0]["args"][0].removeprefix("/models/")
        assert model in job["spec"]["template"]["spec"]["containers"][0]["args"]


def on_qdrant() -> Rendered:
    return render(sample("retrieval-on-qdrant"), "cpu")


def test_retrieval_on_a_cluster_of_qdrant_keeps_nothing_and_has_replicas_that_are_rolled() -> None:
    rendered = on_qdrant()
    deployment = rendered.of("Deployment")[f"{RELEASE}-retrieval"]["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["type"] == "RollingUpdate"
    pod = deployment["template"]["spec"]
    assert not [volume for volume in pod["volumes"] if volume.get("persistentVolumeClaim")]
    # Rolled, so left alone until nobody has its address any more; alone, with one writer, that would be time lost.
    assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] >= 3
    assert int(rendered.environment("retrieval")["LEDGE_SETTLE_S"]) >= 3
    assert "ledge-retrieval-steady" not in rendered.of("Service")
    assert rendered.environment("rag")["LEDGE_RETRIEVAL_ADDRESS"] == "ledge-retrieval:50051"
    assert "PodDisruptionBudget" in {each["kind"] for each in rendered.objects}
    assert rendered.container("retrieval")["image"].rpartition(":")[0] == "ledge.local/ledge/retrieval-qdrant"


def test_its_way_out_leads_to_qdrant_alone_and_is_nobody_elses() -> None:
    def leads_out(service: str) -> list[Any]:
        rules = on_qdrant().of("NetworkPolicy")[f"{RELEASE}-{service}"]["spec"]["egress"]
        return [
            rule for rule in rules for peer in rule.get("to", []) if "namespaceSelector" in peer and not of_names(rule)
        ]

    (rule,) = leads_out("retrieval")
    assert rule["ports"] == [{"port": 6333}]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "qdrant"}
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "qdrant"}
    others = [name.removeprefix(f"{RELEASE}-") for name in on_qdrant().of("Deployment") if "retrieval" not in name]
    assert [name for name in others if leads_out(name)] == []
    assert NAMESPACE != "qdrant"


def test_qdrants_key_is_the_same_on_both_sides_and_in_no_values() -> None:
    ours = next(each for each in on_qdrant().container("retrieval")["env"] if each["name"] == "LEDGE_QDRANT_API_KEY")
    theirs = next(each for each in sample("qdrant-values")["env"] if each["name"] == "QDRANT__SERVICE__API_KEY")
    assert ours["valueFrom"] == theirs["valueFrom"] == {"secretKeyRef": {"name": "qdrant-key", "key": "key"}}
    assert "apiKey" not in sample("qdrant-values")


def test_qdrants_cluster_outlives_one_of_its_own() -> None:
    values = sample("qdrant-values")
    collection = values["config"]["storage"]["collection"]
    kept, needed = collection["replication_factor"], collection["write_consistency_factor"]
    assert 2 <= kept <= values["replicaCount"]
    assert needed <= kept - 1, "with one lost, writes go on"
    assert 2 * needed > kept, "what was acknowledged is with the most of them"
    # As `restricted` has it; the init container that is left out would run as root.
    assert values["image"]["useUnprivilegedImage"] is True
    assert values["containerSecurityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert values["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert faults(values["containerSecurityContext"], "V1SecurityContext") == []
    assert faults(values["podSecurityContext"], "V1PodSecurityContext") == []
    assert faults(values["affinity"], "V1Affinity") == []
    assert faults(values["env"], "List[V1EnvVar]") == []
