"""The Dockerfile and what builds from it: what each image holds, under which name, and what is said about its size."""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
IMAGES = ROOT / "deploy" / "images"
STAGES = re.split(r"^(?=FROM )", (ROOT / "deploy" / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
STAGE = {re.match(r"FROM \S+ AS (\S+)", stage)[1]: stage for stage in STAGES}  # type: ignore[index]
PARENT = {name: re.match(r"FROM (\S+)", stage)[1] for name, stage in STAGE.items()}  # type: ignore[index]
PARTS = {"tools", "kit", "numeric", "encoder", "app"}
TARGETS = sorted(set(STAGE) - PARTS)
SERVICES = sorted(each.parent.name for each in (ROOT / "services").glob("*/__main__.py"))


def lineage(target: str) -> str:
    """The text of a target and of all it is built on."""
    text = ""
    while target in STAGE:
        text, target = STAGE[target] + text, PARENT[target]
    return text


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_an_image_that_runs_it(service: str) -> None:
    started = f'"services.{service}"]' if service != "cli" else '["ledge"]'
    assert started in STAGE[service]


@pytest.mark.parametrize("target", TARGETS)
def test_every_image_runs_as_an_ordinary_user(target: str) -> None:
    assert re.findall(r"^USER (\S+)", lineage(target), re.MULTILINE)[-1] == "10001:10001"


@pytest.mark.parametrize("target", [target for target in TARGETS if not target.endswith("-gpu")])
def test_images_for_a_cpu_ask_for_neither_torch_nor_a_compiler(target: str) -> None:
    text = lineage(target)
    extras = re.findall(r"--extra (\S+)", text)
    asked = subprocess.run(
        [sys.executable, IMAGES / "requirements.py", ROOT / "pyproject.toml", *extras],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert not re.search(r"^(torch|vllm|sentence-transformers|transformers)\b", asked, re.MULTILINE)
    assert not re.search(r"apt-get install.*\b(gcc|g\+\+|build-essential)", text)


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "tts-piper"])
def test_piper_is_in_its_own_image_alone(target: str) -> None:
    assert "piper" not in re.findall(r"--extra (\S+)", lineage(target))


def test_an_unknown_extra_is_told_by_name() -> None:
    done = subprocess.run(
        [sys.executable, IMAGES / "requirements.py", ROOT / "pyproject.toml", "telepathy"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "no extra 'telepathy'" in done.stderr


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images, `gateway` and `rag`, that share a base of 3 MB and add 1 and 2 MB."""
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def keep(content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return f"sha256:{digest}"

    def packed(name: bytes, size_bytes: int) -> str:
        packer = zlib.compressobj(wbits=31)
        return keep(packer.compress(name * (size_bytes // len(name))) + packer.flush())

    base = packed(b"base", 3_000_000)
    entries = []
    for name, size_bytes in (("rag", 2_000_000), ("gateway", 1_000_000)):
        layers = [base, packed(name[:2].encode(), size_bytes)]
        manifest = keep(json.dumps({"layers": [{"digest": digest} for digest in layers]}).encode())
        annotations = {"org.opencontainers.image.ref.name": f"ledge.local/ledge/{name}:1.2.3"}
        entries.append({"digest": manifest, "annotations": annotations})
    (tmp_path / "index.json").write_text(json.dumps({"manifests": entries}))
    return tmp_path


def run(script: str, *arguments: str | Path) -> str:
    return subprocess.run(
        [sys.executable, IMAGES / script, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_images_are_named_as_importers_look_for_them_in_one_order(layout: Path) -> None:
    run("names.py", layout)
    once = (layout / "index.json").read_bytes()
    named = [entry["annotations"]["io.containerd.image.name"] for entry in json.loads(once)["manifests"]]
    assert named == ["ledge.local/ledge/gateway:1.2.3", "ledge.local/ledge/rag:1.2.3"]
    run("names.py", layout)
    assert (layout / "index.json").read_bytes() == once


def written_image(layout: Path, name: str, content: str) -> None:
    """Adds an image as buildah pushes one, of a base that all share and a layer of its own."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def keep(blob: bytes) -> dict[str, str]:
        digest = hashlib.sha256(blob).hexdigest()
        (blobs / digest).write_bytes(blob)
        return {"digest": f"sha256:{digest}"}

    labels = {"org.opencontainers.image.revision": "abcdef0123456789"}
    config = keep(json.dumps({"config": {"Labels": labels}, "for": content}).encode())
    manifest = keep(json.dumps({"config": config, "layers": [keep(b"base"), keep(content.encode())]}).encode())
    index_file = layout / "index.json"
    index = json.loads(index_file.read_text()) if index_file.exists() else {"manifests": []}
    index["manifests"].append({**manifest, "annotations": {"org.opencontainers.image.ref.name": name}})
    index_file.write_text(json.dumps(index))


def names_in(layout: Path) -> list[str]:
    manifests = json.loads((layout / "index.json").read_text())["manifests"]
    return [entry["annotations"]["io.containerd.image.name"] for entry in manifests]


def test_a_build_of_some_images_keeps_the_others_of_the_same_version(tmp_path: Path) -> None:
    for name in ("us/gateway:2", "us/rag:2", "us/rag:1", "them/rag:2"):
        written_image(tmp_path, name, name)
    run("names.py", tmp_path)
    kept = run("layout/kept.py", "keep", tmp_path, "us", "2", "gateway").splitlines()
    assert sorted(kept) == [
        "kept as it was: us/rag:2 of abcdef012345",
        "no longer there: them/rag:2",
        "no longer there: us/rag:1",
    ]
    assert names_in(tmp_path) == ["us/rag:2"]
    contents = {path.read_bytes() for path in (tmp_path / "blobs" / "sha256").iterdir()}
    assert {b"base", b"us/rag:2"} < contents
    assert not {b"us/gateway:2", b"us/rag:1", b"them/rag:2"} & contents, "layers that nothing names go"
    written_image(tmp_path, "us/gateway:2", "newer")
    run("names.py", tmp_path)
    assert names_in(tmp_path) == ["us/gateway:2", "us/rag:2"]


def test_a_build_of_all_images_begins_anew_and_says_what_it_drops(tmp_path: Path) -> None:
    anew = ("layout/kept.py", "anew", tmp_path, "us", "2", "gateway")
    assert run(*anew) == "", "nothing is there yet"
    written_image(tmp_path, "us/gateway:2", "gateway")
    written_image(tmp_path, "us/llm-gpu:2", "llm")
    assert run(*anew) == "no longer there: us/llm-gpu:2\n"
    assert json.loads((tmp_path / "index.json").read_text())["manifests"] == []
    assert not list((tmp_path / "blobs").glob("*/*"))


def test_an_image_that_is_not_whole_is_not_kept(tmp_path: Path) -> None:
    written_image(tmp_path, "us/rag:2", "rag")
    (tmp_path / "blobs" / "sha256" / hashlib.sha256(b"rag").hexdigest()).unlink()
    assert run("layout/kept.py", "keep", tmp_path, "us", "2", "llm") == "no longer there: us/rag:2\n"


def test_the_same_image_of_two_builds_has_one_digest(tmp_path: Path) -> None:
    """All that buildah writes differently is which image it began a step from."""
    digests = []
    for build, begun_from in (("one", "db2471448f03"), ("two", "555390d8391b")):
        blobs = tmp_path / build / "blobs" / "sha256"
        blobs.mkdir(parents=True)

        def keep(document: object, blobs: Path = blobs) -> dict[str, object]:
            content = json.dumps(document).encode()
            digest = hashlib.sha256(content).hexdigest()
            (blobs / digest).write_bytes(content)
            return {"digest": f"sha256:{digest}", "size": len(content)}

        history = [{"created_by": "RUN a", "comment": f"FROM {begun_from}"}, {"created_by": "RUN b", "comment": "kept"}]
        base = {"org.opencontainers.image.base.name": "localhost/base:latest"}
        told = base | {"org.opencontainers.image.base.digest": f"sha256:{begun_from}"}
        manifest = keep({"config": keep({"history": history}), "layers": [], "annotations": told})
        (tmp_path / build / "index.json").write_text(json.dumps({"manifests": [manifest]}))
        for _ in range(2):
            run("layout/same_history.py", tmp_path / build)
            (entry,) = json.loads((tmp_path / build / "index.json").read_text())["manifests"]
            digests.append(entry["digest"])
        left = {file.name: file.read_bytes() for file in blobs.iterdir()}
        assert all(hashlib.sha256(content).hexdigest() == name for name, content in left.items())
        assert len(left) == 2, "what nothing names any more is gone"
        assert b"kept" in b"".join(left.values())
    assert len(set(digests)) == 1


def test_a_shared_layer_is_weighed_once_in_the_sum(layout: Path, tmp_path: Path) -> None:
    run("names.py", layout)
    table = run("sizes.py", layout, "--json", tmp_path / "sizes.json")
    told = json.loads((tmp_path / "sizes.json").read_text())
    assert [(row["image"], row["mb"], row["above_base_mb"]) for row in told["images"]] == [
        ("gateway", 4.0, 1.0),
        ("rag", 5.0, 2.0),
    ]
    assert told["unique_layers_mb"] == 6.0
    assert re.search(r"^gateway .* 80 kept$", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("mb", "of"), [(80, ""), (81, "gateway adds 81.0 MB of 80"), (1198, "all layers are 1201.0 MB")]
)
def test_what_weighs_more_than_its_budget_is_told_and_fails_where_that_is_asked(
    tmp_path: Path, mb: int, of: str
) -> None:
    two_layers(tmp_path, "gateway" if mb < 1000 else "cli", mb)
    run("names.py", tmp_path)
    for flags in ((), ("--enforce",)):
        done = subprocess.run(
            [sys.executable, IMAGES / "sizes.py", tmp_path, *flags], capture_output=True, text=True, check=False
        )
        assert ("OVER" in done.stdout) == bool(of)
        assert bool(done.returncode) == bool(of and flags)
        assert of in done.stderr if flags else not done.stderr


def two_layers(layout: Path, name: str, mb: int) -> None:
    """An image of a base of 3 MB and so many above it, whose files hold nothing."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for digest, size_mb in (("base", 3), ("own", mb)):
        with (blobs / digest).open("wb") as file:
            file.truncate(size_mb * 1_000_000)
    (blobs / "manifest").write_text(json.dumps({"layers": [{"digest": "sha256:base"}, {"digest": "sha256:own"}]}))
    annotations = {"org.opencontainers.image.ref.name": f"ledge.local/ledge/{name}:1.2.3"}
    entry = {"digest": "sha256:manifest", "annotations": annotations}
    (layout / "index.json").write_text(json.dumps({"manifests": [entry]}))


def test_the_archive_of_a_program_is_the_same_each_time(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "deploy" / "testbed"))
    try:
        from scratch_image import write_image
    finally:
        sys.path.pop(0)
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    for name in ("a.tar", "b.tar"):
        write_image(program, "ledge.local/x/y:1", tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        manifest = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
        config = json.loads(archive.extractfile(manifest[0]["Config"]).read())  # type: ignore[union-attr]
        layer = archive.extractfile("layer.tar").read()  # type: ignore[union-attr]
    assert manifest[0]["RepoTags"] == ["ledge.local/x/y:1"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_the_bill_of_materials_names_installed_packages_alone(tmp_path: Path) -> None:
    sys.path.insert(0, str(IMAGES))
    try:
        import sbom
    finally:
        sys.path.pop(0)
    status = tmp_path / "status"
    status.write_text(
        "Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.2.0-14+deb12u1\n"
        "Description: the library\n with: a second line\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    (found,) = sbom.debian_packages(status)
    assert found["purl"] == "pkg:deb/debian/libstdc++6@12.2.0-14%2Bdeb12u1?arch=amd64"
    assert list(sbom.debian_packages(tmp_path / "no-dpkg-here")) == []
