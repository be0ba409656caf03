"""What a machine lacks is found before a run starts, with what to do about it."""

from pathlib import Path

import psutil
import pytest

from services.cli.local.checks import check_disk, check_packages, memory_limit_bytes
from services.cli.local.config import LocalRunConfig
from services.cli.local.plan import RunPlan, plan_run
from services.kit.models import ModelStore
from services.kit.profiles import Profile


@pytest.fixture
def plan() -> RunPlan:
    profile = Profile.load("embedded-cpu", ModelStore.from_environment().catalog)
    return plan_run(profile, LocalRunConfig.read())


def test_a_full_disk_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    check = check_disk("disk", tmp_path / "not" / "made" / "yet", "LEDGE_STATE_DIR", least_bytes=10**18)
    assert check.level == "failure"
    assert "LEDGE_STATE_DIR" in check.sentence()
    assert check_disk("disk", tmp_path, "LEDGE_STATE_DIR", least_bytes=0).level != "failure"


def test_the_packages_of_the_default_profile_are_there(plan: RunPlan) -> None:
    assert check_packages(plan).level == "ok"


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The metadata of a release that needs one package nobody has, and another in a version that never was.
    metadata = tmp_path / "ledge-99.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(
        "Metadata-Version: 2.1\nName: ledge\nVersion: 99\n"
        "Requires-Dist: no-such-package>=2; extra == 'llm'\n"
        "Requires-Dist: numpy>=9999; extra == 'rag'\n"
        "Requires-Dist: not-for-this-profile; extra == 'vllm'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    check = check_packages(plan)
    assert check.level == "failure"
    assert "no-such-package>=2 for llm is not installed" in check.found
    assert "numpy>=9999 for rag is needed" in check.found
    assert "not-for-this-profile" not in check.found
    assert check.advice.startswith("run `pip install 'ledge[")


def test_memory_is_never_more_than_the_machine_has() -> None:
    assert 0 < memory_limit_bytes() <= psutil.virtual_memory().total
