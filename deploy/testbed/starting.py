"""Brings up a Kubernetes node with everything that belongs to it, in a network namespace without a way out.

etcd ◄─ kube-apiserver ◄─┬─ kube-controller-manager, kube-scheduler
                         ├─ kubelet ─► containerd ─► pods, CoreDNS among them
                         ├─ kube-proxy ─► nftables
                         └─ network_policies.py ─► nftables
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from string import Template

from binaries import KUBERNETES_NAMES, build_all
from place import API, DNS_ADDRESS, NODE, NODE_ADDRESS, NODE_NETWORK, PODS, SERVICES, Place
from scratch_image import write_image
from stopping import cgroup_folders

HERE = Path(__file__).parent
PAUSE_IMAGE = "ledge.local/testbed/pause:1"
DNS_IMAGE = "ledge.local/testbed/coredns:1"
VOLUMES = 16
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "proxy": ("system:kube-proxy", ""),
    "network-policies": ("testbed:network-policies", ""),
}
"""Who shows which name and group to the API."""


def refuse_a_second(place: Place) -> None:
    """Raises SystemExit where a test bed is up, or half up, or another kubelet is at work."""
    if place.found_before.file.exists() or Path(f"/run/netns/{place.namespace}").exists():
        raise SystemExit("a test bed is up already: `testbed.py down` ends it")
    for folder in cgroup_folders():
        raise SystemExit(f"another kubelet has pods on this machine ({folder}): two would end each other's")


class Starting:
    """One bringing up, step by step; `steps` says how long each took."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.steps: dict[str, float] = {}
        self._began_s = time.monotonic()

    def bring_up(self, images: list[Path], models: Path | None) -> None:
        refuse_a_second(self.place)
        programs = build_all()
        self._done("programs")
        self._lay_out(programs)
        self._make_network()
        self._write_users()
        self._write_settings()
        self._start("containerd", "containerd", "-c", self.place.etc / "containerd.toml")
        self._start_etcd_and_api()
        self._done("API answers")
        # Scratch images are small, and the first pod waits for them.
        self._wait("containerd", lambda: self.place.containerd("version").returncode == 0)
        for name, image in (("pause", PAUSE_IMAGE), ("dns", DNS_IMAGE)):
            archive = self.place.directory / f"{name}.tar"
            write_image(programs[name], image, archive)
            self.load(archive)
        self._start_node()
        self.place.kubectl("apply", "--server-side", "-f", "-", stdin=self._filled("cluster.yaml"))
        self._make_volumes(models)
        self._wait("the node", lambda: " Ready" in self.place.kubectl("get", "node", NODE, check=False))
        self._done("node ready")
        for archive in images:
            self.load(archive)
        if images:
            self._done("images loaded")
        self.place.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=180s")
        self._done("names are answered")

    def load(self, archive: Path) -> None:
        """Takes an archive of images, a layout as `deploy/images.sh` leaves it or what `docker save` writes."""
        done = self.place.containerd("images", "import", archive)
        if done.returncode:
            raise SystemExit(f"{archive} cannot be loaded: {done.stderr.strip()[-500:]}")

    def _lay_out(self, programs: dict[str, Path]) -> None:
        place = self.place
        for folder in (place.run, place.log, place.etc / "cni", place.keys, place.programs, place.volumes):
            folder.mkdir(parents=True, exist_ok=True)
        for name in KUBERNETES_NAMES:
            link = place.programs / name
            link.unlink(missing_ok=True)
            link.symlink_to(programs["kube"])
        # The kubelet writes settings of the whole kernel: `down` puts them back.
        place.found_before.keep()

    def _make_network(self) -> None:
        subprocess.run(["ip", "netns", "add", self.place.namespace], check=True)
        for command in (
            "ip link set lo up",
            "ip link add br-node type bridge",
            f"ip address add {NODE_NETWORK} dev br-node",
            "ip link set br-node up",
            "sysctl -qw net.ipv4.ip_forward=1",
            # A packet for a ClusterIP needs some route, or it never comes to where kube-proxy rewrites it.
            f"ip route replace {SERVICES} dev br-node",
        ):
            subprocess.run(self.place.inside(command.split()), check=True)

    def _write_users(self) -> None:
        place = self.place
        key, public = str(place.keys / "accounts.key"), str(place.keys / "accounts.pub")
        for command in (
            ["openssl", "genrsa", "-out", key, "2048"],
            ["openssl", "rsa", "-in", key, "-pubout", "-out", public],
        ):
            subprocess.run(command, check=True, capture_output=True)
        lines = []
        for file, (name, group) in USERS.items():
            token = secrets.token_hex(16)
            lines.append(f'{token},{name},{file},"{group}"\n')
            self._private(place.etc / f"{file}.kubeconfig", KUBECONFIG.substitute(token=token, state=place.directory))
        self._private(place.keys / "tokens.csv", "".join(lines))

    def _private(self, file: Path, text: str) -> None:
        file.touch(mode=0o600)
        file.write_text(text)

    def _filled(self, name: str) -> str:
        return Template((HERE / "etc" / name).read_text()).substitute(
            state=self.place.directory,
            namespace=self.place.namespace,
            node=NODE,
            node_address=NODE_ADDRESS,
            pods=PODS,
            dns_address=DNS_ADDRESS,
            pause_image=PAUSE_IMAGE,
            dns_image=DNS_IMAGE,
        )

    def _write_settings(self) -> None:
        for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml"):
            (self.place.etc / name).write_text(self._filled(name))
        (self.place.etc / "cni" / "10-testbed.conflist").write_text(self._filled("cni.conflist"))
        (self.place.etc / "resolv.conf").write_text("")

    def _start_etcd_and_api(self) -> None:
        place, keys = self.place, self.place.keys
        self._start(
            "etcd",
            "etcd",
            f"--data-dir={place.directory}/etcd",
            # A cluster that nobody keeps need not survive a power cut.
            "--unsafe-no-fsync",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
        )
        self._start(
            "apiserver",
            place.programs / "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--bind-address={NODE_ADDRESS}",
            f"--advertise-address={NODE_ADDRESS}",
            "--secure-port=6443",
            f"--cert-dir={keys}/api",
            f"--service-cluster-ip-range={SERVICES}",
            f"--token-auth-file={keys}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={keys}/accounts.pub",
            f"--service-account-signing-key-file={keys}/accounts.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        )
        self._wait("kube-apiserver", lambda: self.place.kubectl("get", "--raw", "/readyz", check=False) == "ok")

    def _start_node(self) -> None:
        place = self.place
        for name, program, more in (
            (
                "controllers",
                "kube-controller-manager",
                [
                    f"--service-account-private-key-file={place.keys}/accounts.key",
                    f"--root-ca-file={place.keys}/api/apiserver.crt",
                    "--use-service-account-credentials=true",
                ],
            ),
            ("scheduler", "kube-scheduler", []),
        ):
            known_by = f"{place.etc}/{name}.kubeconfig"
            self._start(
                name,
                place.programs / program,
                f"--kubeconfig={known_by}",
                f"--authentication-kubeconfig={known_by}",
                f"--authorization-kubeconfig={known_by}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--cert-dir={place.keys}/{name}",
                *more,
            )
        self._start(
            "kubelet",
            place.programs / "kubelet",
            f"--config={place.etc}/kubelet.yaml",
            f"--kubeconfig={place.etc}/kubelet.kubeconfig",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={place.directory}/kubelet",
            f"--cert-dir={place.keys}/kubelet",
        )
        self._start("proxy", place.programs / "kube-proxy", f"--config={place.etc}/kube-proxy.yaml")
        self._start(
            "network-policies", sys.executable, HERE / "network_policies.py", place.etc / "network-policies.kubeconfig"
        )

    def _make_volumes(self, models: Path | None) -> None:
        """Volumes that claims take one by one, and one that holds models already, of the class `testbed-models`."""
        volumes = []
        for number in range(VOLUMES):
            folder = self.place.volumes / str(number)
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
            volumes.append(VOLUME.substitute(name=f"testbed-{number}", kind="testbed", path=folder))
        if models is not None:
            volumes.append(VOLUME.substitute(name="testbed-models", kind="testbed-models", path=models.absolute()))
        self.place.kubectl("apply", "--server-side", "-f", "-", stdin="---\n".join(volumes))

    def _start(self, name: str, *command: str | Path) -> None:
        """Runs on after this process; its output is in the folder of logs, and `down` finds it by the namespace."""
        with (self.place.log / f"{name}.log").open("ab") as log:
            subprocess.Popen(
                self.place.inside(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )

    def _wait(self, what: str, come: Callable[[], bool], timeout_s: float = 180) -> None:
        until_s = time.monotonic() + timeout_s
        while not come():
            if time.monotonic() > until_s:
                raise SystemExit(f"{what} did not come within {timeout_s:.0f} s: see {self.place.log}")
            time.sleep(0.2)

    def _done(self, step: str) -> None:
        self.steps[step] = time.monotonic() - self._began_s
        print(f"{step:<24}{self.steps[step]:>6.1f} s", flush=True)


KUBECONFIG = Template(
    f"""apiVersion: v1
kind: Config
clusters: [{{name: testbed, cluster: {{server: "{API}", certificate-authority: "$state/keys/api/apiserver.crt"}}}}]
users: [{{name: testbed, user: {{token: "$token"}}}}]
contexts: [{{name: testbed, context: {{cluster: testbed, user: testbed}}}}]
current-context: testbed
"""
)
VOLUME = Template(
    """apiVersion: v1
kind: PersistentVolume
metadata: {name: "$name"}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce, ReadWriteMany, ReadOnlyMany]
  storageClassName: "$kind"
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: "$path", type: Directory}
"""
)
