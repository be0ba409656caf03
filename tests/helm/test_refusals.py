"""Values that are refused: mistyped ones by the schema, ones that do not go together with what to do."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, helm_program, refusal, render

OPEN = ("affinity", "nodeSelector", "commonLabels", "podAnnotations", "podLabels", "annotations", "labels", "env",
        "envSecrets", "files", "requests", "limits", "issuer", "hubToken", "catalog", "services")  # fmt: skip
"""Maps whose keys are the user's own, or another API's."""


def mistypings() -> Iterator[tuple[str, ...]]:
    """The path of every key that the chart has, with one letter too many at its end."""

    def below(values: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for key, value in values.items():
            yield (*path, f"{key}x")
            if isinstance(value, dict) and key not in OPEN:
                yield from below(value, (*path, key))

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    yield from below({key: value for key, value in values.items() if key != "services"}, ())
    for key in values["defaults"]:
        yield ("services", "llm", f"{key}x")


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: nested(path[1:], value) if path[1:] else value}


def test_every_mistyped_key_is_refused() -> None:
    # In a few renders, for each takes a part of a second: all the mistyped keys of one map are told together.
    by_map: dict[tuple[str, ...], list[str]] = {}
    for path in mistypings():
        by_map.setdefault(path[:-1], []).append(path[-1])
    assert sum(map(len, by_map.values())) > 120
    for path, keys in by_map.items():
        told = refusal(nested(path, dict.fromkeys(keys, "")) if path else dict.fromkeys(keys, ""))
        for key in keys:
            assert key in told, f"{'.'.join((*path, key))} was taken"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"services": {"lmm": {}}}, 'services.lmm: there is no program "lmm"'),
        ({"services": {"llm": {"enabled": False}}}, "services.rag calls llm, which is not enabled"),
        ({"services": {"rag": {"calls": ["rag?"]}}}, "services.rag calls itself"),
        ({"services": {"llm": {"service": {"type": "NodePort"}}}}, "nobody outside may call it"),
        ({"services": {"gateway": {"service": {"nodePort": 30000}}}}, "set type to NodePort"),
        ({"services": {"llm": {"env": {"LEDGE_UPSTREAM_API_KEY": "x"}}}}, "looks like a secret"),
        (
            {"services": {"llm": {"env": {"LEDGE_DRAIN_S": 90}}}},
            "env.LEDGE_DRAIN_S is worked out from services.llm.drainS",
        ),
        ({"services": {"llm": {"env": {"LEDGE_MODEL": ""}}}}, "env.LEDGE_MODEL is worked out from services.llm.model"),
        ({"services": {"llm": {"env": {"LEDGE_PORT": 1}}}}, "services.llm.env.LEDGE_PORT is fixed"),
        ({"services": {"gateway": {"env": {"LEDGE_OPS_PORT": 1}}}}, "services.gateway.env.LEDGE_OPS_PORT is fixed"),
        ({"services": {"llm": {"env": {"LEDGE_API_KEYS_FILE": "/k"}}}}, "is worked out from auth.existingSecret"),
        (
            {"services": {"llm": {"envSecrets": {"LEDGE_OFFLINE": {"name": "a", "key": "b"}}}}},
            "services.llm.envSecrets.LEDGE_OFFLINE is worked out from models.offline: set that",
        ),
        ({"services": {"rag": {"env": {"LEDGE_LLM_ADDRESS": "a:1"}}}}, 'write the call there as "llm=<service>"'),
        ({"services": {"llm": {"env": {"LEDGE_RAG_ADDRESS": "a:1"}}}}, "leads where no NetworkPolicy lets it"),
        ({"defaults": {"env": {"LEDGE_SETTLE_S": 0}}}, "services.asr.env.LEDGE_SETTLE_S is worked out"),
        ({"tls": {"enabled": True}}, "tls.enabled needs certificates"),
        ({"tls": {"enabled": True, "existingSecret": "a", "issuer": {"name": "b"}}}, "exclude each other"),
        ({"models": {"offline": True, "pin": True}}, "models.pin asks the hub"),
        ({"models": {"persistence": {"existingClaim": "a", "hostPath": "/b"}}}, "exclude each other"),
        ({"models": {"persistence": {"hostNode": "edge-1"}}}, "models.persistence.hostNode says whose folder it is"),
        ({"services": {"retrieval": {"persistence": {"hostNode": "edge-1"}}}}, "none is named: set hostPath"),
        ({"services": {"asr": {"autoscaling": {"kind": "hpa", "minReplicas": 3}}}}, "minReplicas 3 is more than"),
        ({"ingress": {"enabled": True}, "services": {"gateway": {"enabled": False}}}, "ingress.enabled needs"),
        (
            {"ingress": {"enabled": True}, "tls": {"enabled": True, "existingSecret": "a"}},
            "the gateway speaks HTTPS, and controllers speak HTTP to it",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_to_do(values: dict[str, Any], told: str) -> None:
    assert told in refusal(values)


def test_what_the_chart_works_out_is_refused_as_a_variable_of_ones_own() -> None:
    rendered = render(
        {
            "tls": {"enabled": True, "existingSecret": "c"},
            "auth": {"existingSecret": "k"},
            "telemetry": {"otlpEndpoint": "http://collector:4317"},
            "models": {"catalog": {"name": "a", "key": "b"}},
            "gpu": {"loadingTurns": {"enabled": True}},
            "services": {"tts": {"autoscaling": {"kind": "keda", "minReplicas": 0}},
                         "riva": {"enabled": False}, "wyoming": {"enabled": False}},
        },
        "gpu-2x80g",
    )  # fmt: skip
    services = yaml.safe_load((CHART / "values-gpu-2x80g.yaml").read_text())["services"]
    may_be_set = {"HOME", "PYTHONSAFEPATH", "LEDGE_HOST", "LEDGE_LOG_LEVEL", "LEDGE_PEER_API_KEY",
                  "LEDGE_GPU_MEMORY_SHARE", "LEDGE_TENSOR_PARALLEL"}  # fmt: skip
    set_for: dict[str, dict[str, Any]] = {}
    for name in rendered.of("Deployment"):
        service = name.removeprefix("ledge-")
        made = {each["name"] for each in rendered.container(service)["env"]} - set(services[service].get("env") or {})
        set_for[service] = {"env": dict.fromkeys(made - may_be_set, "x")}
    assert len({name for each in set_for.values() for name in each["env"]}) > 25
    told = refusal({"services": set_for}, "gpu-2x80g")
    for service, values in set_for.items():
        for variable in values["env"]:
            assert f"services.{service}.env.{variable} " in told, f"{service} took {variable}"


def test_null_takes_nothing_from_what_the_chart_works_out() -> None:
    env = render({"services": {"llm": {"env": {"LEDGE_DRAIN_S": None, "LEDGE_KV_CACHE": None}}}}).environment("llm")
    assert env["LEDGE_DRAIN_S"] == "30"
    assert "LEDGE_KV_CACHE" not in env


def test_a_service_outside_of_the_release_is_named_with_the_way_to_it() -> None:
    rag = {
        "calls": ["embedding", "reranking", "llm"],
        "env": {"LEDGE_RETRIEVAL_ADDRESS": "documents.example.com:50051"},
        "egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 50051}]}],
    }
    env = render({"services": {"rag": rag}}).environment("rag")
    assert env["LEDGE_RETRIEVAL_ADDRESS"] == "documents.example.com:50051"


def test_globals_of_other_charts_are_left_alone() -> None:
    assert render({"global": {"cattle": {"clusterId": "c-1"}, "storageClass": "fast"}}).of("Deployment")


def test_inside_another_chart_only_what_looks_like_its_own_globals_is_refused(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts/ledge").symlink_to(CHART)
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: site\nversion: 1.0.0\n")

    def template(key: str) -> subprocess.CompletedProcess[str]:
        command = [helm_program(), "template", "site", str(tmp_path), "--kube-version", "1.36.0"]
        command += ["--set", f"global.{key}=Always"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert "kind: Deployment" in template("imagePullPolicy").stdout
    assert "global.imageRegistrx is not read" in template("imageRegistrx").stderr


def test_all_faults_are_told_at_once() -> None:
    told = refusal({"tls": {"enabled": True}, "services": {"lmm": {}, "llm": {"enabled": False}}})
    assert "tls.enabled needs" in told
    assert "services.lmm" in told
    assert "services.rag calls llm" in told


@pytest.mark.parametrize("service", ["asr", "tts", "translation", "riva", "wyoming"])
def test_what_others_do_without_may_be_left_out(service: str) -> None:
    values = {"services": {service: {"enabled": False}, "voice": {"enabled": False}}}
    assert f"ledge-{service}" not in render(values).of("Deployment")


@pytest.mark.parametrize(
    "values",
    [
        {"gpu": {"mode": "sometimes"}},
        {"image": {"pullPolicy": "Seldom"}},
        {"services": {"llm": {"replicas": "2"}}},
        {"services": {"llm": {"tmpSize": "much"}}},
        {"services": {"llm": {"image": {"digest": "sha256:12"}}}},
        {"services": {"Llm": {"module": "llm"}}},
        {"services": {"rag": {"calls": ["llm as big"]}}},
        {"models": {"bundle": "../secret"}},
        {"logging": {"level": "LOUD"}},
    ],
)
def test_values_of_the_wrong_kind_are_refused(values: dict[str, Any]) -> None:
    assert "schema" in refusal(values)
