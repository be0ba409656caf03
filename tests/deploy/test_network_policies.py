"""What the test bed lets pass, for each form of a NetworkPolicy."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent.parent.parent / "deploy" / "testbed" / "network_policies.py"
spec = importlib.util.spec_from_file_location("testbed_network_policies", SOURCE)
assert spec is not None
assert spec.loader is not None
policies = importlib.util.module_from_spec(spec)
# Dataclasses look their own module up.
sys.modules[spec.name] = policies
spec.loader.exec_module(policies)


def pod(name: str, ip: str, namespace: str = "a", **ports: int) -> dict[str, Any]:
    named = [{"name": each, "containerPort": number} for each, number in ports.items()]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [{"ports": named}]},
        "status": {"podIP": ip, "phase": "Running"},
    }


def policy(app: str, **rules: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": app}} if app else {}
    return {"metadata": {"namespace": "a"}, "spec": {"podSelector": selector, **rules}}


def peer(app: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": app}}}


PODS = [pod("rag", "10.0.0.1"), pod("llm", "10.0.0.2", grpc=50051), pod("spy", "10.0.0.3", namespace="b")]
SPACES = {"a": {"name": "a"}, "b": {"name": "b", "team": "ops"}}


def chain(name: str, *given: dict[str, Any]) -> list[str] | None:
    """The lines of one chain of the table; None where nothing selects the pod."""
    table = policies.Cluster(PODS, SPACES, list(given)).table()
    lines = [line.strip() for line in table.splitlines()]
    head = f"chain {name} {{"
    if head not in lines:
        return None
    start = lines.index(head)
    return lines[start + 1 : lines.index("}", start)]


def test_a_pod_that_no_policy_selects_is_left_alone() -> None:
    assert chain("ingress_10_0_0_2", policy("rag", ingress=[])) is None


def test_a_policy_without_rules_lets_nothing_pass() -> None:
    deny = policy("", policyTypes=["Ingress", "Egress"])
    assert chain("ingress_10_0_0_1", deny) == ["counter drop"]
    assert chain("egress_10_0_0_2", deny) == ["counter drop"]
    assert chain("ingress_10_0_0_3", deny) is None, "the pod of another namespace"


def test_a_rule_names_callers_and_ports() -> None:
    allow = policy("llm", ingress=[{"from": [peer("rag")], "ports": [{"port": 50051}]}])
    assert chain("ingress_10_0_0_2", allow) == ["ip saddr { 10.0.0.1 } tcp dport 50051 return", "counter drop"]


def test_a_named_port_is_what_the_receiving_pod_calls_so() -> None:
    allow = policy("llm", ingress=[{"from": [peer("rag")], "ports": [{"port": "grpc"}]}])
    assert chain("ingress_10_0_0_2", allow) == ["ip saddr { 10.0.0.1 } tcp dport 50051 return", "counter drop"]


def test_a_rule_whose_callers_do_not_exist_lets_nothing_pass() -> None:
    allow = policy("llm", ingress=[{"from": [peer("nobody")]}])
    assert chain("ingress_10_0_0_2", allow) == ["counter drop"]


def test_an_empty_rule_lets_everything_pass() -> None:
    assert chain("ingress_10_0_0_2", policy("llm", ingress=[{}])) == ["return", "counter drop"]


def test_namespaces_are_chosen_by_their_labels() -> None:
    operators = {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["ops"]}]}}
    allow = policy("llm", ingress=[{"from": [operators]}])
    assert chain("ingress_10_0_0_2", allow) == ["ip saddr { 10.0.0.3 } return", "counter drop"]


def test_several_policies_add_up() -> None:
    first = policy("llm", ingress=[{"from": [peer("rag")]}])
    second = policy("llm", ingress=[{"ports": [{"port": 8000}]}])
    assert chain("ingress_10_0_0_2", first, second) == [
        "ip saddr { 10.0.0.1 } return",
        "tcp dport 8000 return",
        "counter drop",
    ]


def test_egress_goes_by_address_blocks_with_their_exceptions() -> None:
    block = {"ipBlock": {"cidr": "192.0.2.0/30", "except": ["192.0.2.2/31"]}}
    allow = policy("rag", policyTypes=["Egress"], egress=[{"to": [block], "ports": [{"port": 53, "protocol": "UDP"}]}])
    assert chain("egress_10_0_0_1", allow) == ["ip daddr { 192.0.2.0/31 } udp dport 53 return", "counter drop"]


def test_a_range_of_ports_is_one_match() -> None:
    allow = policy("rag", policyTypes=["Egress"], egress=[{"ports": [{"port": 8000, "endPort": 8010}]}])
    assert chain("egress_10_0_0_1", allow) == ["tcp dport 8000-8010 return", "counter drop"]


@pytest.mark.parametrize(
    ("operator", "values", "found", "fits"),
    [
        ("In", ["x"], {"k": "x"}, True),
        ("In", ["x"], {}, False),
        ("NotIn", ["x"], {}, True),
        ("NotIn", ["x"], {"k": "x"}, False),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {"k": ""}, False),
    ],
)
def test_selectors_match_as_kubernetes_says(
    operator: str, values: list[str], found: dict[str, str], fits: bool
) -> None:
    selector = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    assert policies.matches(selector, found) is fits
