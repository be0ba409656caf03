"""What the chart makes of its values, for each values file and for single values."""

import re
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, HELM_3, NAMESPACE, RELEASE, ROOT, helm_program, render, run
from tests.helm.golden import PROFILES, SCENARIOS, keep, texts, whole


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_values_file_renders_what_was_looked_at(scenario: str) -> None:
    for path, text in texts(scenario).items():
        assert text == path.read_text(), f"{path.name}: if this is meant, python -m tests.helm.test_render"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_values_file_says_what_its_profile_says(profile: str) -> None:
    rendered = render({}, profile)
    services = yaml.safe_load((ROOT / "deploy/profiles" / f"{profile}.yaml").read_text())["services"]
    assert set(rendered.of("Deployment")) == {f"{RELEASE}-{name}" for name in services}
    for name, service in services.items():
        env = rendered.environment(name)
        assert env.get("LEDGE_ENGINE") == service.get("engine")
        assert env.get("LEDGE_MODEL") == service.get("model")
        for variable, value in service.get("env", {}).items():
            # Where a container is shown one GPU that is its first.
            told = re.sub(r"^cuda:\d+$", "cuda", str(value))
            assert env[variable] == told, f"{name}: {variable}"
        limit = rendered.container(name)["resources"]["limits"]["memory"]
        limit_mb = int(limit[:-1]) * {"M": 1, "G": 1000}[limit[-1]]
        assert limit_mb == service["budget"]["memory_bytes"] // 10**6, name


def test_a_values_file_leaves_nothing_of_the_default_profile() -> None:
    assert "GOMP_SPINCOUNT" not in render({}, "gpu-24g").environment("llm")
    assert "LEDGE_KV_CACHE" not in render({}, "gpu-24g").environment("llm")


def test_without_values_it_is_the_default_profile() -> None:
    assert whole(render()) == whole(render({}, "embedded-cpu"))


@pytest.mark.parametrize("version", ["", HELM_3])
def test_the_chart_lints(version: str) -> None:
    helm = helm_program(version)
    for files in SCENARIOS.values():
        done = run({}, *files, command="lint", helm=helm)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stdout, done.stdout


def test_helm_3_renders_the_same() -> None:
    three = helm_program(HELM_3)
    for files in SCENARIOS.values():
        assert render({}, *files, helm=three).objects == render({}, *files).objects


def test_two_renders_are_the_same() -> None:
    assert run({}, "gpu-80g").stdout == run({}, "gpu-80g").stdout


