"""Enforces networking.k8s.io/v1 NetworkPolicy on one node with nftables: `python network_policies.py KUBECONFIG`.

What the API holds is read twice a second, and a table of nftables is replaced when it asks for another. Every pod that
a policy selects has a chain of what may pass, and the rest of its packets are dropped:

    forward hook (pod to pod; bridged frames too) ─► egress chain of the sender ─► ingress chain of the receiver
    input hook   (pod to node)                    ─► egress chain of the sender

The kubelet's probes come by the output hook, which is not filtered, as elsewhere. IPv4 alone, up to half a second late.
"""

import ipaddress
import json
import re
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = "testbed_policies"
PERIOD_S = 0.5
Object = Mapping[str, Any]


@dataclass(frozen=True)
class Direction:
    """What tells ingress from egress."""

    kind: str
    rules: str
    peers: str
    other: str
    """nftables' name for the address of the peer."""
    own: str


INGRESS = Direction("Ingress", "ingress", "from", "saddr", "daddr")
EGRESS = Direction("Egress", "egress", "to", "daddr", "saddr")


class Api:
    """Reads lists from the API server that a kubeconfig of this test bed names."""

    def __init__(self, kubeconfig: Path) -> None:
        text = kubeconfig.read_text()
        server, token, authority = (
            re.search(pattern, text)[1]  # type: ignore[index]
            for pattern in (r'server: "([^"]+)"', r'token: "([^"]+)"', r'certificate-authority: "([^"]+)"')
        )
        self._server, self._headers = server, {"Authorization": f"Bearer {token}"}
        self._context = ssl.create_default_context(cafile=authority)

    def items(self, path: str) -> list[Object]:
        # From the API server's memory, not from etcd.
        request = urllib.request.Request(f"{self._server}{path}?resourceVersion=0", headers=self._headers)  # noqa: S310
        with urllib.request.urlopen(request, context=self._context, timeout=5) as answer:  # noqa: S310
            items: list[Object] = json.load(answer)["items"]
            return items


@dataclass(frozen=True)
class Cluster:
    """What the policies are about, as it was at one moment."""

    pods: list[Object]
    namespaces: Mapping[str, Mapping[str, str]]
    policies: list[Object]

    @classmethod
    def read(cls, api: Api) -> "Cluster":
        pods = [pod for pod in api.items("/api/v1/pods") if address(pod) and not pod["spec"].get("hostNetwork")]
        pods = [pod for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]
        namespaces = {each["metadata"]["name"]: labels(each) for each in api.items("/api/v1/namespaces")}
        return cls(pods, namespaces, api.items("/apis/networking.k8s.io/v1/networkpolicies"))

    def table(self) -> str:
        """The table as nftables reads it, in one step instead of the old one."""
        chains: list[str] = []
        jumps: dict[str, list[str]] = {INGRESS.kind: [], EGRESS.kind: []}
        for pod in sorted(self.pods, key=address):
            for direction in (INGRESS, EGRESS):
                policies = [policy["spec"] for policy in self._selecting(pod) if direction.kind in kinds(policy)]
                if not policies:
                    continue
                name = f"{direction.kind.lower()}_{address(pod).replace('.', '_')}"
                passing = dict.fromkeys(line for policy in policies for line in self._passing(policy, pod, direction))
                chains.append("\n".join([f"  chain {name} {{", *passing, "    counter drop", "  }"]))
                jumps[direction.kind].append(f"{address(pod)} : jump {name}")

        def jump(direction: Direction) -> str:
            mapped = jumps[direction.kind]
            return f"    ip {direction.own} vmap {{ {', '.join(mapped)} }}\n" if mapped else ""

        known = "    ct state established,related accept\n"
        hook = "    type filter hook {} priority 10; policy accept;\n"
        return (
            f"add table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n"
            + "\n".join(chains)
            + f"\n  chain forward {{\n{hook.format('forward')}{known}{jump(EGRESS)}{jump(INGRESS)}  }}\n"
            + f"  chain input {{\n{hook.format('input')}{known}{jump(EGRESS)}  }}\n}}\n"
        )

    def _selecting(self, pod: Object) -> Iterator[Object]:
        for policy in self.policies:
            same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
            if same and matches(policy["spec"].get("podSelector") or {}, labels(pod)):
                yield policy

    def _passing(self, policy: Object, pod: Object, direction: Direction) -> Iterator[str]:
        for rule in policy.get(direction.rules) or ():
            peers = rule.get(direction.peers)
            if peers:
                addresses = sorted({each for peer in peers for each in self._addresses(peer, pod)})
                if not addresses:
                    continue
                who = f"ip {direction.other} {{ {', '.join(addresses)} }} "
            else:
                who = ""
            receivers = [pod] if direction is INGRESS else self.pods
            for port in ports(rule.get("ports"), receivers):
                yield f"    {who}{port}return"

    def _addresses(self, peer: Object, pod: Object) -> Iterator[str]:
        if "ipBlock" in peer:
            yield from networks(peer["ipBlock"])
            return
        for other in self.pods:
            namespace = other["metadata"]["namespace"]
            if "namespaceSelector" in peer:
                near = matches(peer["namespaceSelector"], self.namespaces.get(namespace, {}))
            else:
                near = namespace == pod["metadata"]["namespace"]
            if near and matches(peer.get("podSelector") or {}, labels(other)):
                yield address(other)


