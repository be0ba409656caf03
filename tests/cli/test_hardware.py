"""Which profile is made for which machine."""

from pathlib import Path

import pytest

from services.cli.local.hardware import Machine, best_fit, check_profiles, read_gpus, this_machine
from services.kit.deploy import deploy_directory
from services.kit.models import Catalog
from services.kit.profiles import Profile, shipped_profiles

CATALOG = Catalog.load(deploy_directory() / "models.yaml")
PROFILES = [Profile.load(name, CATALOG) for name in shipped_profiles()]
GB = 10**9
L4 = ("NVIDIA L4", 23034 * 2**20)
H100 = ("NVIDIA H100 80GB HBM3", 81559 * 2**20)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine(2, 4 * GB), "embedded-cpu"),
        (Machine(8, 16 * GB), "cpu"),
        (Machine(8, 32 * GB, (L4,)), "gpu-24g"),
        (Machine(16, 64 * GB, (H100,)), "gpu-80g"),
        (Machine(32, 256 * GB, (H100, H100)), "gpu-2x80g"),
        (Machine(32, 256 * GB, (L4, L4)), "gpu-24g"),
        (Machine(16, 64 * GB, (), 1), "tenstorrent"),
        # A large GPU in a small machine: what else runs there would not fit.
        (Machine(4, 8 * GB, (H100,)), "embedded-cpu"),
    ],
    ids=str,
)
def test_a_machine_gets_the_profile_that_makes_most_of_it(machine: Machine, name: str) -> None:
    best = best_fit(machine, PROFILES)
    assert best is not None
    assert best.name == name


def test_no_profile_fits_a_machine_that_is_too_small() -> None:
    assert best_fit(Machine(1, GB), PROFILES) is None


def test_the_check_says_what_the_others_want_and_advises_the_better_one() -> None:
    check = check_profiles(Machine(8, 16 * GB), PROFILES, "embedded-cpu")
    assert "cpu fits best" in check.found
    assert "gpu-24g wants 32.0 GB and 1 GPU of 24.0 GB" in check.found
    assert "tenstorrent wants a Tenstorrent card" in check.found
    assert "--profile cpu" in check.advice
    assert not check_profiles(Machine(2, 4 * GB), PROFILES, "embedded-cpu").advice


def test_gpus_are_read_from_nvidia_smi() -> None:
    assert list(read_gpus("NVIDIA L4, 23034\nNVIDIA GH200, 480GB, 97871\n[N/A], [N/A]\n")) == [
        L4,
        ("NVIDIA GH200, 480GB", 97871 * 2**20),
    ]


def test_tenstorrent_cards_are_counted_by_their_devices(tmp_path: Path) -> None:
    for name in ("0", "1", "by-id"):
        (tmp_path / name).mkdir()
    assert this_machine(tmp_path).tenstorrent == 2
    assert this_machine(tmp_path / "absent").tenstorrent == 0
