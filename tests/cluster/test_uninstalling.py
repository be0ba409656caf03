"""The end of a release."""

import pytest

from tests.cluster.cluster import Cluster, Release, until
from tests.cluster.test_boundaries import places_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

KINDS = (
    "deployments,replicasets,statefulsets,services,configmaps,jobs,networkpolicies,serviceaccounts,roles,"
    "rolebindings,poddisruptionbudgets"
)


def test_after_all_that_was_done_no_secret_has_come_out(cluster: Cluster, release: Release, peer_key: str) -> None:
    assert places_of(peer_key, cluster, release) == []


def test_uninstalling_leaves_only_the_claims(release: Release) -> None:
    release.uninstall()
    of_the_release = ("-n", release.namespace, "-l", f"app.kubernetes.io/instance={release.name}", "-o", "name")
    # Helm does not wait for what belongs to what it deletes.
    until(lambda: not release.cluster.kubectl("get", KINDS, *of_the_release).split(), 60, "all of the release is gone")
    # Pods make Leases, not Helm: whatever their labels, none may be left of a release that takes no turns at loading.
    assert release.cluster.kubectl("get", "leases", "-n", release.namespace, "-o", "name").split() == []
    secrets = release.cluster.kubectl("get", "secrets", "-n", release.namespace, "-o", "name").split()
    assert secrets == ["secret/ledge-keys"]
    claims = release.cluster.kubectl("get", "pvc", "-n", release.namespace, "-o", "name").split()
    assert sorted(claims) == [
        f"persistentvolumeclaim/{release.name}-models",
        f"persistentvolumeclaim/{release.name}-retrieval",
    ]
