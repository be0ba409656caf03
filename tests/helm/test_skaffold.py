"""skaffold.yaml has only fields that its version of the format has, and its values reach the chart as it wants them."""

import re
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, ROOT, render

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
# skaffold/v4beta13, as far as this file may use it: field → its kind, or what is in it. A list holds one sort of thing.
FIELDS: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "build": {
        "tagPolicy": {"gitCommit": {"prefix": str, "variant": str}},
        "local": {"useBuildkit": bool, "concurrency": int, "push": bool},
        "artifacts": [{"image": str, "context": str, "docker": {"dockerfile": str, "target": str, "buildArgs": dict}}],
    },
    "deploy": {
        "statusCheckDeadlineSeconds": int,
        "helm": {
            "flags": {"install": [str], "upgrade": [str]},
            "releases": [
                {
                    "name": str,
                    "chartPath": str,
                    "valuesFiles": [str],
                    "createNamespace": bool,
                    "namespace": str,
                    "wait": bool,
                    "setValues": dict,
                    "setValueTemplates": dict,
                }
            ],
        },
    },
    "portForward": [{"resourceType": str, "resourceName": str, "namespace": str, "port": int, "localPort": int}],
    "profiles": [{"name": str, "patches": [{"op": str, "path": str, "value": str}]}],
}


def misfits(value: Any, fields: Any, path: str) -> list[str]:
    if isinstance(fields, list):
        return [fault for index, each in enumerate(value) for fault in misfits(each, fields[0], f"{path}[{index}]")]
    if isinstance(fields, dict):
        unknown = [f"{path}.{key}" for key in value if key not in fields]
        return unknown + [
            fault for key in value if key in fields for fault in misfits(value[key], fields[key], f"{path}.{key}")
        ]
    return [] if isinstance(value, fields) else [f"{path} is {value!r}"]


def test_it_has_only_fields_of_its_format() -> None:
    assert CONFIG["apiVersion"] == "skaffold/v4beta13"
    assert misfits(CONFIG, FIELDS, "") == []


def test_a_mistyped_field_would_be_told() -> None:
    wrong = {"build": {"artifacts": [{"image": "a", "docker": {"targets": "b"}}]}, "deploy": {"helm": {"release": []}}}
    assert misfits(wrong, FIELDS, "") == [".build.artifacts[0].docker.targets", ".deploy.helm.release"]


def test_what_it_names_is_there_and_a_profile_changes_what_it_means_to() -> None:
    for artifact in CONFIG["build"]["artifacts"]:
        assert (ROOT / artifact["docker"]["dockerfile"]).is_file()
    (release,) = CONFIG["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"] / "Chart.yaml").is_file()
    for profile in CONFIG["profiles"]:
        for patch in profile["patches"]:
            place: Any = CONFIG
            for step in patch["path"].strip("/").split("/"):
                place = place[int(step)] if isinstance(place, list) else place[step]
            assert place == release["valuesFiles"][0]
            assert (ROOT / patch["value"]).is_file()


@pytest.mark.parametrize("commit", ["1234567", "98d7fee", "12e4567", "0123456"])
def test_every_commit_makes_a_tag_that_stays_a_text(commit: str) -> None:
    # As helm's --set reads it: digits alone would be a number, which the chart refuses.
    tag = CONFIG["build"]["tagPolicy"]["gitCommit"]["prefix"] + commit
    assert yaml.safe_load(tag) == tag
    assert re.fullmatch(r"[\w][\w.-]{0,127}", tag)


def test_images_named_by_skaffold_are_those_that_run() -> None:
    (release,) = CONFIG["deploy"]["helm"]["releases"]
    values: dict[str, Any] = {}
    for path, written in {**release["setValues"], **release["setValueTemplates"]}.items():
        # What skaffold fills in for an image `ledge/asr` that it pushed to a registry.
        made = re.fullmatch(r"\{\{\.IMAGE_(REPO|TAG)_(\w+)\}\}", written)
        value = written
        if made:
            image = "registry.example.com/" + made[2].replace("_", "/", 1)
            value = image if made[1] == "REPO" else "git-98d7fee"
        *inner, last = path.split(".")
        place = values
        for key in inner:
            place = place.setdefault(key, {})
        place[last] = value
    rendered = render(values)
    services = yaml.safe_load((CHART / "values.yaml").read_text())["services"]
    for name in (name for name, service in services.items() if service["enabled"]):
        assert rendered.container(name)["image"] == f"registry.example.com/ledge/{name}:git-98d7fee"
    images = {container["image"] for _, pod in rendered.pods() for container in pod["spec"].get("initContainers", ())}
    assert images == {"registry.example.com/ledge/cli:git-98d7fee"}