def address(pod: Object) -> str:
    return str((pod.get("status") or {}).get("podIP") or "")


def labels(thing: Object) -> Mapping[str, str]:
    return thing["metadata"].get("labels") or {}


def kinds(policy: Object) -> Iterable[str]:
    spec = policy["spec"]
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def matches(selector: Object, found: Mapping[str, str]) -> bool:
    """Whether labels are as a label selector asks; an empty selector asks for nothing."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if found.get(key) != value:
            return False
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], each.get("values") or []
        fits = {
            "In": key in found and found[key] in values,
            "NotIn": key not in found or found[key] not in values,
            "Exists": key in found,
            "DoesNotExist": key not in found,
        }[each["operator"]]
        if not fits:
            return False
    return True


def networks(block: Object) -> list[str]:
    """The networks of an `ipBlock`, less what it excepts."""
    left = [ipaddress.ip_network(block["cidr"])]
    for excepted in map(ipaddress.ip_network, block.get("except") or ()):
        left = [
            part
            for network in left
            for part in (network.address_exclude(excepted) if excepted.subnet_of(network) else [network])  # type: ignore[arg-type]
        ]
    return [str(network) for network in left if network.version == 4]


def ports(rule_ports: Iterable[Object] | None, receivers: list[Object]) -> Iterator[str]:
    """Matches of nftables for the ports of a rule; a name means what the receiving pods call so."""
    if not rule_ports:
        yield ""
        return
    for rule in rule_ports:
        protocol = rule.get("protocol", "TCP").lower()
        port = rule.get("port")
        if port is None:
            yield f"meta l4proto {protocol} "
            continue
        numbers = {port} if isinstance(port, int) else set(named_ports(port, receivers))
        for number in sorted(numbers):
            end = f"-{rule['endPort']}" if "endPort" in rule else ""
            yield f"{protocol} dport {number}{end} "


def named_ports(name: str, receivers: list[Object]) -> Iterator[int]:
    for pod in receivers:
        for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
            yield from (port["containerPort"] for port in container.get("ports") or () if port.get("name") == name)


def main() -> None:
    kubeconfig = Path(sys.argv[1])
    applied = None
    while True:
        try:
            table = Cluster.read(Api(kubeconfig)).table()
            if table != applied:
                subprocess.run(["nft", "-f", "-"], input=table.encode(), check=True)
                applied = table
                print(time.strftime("%T"), "applied", table.count("chain ") - 2, "chains", flush=True)
        except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
            print(time.strftime("%T"), "not read:", error, flush=True)
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    main()
