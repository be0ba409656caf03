"""Who may call whom: the call graph, the addresses and the NetworkPolicies say the same."""

from typing import Any

import pytest

from tests.helm.chart import RELEASE, Rendered, render

COMPONENT = "app.kubernetes.io/component"
INSTANCE = "app.kubernetes.io/instance"


def component(peer: dict[str, Any]) -> str:
    labels = peer["podSelector"]["matchLabels"]
    assert labels[INSTANCE] == RELEASE
    return str(labels[COMPONENT])


Edge = tuple[str, str, object]
"""Caller, callee, port; None for a rule that names no port, and so opens all."""


def ports(rule: dict[str, Any]) -> list[object]:
    return [port["port"] for port in rule.get("ports", [{"port": None}])]


def allowed_out(rendered: Rendered) -> set[Edge]:
    edges: set[Edge] = set()
    for policy in rendered.of("NetworkPolicy").values():
        labels = policy["spec"]["podSelector"]["matchLabels"]
        for rule in policy["spec"].get("egress", []):
            named = [component(peer) for peer in rule.get("to", []) if "podSelector" in peer]
            edges |= {(labels[COMPONENT], callee, port) for callee in named for port in ports(rule)}
    return edges


def allowed_in(rendered: Rendered) -> set[Edge]:
    edges: set[Edge] = set()
    for policy in rendered.of("NetworkPolicy").values():
        labels = policy["spec"]["podSelector"]["matchLabels"]
        for rule in policy["spec"].get("ingress", []):
            named = [component(peer) for peer in rule.get("from", []) if "podSelector" in peer]
            edges |= {(caller, labels[COMPONENT], port) for caller in named for port in ports(rule)}
    return edges


def let_in_from_anywhere(rendered: Rendered) -> set[tuple[str, object]]:
    """Whom everybody may call, and at which port."""
    return {
        (policy["spec"]["podSelector"]["matchLabels"][COMPONENT], port)
        for policy in rendered.of("NetworkPolicy").values()
        for rule in policy["spec"].get("ingress", [])
        if "from" not in rule
        for port in ports(rule)
    }


def addressed(rendered: Rendered) -> set[Edge]:
    """Caller, callee and port, by the addresses that the services are given."""
    edges: set[Edge] = set()
    for name in rendered.of("Deployment"):
        service = name.removeprefix(f"{RELEASE}-")
        for variable, value in rendered.environment(service).items():
            if variable.startswith("LEDGE_") and variable.endswith("_ADDRESS"):
                host, _, port = value.partition(":")
                edges.add((service, host.removeprefix(f"{RELEASE}-").removesuffix("-steady"), int(port)))
    return edges


def listening(rendered: Rendered, service: str) -> int:
    """The port of the pod to which the service's first port leads."""
    target = rendered.of("Service")[f"{RELEASE}-{service}"]["spec"]["ports"][0]["targetPort"]
    [port] = [port["containerPort"] for port in rendered.container(service)["ports"] if port["name"] == target]
    return int(port)


def test_policies_equal_the_call_graph_port_by_port() -> None:
    rendered = render({"services": {"voice": {"enabled": True}}})
    graph = addressed(rendered)
    assert ("rag", "retrieval", 50051) in graph
    assert ("voice", "asr", 50051) in graph
    services = {name.removeprefix(f"{RELEASE}-") for name in rendered.of("Deployment")}
    assert all(port == listening(rendered, callee) for _, callee, port in graph)
    tests = {("test", service, listening(rendered, service)) for service in services}
    assert allowed_out(rendered) == graph | tests
    # Doors let everybody in, so they name nobody.
    doors = {"gateway", "riva", "wyoming"}
    assert let_in_from_anywhere(rendered) == {(door, listening(rendered, door)) for door in doors}
    assert allowed_in(rendered) == {edge for edge in graph | tests if edge[1] not in doors}


def test_a_call_that_is_taken_out_is_forbidden() -> None:
    rendered = render({"services": {"gateway": {"calls": ["rag"]}}})
    pairs = {edge[:2] for edge in allowed_out(rendered) | allowed_in(rendered)}
    assert ("gateway", "rag") in pairs
    assert ("gateway", "llm") not in pairs
    assert "LEDGE_LLM_ADDRESS" not in rendered.environment("gateway")


