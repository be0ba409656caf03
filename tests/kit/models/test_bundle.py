"""A bundle carries models unchanged, and one that was changed on the way brings nothing in."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.errors import EngineFailed, InvalidInput, NotFound
from services.kit.models import Catalog, ModelStore, bundle, import_bundle
from tests.kit.models.conftest import FILES, WEIGHTS, contents, entry, write_catalog, write_files


@pytest.fixture
def here(tmp_path: Path) -> ModelStore:
    """A store that has its two models."""
    folder = write_files(tmp_path / "files", FILES)
    source = folder.as_uri()
    catalog = write_catalog(tmp_path / "models.yaml", entry("tiny", [source]), entry("twin", [source]))
    store = ModelStore(tmp_path / "here", Catalog.load(catalog))
    store.pull("tiny")
    store.pull("twin")
    return store


@pytest.fixture
def there(here: ModelStore, tmp_path: Path) -> ModelStore:
    """An empty store on another machine, with the same catalogue."""
    return ModelStore(tmp_path / "there", here.catalog)


@pytest.fixture
def packed(here: ModelStore, tmp_path: Path) -> Path:
    bundle(here, ["tiny"], tmp_path / "tiny.tar")
    return tmp_path / "tiny.tar"


Rewrite = Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]


def rewritten(packed: Path, change: Rewrite) -> Path:
    """The bundle again, each member as `change` returns it."""
    target = packed.with_name("rewritten.tar")
    with tarfile.open(packed) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            for changed, data in change(member, content.read()):
                changed.size = len(data) if changed.isreg() else 0
                new.addfile(changed, io.BytesIO(data))
    return target


def assert_nothing_came(store: ModelStore) -> None:
    assert [path.name for path in store.directory.iterdir() if not path.name.startswith(".")] == []
    assert not (store.directory / ".import").exists()


def test_what_was_bundled_here_is_ready_there(here: ModelStore, there: ModelStore, tmp_path: Path) -> None:
    bundle(here, ["twin", "tiny"], tmp_path / "both.tar")
    manifest = import_bundle(there, tmp_path / "both.tar")
    assert [(model.id, model.licence) for model in manifest.models] == [
        ("tiny", "CC-BY-NC-4.0"),
        ("twin", "CC-BY-NC-4.0"),
    ]
    for model_id in ("tiny", "twin"):
        assert contents(there.path(model_id)) == FILES
        assert there.verify(model_id) == ()


def test_importing_twice_changes_nothing(there: ModelStore, packed: Path) -> None:
    import_bundle(there, packed)
    write_files(there.directory / ".import", {"tiny/weights.bin": b"left by an import that was killed"})
    import_bundle(there, packed)
    assert contents(there.path("tiny")) == FILES
    assert not (there.directory / ".import").exists()


def test_the_same_models_give_the_same_bytes(here: ModelStore, tmp_path: Path) -> None:
    bundle(here, ["tiny", "twin"], tmp_path / "a.tar")
    bundle(here, ["twin", "tiny", "twin"], tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_model_that_is_not_here_cannot_be_bundled(there: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="ledge models pull tiny"):
        bundle(there, ["tiny"], tmp_path / "tiny.tar")
    assert not (tmp_path / "tiny.tar").exists()


def test_a_model_that_was_damaged_here_cannot_be_bundled(here: ModelStore, tmp_path: Path) -> None:
    (here.path("tiny") / "weights.bin").write_bytes(bytes(len(WEIGHTS)))
    with pytest.raises(EngineFailed, match=r"weights\.bin of model 'tiny' is damaged"):
        bundle(here, ["tiny"], tmp_path / "tiny.tar")
    assert list(tmp_path.glob("*tiny.tar*")) == []


def test_a_bundle_needs_a_folder_to_go_to(here: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="folder does not exist"):
        bundle(here, ["tiny"], tmp_path / "nowhere" / "tiny.tar")


def with_wrong_content(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(member, data[::-1] if member.name.endswith("weights.bin") else data)]


def with_one_file_less(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [] if member.name.endswith("weights.bin") else [(member, data)]


def with_a_shorter_file(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(member, data[:-1] if member.name.endswith("weights.bin") else data)]


def with_a_file_twice(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(member, data)] * (2 if member.name.endswith("weights.bin") else 1)


def with_extra(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Rewrite:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name != "manifest.json":
            return [(member, data)]
        extra = tarfile.TarInfo(name)
        extra.type, extra.linkname = kind, link
        return [(member, data), (extra, b"owned")]

    return change


def with_link_instead(kind: bytes, link: str) -> Rewrite:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name.endswith("weights.bin"):
            member.type, member.linkname = kind, link
        return [(member, data)]

    return change


def with_manifest(edit: Callable[[dict[str, Any]], Any]) -> Rewrite:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name != "manifest.json":
            return [(member, data)]
        manifest = json.loads(data)
        edit(manifest)
        return [(member, json.dumps(manifest).encode())]

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(with_wrong_content, "wrong content", id="wrong content"),
        pytest.param(with_one_file_less, "lacks tiny/weights.bin", id="a file less"),
        pytest.param(with_a_shorter_file, "ends after 299999 of 300000 bytes", id="a shorter file"),
        pytest.param(with_a_file_twice, "or holds it twice", id="a file twice"),
        pytest.param(with_extra("../../escaped"), "escaped", id="traversal"),
        pytest.param(with_extra("tiny/../../escaped"), "escaped", id="traversal inside"),
        pytest.param(with_extra("/tmp/escaped"), "escaped", id="absolute"),
        pytest.param(with_extra("tiny/escaped", tarfile.SYMTYPE, "/etc"), "escaped", id="extra link"),
        pytest.param(with_link_instead(tarfile.SYMTYPE, "/etc/passwd"), "not a plain file", id="symbolic link"),
        pytest.param(with_link_instead(tarfile.LNKTYPE, "/etc/passwd"), "not a plain file", id="hard link"),
        pytest.param(with_link_instead(tarfile.DIRTYPE, ""), "not a plain file", id="folder"),
        pytest.param(with_link_instead(tarfile.FIFOTYPE, ""), "not a plain file", id="pipe"),
        pytest.param(with_manifest(lambda m: m.update(format="other")), "format", id="other format"),
        pytest.param(with_manifest(lambda m: m.update(more=1)), "more", id="unknown key"),
        pytest.param(
            with_manifest(lambda m: m["models"][0].update(id="other")), "not in the catalogue", id="other model"
        ),
        pytest.param(with_manifest(lambda m: m["models"].append(m["models"][0])), "a model twice", id="model twice"),
        pytest.param(
            with_manifest(lambda m: m["models"][0]["files"][0].update(sha256="0" * 64)),
            "other files",
            id="other sha256",
        ),
        pytest.param(
            with_manifest(lambda m: m["models"][0]["files"][0].update(path="../x")),
            "plain relative path",
            id="bad path",
        ),
    ],
)
def test_a_bundle_that_was_changed_brings_nothing_in(
    there: ModelStore, packed: Path, change: Rewrite, reason: str
) -> None:
    with pytest.raises(InvalidInput, match="nothing was imported") as refused:
        import_bundle(there, rewritten(packed, change))
    assert reason in refused.value.message
    assert_nothing_came(there)


def test_a_good_model_does_not_come_in_beside_a_bad_one(here: ModelStore, there: ModelStore, tmp_path: Path) -> None:
    bundle(here, ["tiny", "twin"], tmp_path / "both.tar")

    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [(member, data[::-1] if member.name == "twin/weights.bin" else data)]

    with pytest.raises(InvalidInput):
        import_bundle(there, rewritten(tmp_path / "both.tar", change))
    assert_nothing_came(there)


def test_a_compressed_bundle_is_refused_unread(there: ModelStore, packed: Path) -> None:
    bomb = packed.with_name("bomb.tar.gz")
    with tarfile.open(bomb, "w:gz") as tar:
        tar.add(packed, "manifest.json")
    with pytest.raises(InvalidInput, match="no sound bundle"):
        import_bundle(there, bomb)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME], ids=["pax", "long name"])
def test_a_header_that_claims_gigabytes_is_not_read_into_memory(there: ModelStore, tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 4 << 30
    forged = tmp_path / "forged.tar"
    forged.write_bytes(header.tobuf())
    with pytest.raises(InvalidInput, match="asks for too much"):
        import_bundle(there, forged)


def test_a_file_that_is_absent_is_named(there: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.tar cannot be read: No such file"):
        import_bundle(there, tmp_path / "absent.tar")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_of_a_bundle_gets_wrong_bytes_in(there: ModelStore, packed: Path, data: st.DataObject) -> None:
    original = packed.read_bytes()
    content = bytearray(original)
    # Headers are where damage is interesting; most of the file is weights.
    at = data.draw(st.one_of(st.integers(0, 4096), st.integers(0, len(content) - 1)))
    kind = data.draw(st.sampled_from(["flip", "cut", "zero"]))
    if kind == "cut":
        del content[at:]
    elif kind == "flip":
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        content[at : at + 512] = bytes(512)
    damaged = packed.with_name("damaged.tar")
    damaged.write_bytes(content)
    there.remove("tiny")
    try:
        import_bundle(there, damaged)
    except InvalidInput:
        assert_nothing_came(there)
    else:
        assert contents(there.path("tiny")) == FILES
