"""`make e2e` around its tests: whose test bed it ends, what it says of its steps, from where the upgrade begins."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import cluster, test_killing
from tests.cluster.cluster import Cluster, Release
from tests.helm.chart import CHART, helm_program

ROOT = Path(__file__).parent.parent.parent
TESTBED = """
import os, sys
told = open("told", "a")
told.write(sys.argv[1] + "\\n")
told.write(f"models are in {os.environ['E2E_MODELS_CLASS']}\\n" if sys.argv[1] == "run" else "")
told.write("the skip says: " + os.environ.get("E2E_EARLIER_MISSING", "") + "\\n" if sys.argv[1] == "run" else "")
sys.exit("refused" if sys.argv[1] == os.environ.get("REFUSES") else 0)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script in a checkout whose test bed only writes down what it is told."""
    root = tmp_path / "checkout"
    for name in ("deploy/e2e.sh", "deploy/e2e-earlier", "tests/cluster/figures.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name, text in {"deploy/testbed/testbed.py": TESTBED, ".venv/bin/ledge": "#!/bin/sh\n"}.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    (root / ".venv/bin/ledge").chmod(0o755)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    return root


def run(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name != "KUBECONFIG" and not name.startswith("E2E_")}
    given = {**known, "E2E_IMAGES": "images.tar", "TMPDIR": str(root), **environment}
    return subprocess.run([root / "deploy/e2e.sh"], env=given, capture_output=True, text=True, timeout=60)


def told(root: Path) -> list[str]:
    return (root / "told").read_text().splitlines()


def test_where_a_test_bed_is_up_nothing_is_built_and_it_stays_up(checkout: Path) -> None:
    done = run(checkout, REFUSES="check")
    assert done.returncode != 0
    assert told(checkout) == ["check"]
    assert not list(checkout.glob("ledge-models.*"))


def test_half_a_test_bed_is_one_that_is_up(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "found-before.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/testbed/testbed.py", "check"],
        env={**os.environ, "LEDGE_TESTBED_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "a test bed is up already" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="models are given to the user of the images: needs root")
@pytest.mark.parametrize(("refuses", "after"), [("up", []), ("run", ["run"])])
def test_a_test_bed_that_failed_is_ended_and_the_steps_are_noted(
    checkout: Path, refuses: str, after: list[str]
) -> None:
    done = run(checkout, REFUSES=refuses)
    assert done.returncode != 0
    assert [each for each in told(checkout) if " " not in each] == ["check", "check", "up", *after, "down"]
    seen = json.loads((checkout / "build" / "e2e.json").read_text())["ended_after_s"]
    assert list(seen) == [*(["the cluster is up"] if after else []), "tests have ended", "all is down"]
    assert not list(checkout.glob("ledge-models.*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="models are given to the user of the images: needs root")
def test_images_that_weigh_too_much_are_tested_and_fail_the_end(checkout: Path) -> None:
    building(checkout, 'mkdir -p build/images && echo \'{"over": ["gateway"]}\' > build/images/sizes.json; exit 1')
    done = run(checkout, E2E_IMAGES="")
    assert done.returncode != 0
    assert "images weigh more than their budgets" in done.stderr
    assert {"run", "down"} < set(told(checkout))
    seen = json.loads((checkout / "build" / "e2e.json").read_text())
    assert seen["images"]["sizes"]["over"] == ["gateway"]


def test_images_that_cannot_be_built_end_it_at_once(checkout: Path) -> None:
    building(checkout, "exit 1")
    assert run(checkout, E2E_IMAGES="").returncode != 0
    assert told(checkout) == ["check"]


def building(root: Path, does: str) -> None:
    (root / "deploy/images.sh").write_text(f"#!/bin/sh\n{does}\n")
    (root / "deploy/images.sh").chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="models are given to the user of the images: needs root")
def test_a_revision_that_the_clone_lacks_is_told_loudly_and_the_rest_is_tested(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 0, done.stderr
    revision = (ROOT / "deploy" / "e2e-earlier").read_text().strip()
    assert f"!!! the revision {revision} is not in this clone" in done.stderr
    assert f"the skip says: the revision {revision} is not in this clone, so nothing is there to upgrade from" in told(
        checkout
    )
    assert "models are in testbed-models" in told(checkout)


def test_steps_before_the_tests_stay_beside_their_rows_and_those_of_another_run_go(tmp_path: Path) -> None:
    file = tmp_path / "e2e.json"
    program = (
        "from tests.cluster import figures\n"
        "figures.add('ended_after_s', 'images are built', 12)\nfigures.begin()\nfigures.note('row', calls=3)\n"
    )

    def after_a_run() -> dict[str, Any]:
        environment = {**os.environ, "E2E_FIGURES": str(file)}
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    first = after_a_run()
    assert first["ended_after_s"] == {"images are built": 12}
    assert first["rows"]["row"]["calls"] == 3
    file.write_text(json.dumps({"ended_after_s": {"of another run": 1}, "rows": {"old": {}}}))
    second = after_a_run()
    assert "of another run" not in second.get("ended_after_s", {})
    assert list(second["rows"]) == ["row"]


@pytest.mark.parametrize(("models_class", "does"), [("", "pull"), ("testbed-models", "verify")])
def test_a_claim_that_nobody_filled_is_filled_by_the_job(
    monkeypatch: pytest.MonkeyPatch, models_class: str, does: str
) -> None:
    monkeypatch.setattr(cluster, "MODELS_CLASS", models_class)
    release = Release(Cluster(), "e2e", CHART, CHART / "values-ci.yaml")
    rendered = subprocess.run(
        [
            *(helm_program(), "template", "ledge", str(CHART), "-f", str(release.values), *release.settings()),
            *("--kube-version", "1.36.0", "-s", "templates/models.yaml"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f"command: [ledge, models, {does}]" in rendered


@pytest.mark.parametrize(
    ("status", "error", "is_clear"),
    [
        (503, {"error": {"message": "a service that this call needs cannot be reached"}}, True),
        (503, {"message": "a service that this call needs is stopping", "detail": "the same"}, True),
        (503, {"error": "a service that this call needs cannot be reached"}, True),
        (502, {"error": {"message": "a service that this call needs cannot be reached"}}, False),
        (500, {"error": {"message": "it failed"}}, False),
        (500, {"error": {"message": "a service failed: Traceback (most recent call last)"}}, False),
        (503, {"error": {"message": "a service at 198.18.0.7 cannot be reached"}}, False),
        (503, {}, False),
    ],
)
def test_a_clear_error_is_a_sentence_without_insides(status: int, error: object, is_clear: bool) -> None:
    assert test_killing.is_clear({"status": status, "text": json.dumps(error)}) == is_clear