def test_everything_else_is_denied_to_every_pod() -> None:
    rendered = render()
    deny = rendered.of("NetworkPolicy")["ledge-default-deny"]["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not deny.get("ingress")
    assert not deny.get("egress")
    for name, pod in rendered.pods():
        assert deny["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), name


def test_every_pod_of_a_service_is_meant_by_exactly_its_own_policy() -> None:
    rendered = render()
    policies = {
        name: policy["spec"]["podSelector"]["matchLabels"] for name, policy in rendered.of("NetworkPolicy").items()
    }
    for name, pod in rendered.pods():
        meant = [policy for policy, labels in policies.items() if labels.items() <= pod["metadata"]["labels"].items()]
        assert len(meant) == 2, f"{name}: {meant}"


def test_capabilities_let_in_whom_a_site_names() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"team": "water"}}}
    rendered = render({"services": {"llm": {"clients": [peer]}}})
    assert peer in rendered.of("NetworkPolicy")["ledge-llm"]["spec"]["ingress"][0]["from"]
    assert peer not in rendered.of("NetworkPolicy")["ledge-asr"]["spec"]["ingress"][0]["from"]


def test_only_the_models_job_may_leave_the_cluster() -> None:
    for name, policy in render().of("NetworkPolicy").items():
        for rule in policy["spec"].get("egress", []):
            anywhere = "to" not in rule
            assert anywhere == (name == "ledge-models" and rule["ports"] == [{"port": 443}]), name


@pytest.mark.parametrize(
    ("env", "ports"),
    [
        ({"HTTPS_PROXY": "http://user:1@proxy.example.com:3128", "NO_PROXY": "a:9"}, [443, 3128]),
        ({"https_proxy": "proxy:8080", "HTTP_PROXY": "http://proxy"}, [80, 443, 8080]),
        ({"PIP_INDEX_URL": "https://pypi.example.com:8443/simple/", "HF_ENDPOINT": "http://[::1]:81"}, [81, 443, 8443]),
        ({"HTTPS_PROXY": None, "LEDGE_WORKERS": 4, "ALL_PROXY": "socks5://proxy"}, [443, 1080]),
    ],
)
def test_the_models_job_is_let_out_to_the_proxy_that_it_is_told(env: dict[str, Any], ports: list[int]) -> None:
    (_, rule) = render({"models": {"env": env}}).of("NetworkPolicy")["ledge-models"]["spec"]["egress"]
    assert sorted(each["port"] for each in rule["ports"]) == ports


def test_metrics_are_read_by_whom_a_site_names() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    rendered = render({"networkPolicy": {"metricsFrom": [peer]}})
    for name, policy in rendered.of("NetworkPolicy").items():
        if f"{name}" in rendered.of("Deployment"):
            assert {"from": [peer], "ports": [{"port": 8000}]} in policy["spec"]["ingress"], name
    for name, policy in render().of("NetworkPolicy").items():
        ports = [port for rule in policy["spec"].get("ingress", []) for port in rule["ports"]]
        assert {"port": 8000} not in ports or name == "ledge-gateway", name


def test_traces_may_leave_by_their_port() -> None:
    rendered = render({"telemetry": {"otlpEndpoint": "http://collector.monitoring:4319/v1"}})
    assert {"ports": [{"port": 4319}]} in rendered.of("NetworkPolicy")["ledge-asr"]["spec"]["egress"]
    assert rendered.environment("asr")["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.monitoring:4319/v1"


def test_services_are_headless_so_that_clients_see_every_pod_and_doors_have_an_address() -> None:
    for name, service in render().of("Service").items():
        steady = name in ("ledge-gateway", "ledge-riva", "ledge-wyoming", "ledge-retrieval-steady")
        assert (service["spec"].get("clusterIP") == "None") == (not steady), name
        first = service["spec"]["ports"][0]
        expected = {"ledge-gateway": "http", "ledge-wyoming": "tcp"}.get(name, "kubernetes.io/h2c")
        assert first["appProtocol"] == expected, name


def test_an_outer_address_leads_to_the_door_alone() -> None:
    values = {"services": {"riva": {"service": {"type": "NodePort", "nodePort": 30051}}}}
    service = render(values).of("Service")["ledge-riva"]["spec"]
    assert service["type"] == "NodePort"
    assert [(port["name"], port["nodePort"]) for port in service["ports"]] == [("grpc", 30051)]


def test_services_select_the_pods_of_their_own() -> None:
    rendered = render()
    for name, service in rendered.of("Service").items():
        own = name.removesuffix("-steady")
        labels = rendered.of("Deployment")[own]["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items(), name
        for other, pod in rendered.pods():
            if other != f"Deployment/{own}":
                assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items(), other
