"""Reaches the API of a Kubernetes cluster, from outside it or from a pod; what fails is an error of the suite.

The package `kubernetes` is the extra `cluster`, and is imported when it is wanted: it costs 40 MB and half a second.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.kit.errors import EngineFailed, InvalidInput, NotFound, NotReady

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses of an API server that is strained or starts: another try may go well."""


class Forbidden(EngineFailed):
    """The cluster knows the caller and does not let him."""


@dataclass(frozen=True)
class Access:
    """A way to one cluster."""

    client: Any
    """A `kubernetes.client.ApiClient`."""
    host: str
    namespace: str
    """The context's, or the pod's own."""


def connect(context: str | None = None) -> Access:
    """Takes KUBECONFIG, then ~/.kube/config, then (in a pod) the pod's own account.

    Args:
        context: of the kubeconfig; None: the current one.

    Raises:
        EngineFailed: none of these is there, or the package is not.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise EngineFailed("this needs the package kubernetes: pip install 'ledge[cluster]'") from error
    configuration = client.Configuration()
    try:
        file = os.environ.get("KUBECONFIG") or None  # asked here: the package asks once, when it is imported
        config.load_kube_config(config_file=file, context=context, client_configuration=configuration)
        namespace = _context_namespace(file, context)
    except config.ConfigException as error:
        if context is not None or "KUBERNETES_SERVICE_HOST" not in os.environ:
            raise EngineFailed(f"no cluster is named: set KUBECONFIG, or make ~/.kube/config ({error})") from error
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException as missing:
            raise EngineFailed(f"this pod has no account of the cluster: {missing}") from missing
        namespace = POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.is_file() else "default"
    # A cluster that is away is told at once, not after three more tries.
    configuration.retries = False
    return Access(client.ApiClient(configuration), str(configuration.host), namespace)


@contextlib.contextmanager
def told(what: str, host: str) -> Iterator[None]:
    """Turns what the client raises into errors of the suite.

    Args:
        what: what was asked for, as "list pods in ledge".
    """
    import urllib3
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        if error.status == 403:
            raise Forbidden(f"the cluster does not let you {what}") from error
        if error.status == 401:
            raise EngineFailed(f"the cluster at {host} does not know you: are the credentials old?") from error
        if error.status == 404:
            raise NotFound(f"the cluster does not have it: {what}") from error
        if error.status == 400:
            raise InvalidInput(f"the cluster refuses to {what}: {_message(error)}") from error
        if error.status in PASSING:
            raise NotReady(f"the cluster cannot {what} now: {_message(error)}") from error
        raise EngineFailed(f"the cluster cannot {what}: {_message(error)}") from error
    except urllib3.exceptions.HTTPError as error:
        raise NotReady(f"the cluster at {host} cannot be reached: {_cause(error)}") from error


def _context_namespace(file: str | None, context: str | None) -> str:
    """As `kubectl` finds it."""
    from kubernetes import config

    contexts, current = config.list_kube_config_contexts(config_file=file)
    if context is not None:
        current = next((each for each in contexts if each["name"] == context), {})
    return str(((current or {}).get("context") or {}).get("namespace") or "default")


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def _cause(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition(": ")[2] or text
