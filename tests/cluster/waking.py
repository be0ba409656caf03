"""A stand-in for KEDA: asks the gateway by KEDA's own protocol whether a service is wanted, and scales it so.

Of a ScaledObject it takes what KEDA takes: whom to scale, and the trigger's metadata. It is not KEDA: neither its
operator nor its metrics server is here, and it knows no polling and no more than one pod.
"""

import contextlib
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import grpc
from keda_compat import external_scaler_pb2 as pb
from keda_compat import external_scaler_pb2_grpc as rpc

from tests.cluster.cluster import Release

SCALER_PORT = 50053
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@contextlib.contextmanager
def scaled(release: Release, service: str) -> Iterator[None]:
    """While it lasts, the service sleeps and wakes as the gateway says."""
    [told] = [
        each
        for each in release.cluster.objects("scaledobjects.keda.sh", release.namespace)
        if each["metadata"]["name"] == f"{release.name}-{service}"
    ]
    [trigger] = told["spec"]["triggers"]
    reference = pb.ScaledObjectRef(
        name=told["metadata"]["name"], namespace=release.namespace, scalerMetadata=trigger["metadata"]
    )
    with _forwarded(release) as address, grpc.insecure_channel(address) as channel:
        stream = rpc.ExternalScalerStub(channel).StreamIsActive(reference, wait_for_ready=True)
        thread = threading.Thread(target=_follow, args=(release, service, stream))
        thread.start()
        try:
            yield
        finally:
            stream.cancel()
            thread.join()


def _follow(release: Release, service: str, stream: Any) -> None:
    with contextlib.suppress(grpc.RpcError):
        for told in stream:
            release.scale(service, 1 if told.result else 0)


@contextlib.contextmanager
def _forwarded(release: Release) -> Iterator[str]:
    [pod] = release.pods("gateway")
    process = subprocess.Popen(
        ["kubectl", "port-forward", "-n", release.namespace, f"pod/{pod['metadata']['name']}", f":{SCALER_PORT}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"(127\.0\.0\.1:\d+)", line)
        assert match, line
        yield match[1]
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
