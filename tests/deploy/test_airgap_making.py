"""Making a bundle from a checkout: whole, the same each time, and never one that the chart would find wanting."""

import json
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deploy.small_bundle import ROOT, airgap, sha256, write_images
from tests.helm.chart import helm_program

CHART = ROOT / "helm" / "ledge"
MODELS = ("smollm2-135m-instruct", "all-minilm-l6-v2")
WEIGHTS = b"few weights" * 1000


@dataclass(frozen=True)
class Site:
    """What a bundle is made from, small: images for every service of the default profile, and its models."""

    folder: Path
    helm: str
    wanted: tuple[str, ...]

    @property
    def images(self) -> Path:
        return self.folder / "images.tar"

    def make(self, name: str = "bundle", *more: str) -> "subprocess.CompletedProcess[str]":
        given = ("--images", self.images, "--models-dir", self.folder / "models", "--helm", self.helm)
        return airgap("make", self.folder / name, *given, "--without-helm", *more)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder, helm = tmp_path_factory.mktemp("site"), helm_program()
    shown = subprocess.run(
        [helm, "template", "ledge", CHART, "-f", CHART / "values-embedded-cpu.yaml"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    wanted = tuple(sorted(set(re.findall(r"image: (\S+)", shown))))
    assert len(wanted) > 10
    write_images(folder / "images.tar", wanted)
    shipped = yaml.safe_load((ROOT / "deploy" / "models.yaml").read_text())["models"]
    file = {"path": "weights.bin", "size_bytes": len(WEIGHTS), "sha256": sha256(WEIGHTS)}
    small = [entry | {"files": [file]} for entry in shipped if entry["id"] in MODELS]
    for model in MODELS:
        (folder / "models" / model).mkdir(parents=True)
        (folder / "models" / model / "weights.bin").write_bytes(WEIGHTS)
        recorded = {"sha256": {"weights.bin": sha256(WEIGHTS)}}
        (folder / "models" / model / ".verified").write_text(json.dumps(recorded))
    (folder / "models" / "pinned.yaml").write_text(yaml.safe_dump({"models": small}))
    return Site(folder, helm, wanted)


def manifest_of(bundle: Path) -> dict[str, object]:
    """Without the commit, which may change while a test runs in a checkout that is worked in."""
    document: dict[str, object] = json.loads((bundle / "manifest.json").read_text())
    return document | {"revision": ""}


def test_what_is_made_is_whole_and_says_what_it_holds(site: Site) -> None:
    done = site.make()
    assert done.returncode == 0, done.stderr
    bundle = site.folder / "bundle"
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert sorted(manifest["images"]) == sorted(site.wanted)
    assert sorted(manifest["models"]) == sorted(MODELS)
    held = {file["path"] for file in manifest["files"]}
    assert {"models/pinned.yaml", "values/values-airgap.yaml", "airgap/__main__.py"} <= held
    assert len([name for name in held if name.startswith("sbom/")]) == len(site.wanted)
    bill = next(name for name in held if name.startswith("sbom/llm-"))
    assert "ledge.local/ledge/llm:" in (bundle / bill).read_text()

    # By the program that it carries, from anywhere.
    verified = subprocess.run([os.sys.executable, bundle / "airgap", "verify"], capture_output=True, text=True, cwd="/")
    assert verified.returncode == 0, verified.stderr
    assert "whole" in verified.stdout


def test_the_chart_in_a_bundle_renders_as_the_one_it_was_made_from(site: Site, tmp_path: Path) -> None:
    assert site.make().returncode == 0
    (chart,) = (site.folder / "bundle" / "charts").iterdir()
    outputs = [
        subprocess.run([site.helm, "template", "ledge", each], check=True, capture_output=True, text=True).stdout
        for each in (chart, CHART)
    ]
    assert outputs[0] == outputs[1]
    with tarfile.open(chart) as tar:
        assert all(name.startswith("ledge/") for name in tar.getnames())


def test_made_twice_it_is_the_same_and_made_again_nothing_is_written_anew(site: Site) -> None:
    assert site.make("one").returncode == 0
    assert site.make("two").returncode == 0
    assert manifest_of(site.folder / "one") == manifest_of(site.folder / "two")

    images = site.folder / "one" / "images" / "ledge-images.tar"
    before = images.stat().st_ino
    (site.folder / "one" / "values" / "left-over.yaml").write_text("")
    assert site.make("one").returncode == 0
    assert images.stat().st_ino == before
    assert manifest_of(site.folder / "one") == manifest_of(site.folder / "two")
    assert not (site.folder / "one" / "values" / "left-over.yaml").exists()


def test_an_image_that_the_chart_would_miss_at_the_site_is_missed_here(site: Site, tmp_path: Path) -> None:
    write_images(tmp_path / "images.tar", site.wanted[1:])
    done = site.make("lacking", "--images", str(tmp_path / "images.tar"))
    assert done.returncode == 1
    assert f"lacks {site.wanted[0]}" in done.stderr
    assert not (site.folder / "lacking" / "manifest.json").exists()


def test_values_of_the_site_decide_which_images_are_asked_for(site: Site, tmp_path: Path) -> None:
    values = tmp_path / "ours.yaml"
    values.write_text("services: {tts: {image: {variant: piper}}}")
    done = site.make("ours", "--values", str(values))
    assert done.returncode == 1
    assert "tts-piper" in done.stderr


def test_a_model_that_is_damaged_here_is_not_carried(site: Site) -> None:
    weights = site.folder / "models" / MODELS[0] / "weights.bin"
    weights.write_bytes(WEIGHTS[:-1] + b"!")
    try:
        done = site.make("damaged")
        assert done.returncode == 1
        assert "damaged" in done.stderr
    finally:
        weights.write_bytes(WEIGHTS)


def test_a_profile_that_the_chart_does_not_have_is_told(site: Site) -> None:
    done = site.make("unknown", "--profile", "mainframe")
    assert done.returncode == 1
    assert "the chart has no values-mainframe.yaml" in done.stderr
