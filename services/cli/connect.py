"""`ledge connect`: a release in Kubernetes at ports of this machine, until it is interrupted."""

import threading
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from services.cli.local.config import ORDER, PORT_BASE
from services.cli.terminal import open_console
from services.kit.errors import EngineFailed, NotFound

if TYPE_CHECKING:
    from services.cli.cluster.access import Cluster

GRPC_PORT, GATEWAY_PORT = 50051, 8000
"""On which pods of every service, and of the gateway, listen."""


def command(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="The release's.", show_default="kubectl's")
    ] = None,
    release: Annotated[str, typer.Option(help="Its name in Helm.")] = "ledge",
    context: Annotated[str | None, typer.Option(help="Of the kubeconfig.", show_default="the current one")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Local port of the gateway; 0: a free one.")] = 8000,
    grpc: Annotated[bool, typer.Option("--grpc", help="Every service, too, as the other commands need it.")] = False,
    port_base: Annotated[
        int, typer.Option(min=1024, max=65000, help="With --grpc, the local port of the first service.")
    ] = PORT_BASE,
) -> None:
    """Reach a release from this machine: its page, its HTTP API, and with --grpc every service. Ctrl-C ends it.

    It needs `get` and `list` of pods, `list` of deployments and services, and `create` of pods/portforward in the
    namespace.
    """
    open_to(namespace, release, context, port, port_base if grpc else None)


def open_to(namespace: str | None, release: str, context: str | None, port: int, port_base: int | None) -> None:
    """Forwards until it is interrupted.

    Args:
        port_base: None: the gateway alone.

    Raises:
        EngineFailed: the caller may not see which services there are. NotFound: none that was asked for is there.
    """
    from services.cli.cluster.access import Cluster
    from services.cli.cluster.forwarding import Forward

    console = open_console()
    cluster = Cluster(namespace, context)
    there = cluster.snapshot(release)
    services = {deployment["metadata"]["labels"]["app.kubernetes.io/component"] for deployment in there.deployments}
    tell_lock = threading.Lock()

    def tell(line: str) -> None:
        with tell_lock:
            console.print(Text(line, "yellow"), soft_wrap=True)

    wanted = [("gateway", GATEWAY_PORT, port)] if "gateway" in services else []
    if port_base is not None:
        wanted += [(name, GRPC_PORT, port_base + number) for number, name in enumerate(ORDER) if name in services]
    if not there.deployments:
        # Without them it would wait with no port open.
        why = "; ".join(note for note in there.notes if "deployments" in note) or "it has no Deployment yet"
        raise EngineFailed(f"which services the release {release} has cannot be seen: {why}")
    if not wanted:
        raise NotFound(f"the release {release} has no gateway: --grpc forwards its services")
    forwards: list[Forward] = []
    try:
        for service, pod_port, local_port in wanted:
            own = Cluster(cluster.namespace, context)
            forward = Forward(own, release, service, pod_port, tell, local_port)
            forward.listen()
            forwards.append(forward)
        _tell_how(console, {forward.service: forward.port for forward in forwards}, _scheme(cluster, release))
        threading.Event().wait()
    finally:
        for forward in forwards:
            forward.close()


def _scheme(cluster: "Cluster", release: str) -> str:
    from services.cli.cluster.access import INSTANCE

    doors = cluster.objects("services", f"{INSTANCE}={release},app.kubernetes.io/component=gateway")
    ports = [port for door in doors for port in door["spec"].get("ports") or ()]
    return "https" if any(port.get("appProtocol") == "https" for port in ports) else "http"


def _tell_how(console: Console, ports: dict[str, int], scheme: str) -> None:
    lines = []
    if "gateway" in ports:
        address = f"{scheme}://127.0.0.1:{ports['gateway']}"
        lines += [(f"{address}/", "open this in a browser, and talk")]
        lines += [(f"curl {address}/v1/models", "HTTP; with keys: -H 'Authorization: Bearer …'")]
        lines += [
            (f"OPENAI_BASE_URL={address}/v1", "for any OpenAI client: model ledge-rag answers from the documents")
        ]
    for service, port in ports.items():
        if service != "gateway":
            lines += [(f"export LEDGE_{service.upper()}_ADDRESS=127.0.0.1:{port}", f"for commands that call {service}")]
    for line, meaning in lines:
        console.print(Text(f"  {line}") + Text(f"   # {meaning}", "dim"), soft_wrap=True)
    console.print("Ctrl-C ends it", style="dim")
