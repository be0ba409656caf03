"""Every pod is one that a namespace of the level `restricted` admits, and secrets stay in Secrets."""

from typing import Any

import pytest

from tests.helm.chart import RELEASE, Rendered, render

SECURED: dict[str, Any] = {
    "auth": {"existingSecret": "keys"},
    "tls": {"enabled": True, "existingSecret": "certificates"},
    "models": {"hubToken": {"name": "hub", "key": "token"}},
    "services": {"llm": {"envSecrets": {"LEDGE_UPSTREAM_API_KEY": {"name": "upstream", "key": "key"}}}},
}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


@pytest.mark.parametrize("profile", ["embedded-cpu", "gpu-2x80g"])
def test_every_pod_keeps_the_restricted_standard(profile: str) -> None:
    pods = dict(render(SECURED, profile).pods())
    for name, pod in pods.items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "persistentVolumeClaim", "configMap", "secret"}, name
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert not any("hostPort" in port for port in container.get("ports", [])), name


def test_no_pod_may_speak_to_kubernetes() -> None:
    rendered = render()
    for name, pod in rendered.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["serviceAccountName"] == "ledge", name
    assert not rendered.of("Role")
    assert not rendered.of("ClusterRole")


def test_services_names_do_not_become_settings() -> None:
    # Kubernetes would set LEDGE_ASR_PORT=tcp://… for a Service called ledge-asr.
    for name, pod in render().pods():
        assert pod["spec"]["enableServiceLinks"] is False, name


def test_no_program_is_taken_from_where_it_may_be_written() -> None:
    # The images' working directory is /tmp, and Python would look for modules there first.
    for name, pod in render().pods():
        for container in containers(pod):
            assert {"name": "PYTHONSAFEPATH", "value": "1"} in container["env"], name


def test_every_container_is_bounded() -> None:
    for name, pod in render(SECURED).pods():
        for container in containers(pod):
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"]["cpu"], name
        for volume in pod["spec"]["volumes"]:
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"], name


def secret_references(rendered: Rendered) -> set[tuple[str, str]]:
    return {
        (each["valueFrom"]["secretKeyRef"]["name"], each["valueFrom"]["secretKeyRef"]["key"])
        for _, pod in rendered.pods()
        for container in containers(pod)
        for each in container.get("env", [])
        if "valueFrom" in each
    }


def test_keys_come_from_secrets_that_the_chart_does_not_make() -> None:
    rendered = render(SECURED)
    assert rendered.of("Secret") == {}
    assert secret_references(rendered) == {("keys", "peer"), ("hub", "token"), ("upstream", "key")}
    for name, deployment in rendered.of("Deployment").items():
        volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
        assert volumes["keys"]["secret"] == {
            "secretName": "keys",
            "defaultMode": 0o440,
            "items": [{"key": "keys", "path": "keys"}],
        }, name
        assert rendered.environment(name.removeprefix(f"{RELEASE}-"))["LEDGE_API_KEYS_FILE"] == "/etc/ledge/keys/keys"


def test_no_config_map_holds_a_variable() -> None:
    rendered = render(SECURED | {"monitoring": {"dashboards": {"enabled": True}}})
    assert set(rendered.of("ConfigMap")) == {"ledge-dashboards"}


def test_with_tls_probes_ask_in_plaintext_and_callers_show_certificates() -> None:
    rendered = render(SECURED)
    for name in rendered.of("Deployment"):
        service = name.removeprefix(f"{RELEASE}-")
        env, container = rendered.environment(service), rendered.container(service)
        door = service in ("gateway", "riva", "wyoming")
        assert env["LEDGE_TLS_CERT_FILE"] == "/etc/ledge/tls/tls.crt"
        # Kubelet has no certificate to show to a door, and browsers have none either.
        assert ("LEDGE_TLS_CLIENT_CA_FILE" in env) == (not door), name
        if service == "gateway":
            assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
        elif service != "wyoming":
            assert container["readinessProbe"]["grpc"]["port"] == 50052 == int(env["LEDGE_HEALTH_PORT"]), name


def test_cert_manager_gives_each_service_a_certificate_of_its_own() -> None:
    values = {"tls": {"enabled": True, "issuer": {"name": "site", "kind": "Issuer"}, "dnsNames": ["ledge.example.com"]}}
    rendered = render(values)
    certificates = rendered.of("Certificate")
    assert set(certificates) == set(rendered.of("Deployment"))
    assert certificates["ledge-asr"]["spec"]["secretName"] == "ledge-asr-tls"
    assert "ledge-asr" in certificates["ledge-asr"]["spec"]["dnsNames"]
    assert "ledge.example.com" in certificates["ledge-gateway"]["spec"]["dnsNames"]
    assert "ledge.example.com" not in certificates["ledge-asr"]["spec"]["dnsNames"]
    volumes = rendered.of("Deployment")["ledge-asr"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "tls", "secret": {"secretName": "ledge-asr-tls", "defaultMode": 0o440}} in volumes


def test_services_can_show_their_key_before_any_wants_one() -> None:
    shown: dict[str, Any] = {"defaults": {"envSecrets": {"LEDGE_PEER_API_KEY": {"name": "ledge-keys", "key": "peer"}}}}
    wanted: dict[str, Any] = {**shown, "auth": {"existingSecret": "ledge-keys"}}
    before, after = render(shown, "embedded-cpu"), render(wanted, "embedded-cpu")
    for name in before.of("Deployment"):
        for rendered, variables in (
            (before, ["LEDGE_PEER_API_KEY"]),
            (after, ["LEDGE_API_KEYS_FILE", "LEDGE_PEER_API_KEY"]),
        ):
            env = rendered.container(name.removeprefix(f"{RELEASE}-"))["env"]
            assert sorted(each["name"] for each in env if "API_KEY" in each["name"]) == variables, name