SCHEDULING: dict[str, Any] = {
    "nodeSelector": {"kind": "edge"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
    "priorityClassName": "urgent",
    "schedulerName": "other",
    "runtimeClassName": "sandboxed",
}


@pytest.mark.parametrize("field", SCHEDULING)
def test_each_scheduling_value_reaches_every_pod(field: str) -> None:
    pods = dict(render({"scheduling": {field: SCHEDULING[field]}}).pods())
    assert {name.partition("/")[0] for name in pods} == {"Deployment", "Job", "Pod"}
    assert len(pods) > 20
    for name, pod in pods.items():
        assert pod["spec"][field] == SCHEDULING[field], name


def test_what_is_for_all_pods_reaches_every_pod() -> None:
    values = {
        "global": {"imageRegistry": "registry.example.com/ai", "imagePullSecrets": [{"name": "puller"}]},
        "commonLabels": {"team": "water"},
        "podAnnotations": {"note": "yes"},
        "image": {"pullPolicy": "Always", "tag": "9.9"},
    }
    for name, pod in render(values).pods():
        assert pod["spec"]["imagePullSecrets"] == [{"name": "puller"}], name
        assert pod["metadata"]["labels"]["team"] == "water", name
        assert pod["metadata"]["annotations"]["note"] == "yes", name
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            assert container["image"].startswith("registry.example.com/ai/ledge/"), name
            assert container["image"].endswith(":9.9"), name
            assert container["imagePullPolicy"] == "Always", name


def test_an_image_that_names_its_own_registry_is_taken_from_there() -> None:
    values = {"services": {"llm": {"image": {"repository": "registry.example.com:5000/ours/llm"}}}}
    rendered = render(values)
    assert rendered.container("llm")["image"].startswith("registry.example.com:5000/ours/llm:")
    assert rendered.container("asr")["image"].startswith("ledge.local/ledge/asr:")


def test_the_build_names_images_as_the_chart_asks_for_them() -> None:
    script = (ROOT / "deploy" / "images.sh").read_text()
    (prefix,) = re.findall(r"LEDGE_IMAGE_PREFIX:-([^}]+)}", script)
    assert render({}).container("asr")["image"].startswith(f"{prefix}/asr:")


def test_a_service_may_be_scheduled_for_itself() -> None:
    values = {
        "scheduling": {"nodeSelector": {"kind": "edge"}, "priorityClassName": "urgent"},
        "services": {"llm": {"scheduling": {"nodeSelector": {"gpu": "yes"}}}},
    }
    spec = render(values).of("Deployment")[f"{RELEASE}-llm"]["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"gpu": "yes"}
    assert spec["priorityClassName"] == "urgent"


def test_several_pods_of_a_service_are_spread_over_nodes_unless_something_else_is_said() -> None:
    def constraints(values: dict[str, Any], service: str) -> Any:
        spec = render(values).of("Deployment")[f"{RELEASE}-{service}"]["spec"]["template"]["spec"]
        return spec.get("topologySpreadConstraints")

    own = SCHEDULING["topologySpreadConstraints"]
    values: dict[str, Any] = {
        "services": {
            "asr": {"replicas": 2},
            "tts": {"autoscaling": {"kind": "hpa"}, "resources": {"requests": {"cpu": "100m"}}},
            "rag": {"replicas": 2, "scheduling": {"topologySpreadConstraints": own}},
        }
    }
    for service in ("asr", "tts"):
        (constraint,) = constraints(values, service)
        assert (constraint["topologyKey"], constraint["whenUnsatisfiable"]) == (
            "kubernetes.io/hostname", "ScheduleAnyway",
        )  # fmt: skip
        selector = constraint["labelSelector"]["matchLabels"]
        labels = render(values).of("Deployment")[f"{RELEASE}-{service}"]["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        assert selector["app.kubernetes.io/component"] == service
    assert constraints(values, "rag") == own
    assert constraints(values, "llm") is None
    assert constraints({**values, "scheduling": {"topologySpreadConstraints": own}}, "asr") == own


def test_a_digest_wins_over_a_tag() -> None:
    digest = "sha256:" + "0" * 64
    rendered = render({"services": {"tts": {"image": {"digest": digest, "tag": "1", "variant": "piper"}}}})
    assert rendered.container("tts")["image"] == f"ledge.local/ledge/tts-piper@{digest}"


def test_a_service_may_exist_twice_under_another_name() -> None:
    values = {
        "services": {
            "llm-big": {"module": "llm", "engine": "openai", "env": {"LEDGE_UPSTREAM_URL": "http://big:8000/v1"}},
            "hybrid": {"enabled": True, "calls": ["little=llm", "big=llm-big"]},
            "rag": {"calls": ["embedding", "retrieval", "reranking", "llm=hybrid"]},
        }
    }
    rendered = render(values)
    assert rendered.container("llm-big")["command"] == ["python", "-m", "services.llm"]
    assert rendered.environment("hybrid")["LEDGE_LITTLE_ADDRESS"] == "ledge-llm:50051"
    assert rendered.environment("hybrid")["LEDGE_BIG_ADDRESS"] == "ledge-llm-big:50051"
    assert rendered.environment("rag")["LEDGE_LLM_ADDRESS"] == "ledge-hybrid:50051"


def test_numbers_of_an_environment_stay_as_they_were_written() -> None:
    values = {"services": {"llm": {"env": {"LEDGE_KV_CACHE_BYTES": 4_000_000_000, "LEDGE_SCRIPT_TOKENS_PER_S": 0.5}}}}
    env = render(values).environment("llm")
    assert env["LEDGE_KV_CACHE_BYTES"] == "4000000000"
    assert env["LEDGE_SCRIPT_TOKENS_PER_S"] == "0.5"


def test_each_variable_is_set_once() -> None:
    values = {"auth": {"existingSecret": "keys"}, "tls": {"enabled": True, "existingSecret": "certificates"}}
    for name, pod in render(values, "gpu-2x80g").pods():
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            names = [each["name"] for each in container.get("env", [])]
            assert len(names) == len(set(names)), f"{name}: {names}"


def test_every_setting_is_one_that_the_service_has() -> None:
    settings = (ROOT / "docs/configuration.md").read_text()
    rendered = render({"tls": {"enabled": True, "existingSecret": "c"}, "auth": {"existingSecret": "k"}}, "gpu-2x80g")
    for name, pod in rendered.pods():
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            for variable in (each["name"] for each in container["env"]):
                if variable.startswith("LEDGE_") and variable != "LEDGE_API_KEY":  # that one is the commands' own
                    assert f"`{variable}`" in settings, f"{name}: {variable}"


def test_models_are_awaited_and_mounted_where_they_are_read_and_nowhere_else() -> None:
    rendered = render()
    for name, deployment in rendered.of("Deployment").items():
        spec = deployment["spec"]["template"]["spec"]
        service = name.removeprefix(f"{RELEASE}-")
        reads = "LEDGE_MODEL" in rendered.environment(service)
        mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
        assert ("models" in mounts) == reads == bool(spec.get("initContainers")), name
        if reads:
            assert mounts["models"]["readOnly"] is True
            assert spec["initContainers"][0]["args"] == [rendered.environment(service)["LEDGE_MODEL"]]


def test_the_job_brings_the_models_of_all_services() -> None:
    (job,) = render({"models": {"extra": ["whisper-base"]}}).of("Job").values()
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["ledge", "models", "pull"]
    assert container["args"] == ["all-minilm-l6-v2", "smollm2-135m-instruct", "whisper-base"]


def test_another_list_of_models_is_another_job() -> None:
    (one,) = render().of("Job")
    (other,) = render({"models": {"extra": ["whisper-base"]}}).of("Job")
    assert one != other


def test_offline_nothing_is_fetched_and_pods_look_once() -> None:
    rendered = render({}, "embedded-cpu", "airgap")
    (job,) = rendered.of("Job").values()
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["ledge", "models", "verify"]
    assert job["spec"]["backoffLimit"] == 0
    init = rendered.of("Deployment")[f"{RELEASE}-llm"]["spec"]["template"]["spec"]["initContainers"][0]
    assert init["args"] == ["--for-s=0", "smollm2-135m-instruct"]
    assert f"{RELEASE}-models" not in rendered.of("NetworkPolicy")


def test_a_bundle_is_taken_in_and_waited_for() -> None:
    rendered = render({"models": {"bundle": "models.tar"}}, "embedded-cpu", "airgap")
    (job,) = rendered.of("Job").values()
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == [
        "ledge", "models", "import", "/models/models.tar",
    ]  # fmt: skip
    init = rendered.of("Deployment")[f"{RELEASE}-llm"]["spec"]["template"]["spec"]["initContainers"][0]
    assert init["args"] == ["smollm2-135m-instruct"]


def test_claims_outlive_the_release() -> None:
    claims = render().of("PersistentVolumeClaim")
    assert set(claims) == {"ledge-models", "ledge-retrieval"}
    for claim in claims.values():
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_an_existing_claim_is_used_as_it_is() -> None:
    values = {
        "models": {"persistence": {"existingClaim": "ours"}},
        "services": {"retrieval": {"persistence": {"existingClaim": "documents"}}},
    }
    rendered = render(values)
    assert rendered.of("PersistentVolumeClaim") == {}
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for _, pod in rendered.pods()
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"ours", "documents"}


def test_documents_that_are_kept_nowhere_can_still_be_written() -> None:
    rendered = render({"services": {"retrieval": {"persistence": {"enabled": False}}}})
    spec = rendered.of("Deployment")[f"{RELEASE}-retrieval"]["spec"]["template"]["spec"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "10Gi"}} in spec["volumes"]
    assert {"name": "data", "mountPath": "/data"} in spec["containers"][0]["volumeMounts"]
    assert rendered.environment("retrieval")["LEDGE_DATA_DIR"] == "/data"


def test_a_folder_of_the_node_becomes_a_volume_of_its_own() -> None:
    values = {"models": {"persistence": {"hostPath": "/srv/models"}}}
    rendered = render(values)
    volume = rendered.of("PersistentVolume")[f"{NAMESPACE}-ledge-models"]["spec"]
    assert volume["hostPath"]["path"] == "/srv/models"
    claim = rendered.of("PersistentVolumeClaim")["ledge-models"]["spec"]
    assert (claim["volumeName"], claim["storageClassName"]) == (f"{NAMESPACE}-ledge-models", "")


def test_a_folder_of_a_named_node_keeps_its_pods_there() -> None:
    folder = {"hostPath": "/srv/documents", "hostNode": "edge-1"}
    rendered = render({"services": {"retrieval": {"persistence": folder}}, "models": {"persistence": folder}})
    volumes = rendered.of("PersistentVolume")
    assert set(volumes) == {f"{NAMESPACE}-ledge-retrieval", f"{NAMESPACE}-ledge-models"}
    for volume in volumes.values():
        (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert term == {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["edge-1"]}]}


