"""Ten times more than the machine can do: what is accepted is served in time, the rest is told when to come again."""

import json

import pytest

from tests.cluster import figures
from tests.cluster.client import Pod
from tests.cluster.cluster import Release

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_overload_is_refused_with_a_delay_and_what_is_accepted_is_served_in_time(
    release: Release, client: Pod, gateway: str
) -> None:
    before = release.restarts()
    told = json.loads(client.program("overload", gateway, "smollm2-135m-instruct", timeout_s=280))
    figures.note("overload", **told)
    # Ten times as much is meant; a machine that is busy offers less.
    assert told["offered_per_s"] >= 5 * told["capacity_per_s"]
    assert set(told["statuses"]) == {"200", "429"}, told
    assert told["refused_without_a_delay"] == 0
    # All that may wait, at the pace that was measured, and as much again for what other work takes of it.
    assert told["accepted_ms"]["100"] <= 2 * 1000 * told["may_wait"] / told["capacity_per_s"], told
    assert release.restarts() == before
