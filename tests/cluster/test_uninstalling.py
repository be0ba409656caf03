"""The end of a release."""

import pytest

from tests.cluster.cluster import Release

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

KINDS = (
    "deployments,replicasets,statefulsets,services,configmaps,jobs,networkpolicies,serviceaccounts,roles,"
    "rolebindings,poddisruptionbudgets,leases"
)


def test_uninstalling_leaves_only_the_claims(release: Release) -> None:
    release.uninstall()
    of_the_release = ("-n", release.namespace, "-l", f"app.kubernetes.io/instance={release.name}", "-o", "name")
    assert release.cluster.kubectl("get", KINDS, *of_the_release).split() == []
    secrets = release.cluster.kubectl("get", "secrets", "-n", release.namespace, "-o", "name").split()
    assert secrets == ["secret/ledge-keys"]
    claims = release.cluster.kubectl("get", "pvc", "-n", release.namespace, "-o", "name").split()
    assert sorted(claims) == [
        f"persistentvolumeclaim/{release.name}-models",
        f"persistentvolumeclaim/{release.name}-retrieval",
    ]