def test_files_of_settings_are_mounted_and_a_change_restarts_the_pod() -> None:
    def pod(text: str) -> dict[str, Any]:
        values = {"services": {"rag": {"files": {"collections.yaml": text}}}}
        rendered = render(values)
        assert rendered.of("ConfigMap")["ledge-rag"]["data"]["collections.yaml"].rstrip() == text
        template: dict[str, Any] = rendered.of("Deployment")["ledge-rag"]["spec"]["template"]
        return template

    one, other = pod("collections: {}"), pod("collections: {a: {}}")
    assert {"name": "files", "mountPath": "/etc/ledge/files", "readOnly": True} in one["spec"]["containers"][0][
        "volumeMounts"
    ]
    assert one["metadata"]["annotations"] != other["metadata"]["annotations"]


def test_dashboards_ask_for_metrics_that_there_are() -> None:
    told = "".join(file.read_text() for file in (ROOT / "services").rglob("*.py"))
    for dashboard in (CHART / "dashboards").glob("*.json"):
        for metric in set(re.findall(r"ledge_[a-z_]+", dashboard.read_text())):
            assert f'"{metric.removesuffix("_bucket")}"' in told, metric
    rendered = render({"monitoring": {"dashboards": {"enabled": True}, "serviceMonitor": {"enabled": True}}})
    assert "ledge.json" in rendered.of("ConfigMap")["ledge-dashboards"]["data"]
    assert rendered.of("ServiceMonitor")["ledge"]["spec"]["jobLabel"] == "app.kubernetes.io/component"


if __name__ == "__main__":
    keep()
