"""`ledge up --cluster`: the chart installed by Helm with the values of a profile, watched until it is ready."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from services.cli.cluster.access import Cluster
from services.cli.cluster.watching import EXIT_READY, EXIT_STUCK, watch
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed, InvalidInput, NotFound

HELM_TIMEOUT_S = 300


def install(
    cluster: Cluster,
    release: str,
    context: str | None,
    profile: str,
    values: Sequence[Path],
    chart: Path | None,
    timeout_s: float,
    console: Console,
) -> None:
    """Returns when every pod is ready.

    Args:
        profile: one of the chart's values files.
        values: files laid over it, in this order.
        chart: None: the one of this checkout.

    Raises:
        NotFound: there is no chart, no such profile, or no Helm; says what to call instead.
        EngineFailed: Helm refuses or does not end, or the release is stuck when the time is over; says why.
    """
    chart = chart or deploy_directory().parent / "helm" / "ledge"
    command = ["upgrade", "--install", release, str(chart), "--namespace", cluster.namespace, "--create-namespace"]
    command += ["--kube-context", context] if context else []
    for file in (_of_profile(chart, profile), *values):
        if not file.is_file():
            raise InvalidInput(f"{file} is not there")
        command += ["--values", str(file)]
    helm = shutil.which(os.environ.get("HELM", "helm"))
    if helm is None:
        raise NotFound(f"there is no helm here: install it, or call elsewhere: {shlex.join(['helm', *command])}")
    console.print(f"helm {shlex.join(command)}", style="dim", soft_wrap=True, markup=False)
    try:
        done = subprocess.run([helm, *command], capture_output=True, text=True, timeout=HELM_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise EngineFailed(
            f"helm has not ended after {HELM_TIMEOUT_S} s and was stopped: does the cluster answer? How far it came: "
            f"helm status {release} --namespace {cluster.namespace}"
        ) from error
    if done.returncode:
        raise EngineFailed(f"helm refuses: {' '.join(done.stderr.split())}")
    code = watch(cluster, release, timeout_s=timeout_s, console=console)
    if code != EXIT_READY:
        how = "is stuck" if code == EXIT_STUCK else "is not ready"
        raise EngineFailed(
            f"the release {how} after {timeout_s:.0f} s; it goes on by itself where it can: "
            f"ledge status --cluster --namespace {cluster.namespace} --release {release} --watch"
        )


def _of_profile(chart: Path, profile: str) -> Path:
    shipped = sorted(path.stem.removeprefix("values-") for path in chart.glob("values-*.yaml"))
    if not shipped:
        raise NotFound(f"there is no chart of Ledge in {chart}: name it with --chart")
    if profile not in shipped:
        raise NotFound(f"the chart has no values for the profile {profile!r}, only for {', '.join(shipped)}")
    return chart / f"values-{profile}.yaml"
