"""The store offers what is right, says what to do about the rest, and repairs itself."""

import os
import subprocess
from pathlib import Path

import pytest

from services.kit.errors import EngineFailed, NotFound
from services.kit.models import ModelStore, Progress
from services.kit.models.bundle import NAME_ANOTHER
from services.kit.models.disk import check_free_space
from tests.kit.models.conftest import FILES, WEIGHTS, StoreMaker, contents, write_files
from tests.kit.models.file_server import FileServer


def test_files_brought_by_hand_are_taken_over(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    write_files(store.directory / "tiny", {"weights.bin": WEIGHTS, "nested/config.json": b"wrong"})
    assert contents(store.pull("tiny")) == FILES
    assert [request.path for request in server.requests] == ["/tiny/nested/config.json"]


def test_verify_finds_what_the_cheap_check_cannot_and_pull_repairs_it(
    make_store: StoreMaker, server: FileServer
) -> None:
    store = make_store(f"{server.url}/tiny")
    weights = store.pull("tiny") / "weights.bin"
    assert store.verify("tiny") == ()
    weights.write_bytes(bytes(len(WEIGHTS)))
    assert store.path("tiny")
    assert store.verify("tiny") == ("weights.bin has the wrong content",)
    with pytest.raises(NotFound):
        store.path("tiny")
    store.pull("tiny")
    assert weights.read_bytes() == WEIGHTS
    assert store.verify("tiny") == ()


def test_a_truncated_file_in_the_store_is_not_offered(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    weights = store.pull("tiny") / "weights.bin"
    os.truncate(weights, 1000)
    with pytest.raises(NotFound, match="incomplete"):
        store.path("tiny")
    assert store.verify("tiny") == ("weights.bin has 1000 bytes instead of 300000",)


def test_what_killed_pulls_and_earlier_revisions_left_is_tidied_away(
    make_store: StoreMaker, server: FileServer
) -> None:
    store = make_store(f"{server.url}/tiny")
    left = {".weights.bin.0123456789abcdef.partial": b"of an earlier revision", ".staging/tiny.whl": b"half a wheel"}
    write_files(store.directory / "tiny", left)
    (store.directory / "tiny" / ".verified").write_text('{"sha256": {"weights.bin": "0000"}}')
    assert contents(store.pull("tiny")) == FILES


def test_whoever_reads_a_file_while_it_is_repaired_reads_on(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    weights = store.pull("tiny") / "weights.bin"
    weights.write_bytes(b"old")
    with weights.open("rb") as reader:
        store.pull("tiny")
        assert reader.read() == b"old"


@pytest.mark.parametrize("garbage", ["", "not json", "[]", '{"sha256": 3}', '{"sha256": {"weights.bin": 3}}', "\xff"])
def test_a_damaged_record_means_to_look_again(make_store: StoreMaker, server: FileServer, garbage: str) -> None:
    store = make_store(f"{server.url}/tiny")
    folder = store.pull("tiny")
    (folder / ".verified").write_bytes(garbage.encode("latin-1"))
    server.requests.clear()
    assert store.pull("tiny") == folder
    assert server.requests == []


def test_offline_a_missing_model_names_the_command_that_fetches_it(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny", offline=True)
    with pytest.raises(NotFound, match=r"LEDGE_OFFLINE.*`ledge models pull tiny`"):
        store.require("tiny")
    with pytest.raises(NotFound, match=r"LEDGE_OFFLINE.*`ledge models pull tiny`"):
        store.pull("tiny")
    assert server.requests == []


def test_offline_what_is_here_is_served(make_store: StoreMaker, server: FileServer) -> None:
    folder = make_store(f"{server.url}/tiny").require("tiny")
    assert make_store(f"{server.url}/tiny", offline=True).require("tiny") == folder


def test_offline_a_folder_is_still_a_source(make_store: StoreMaker, server: FileServer, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mounted", FILES)
    store = make_store(f"{server.url}/tiny", folder.as_uri(), offline=True)
    assert contents(store.pull("tiny")) == FILES
    assert server.requests == []


def test_an_unknown_model_is_answered_with_those_there_are(make_store: StoreMaker) -> None:
    with pytest.raises(NotFound, match="no model 'big' in the catalogue, which has: tiny"):
        make_store("https://nowhere.invalid/x").require("big")


def test_a_disk_that_is_too_small_is_known_before_the_first_byte(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match=r"model 'huge' needs 1000000\.0 TB .*free .* or set LEDGE_MODELS_DIR"):
        check_free_space(tmp_path, 10**18, "model 'huge'")
    with pytest.raises(EngineFailed, match=r"free \d.* or name another place for the bundle$"):
        check_free_space(tmp_path, 10**18, "the bundle", NAME_ANOTHER)


def test_a_disk_that_fills_up_is_one_sentence_and_what_came_is_kept(
    make_store: StoreMaker, server: FileServer, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        store = make_store(f"{server.url}/tiny", directory=small)
        # Taken by another between the check and the end of the file.
        server.hold_after_bytes = 100_000

        def fill_up(progress: Progress) -> None:
            if progress.done_bytes == 100_000:
                (small / "other").write_bytes(bytes(200_000))
                server.hold_after_bytes = None
                server.release.set()

        with pytest.raises(EngineFailed, match=r"is full: free some space"):
            store.pull("tiny", fill_up)
        (small / "other").unlink()
        server.requests.clear()
        assert contents(store.pull("tiny")) == FILES
        assert server.requests[0].range is not None
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_store_that_cannot_be_made_is_one_sentence(
    make_store: StoreMaker, server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineFailed, match="Not a directory"):
        make_store(f"{server.url}/tiny", directory=tmp_path / "file" / "store").pull("tiny")


def test_removing_takes_all_of_it_and_twice_is_fine(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    folder = store.pull("tiny")
    store.remove("tiny")
    store.remove("tiny")
    assert not folder.exists()
    assert [status.state for status in store.list()] == ["absent"]


def test_the_environment_decides_directory_catalogue_and_offline(
    make_store: StoreMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store("https://nowhere.invalid/tiny")
    monkeypatch.delenv("LEDGE_MODELS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ModelStore.from_environment().directory == tmp_path / "cache" / "ledge" / "models"
    monkeypatch.setenv("NIM_CACHE_PATH", str(tmp_path / "nim"))
    monkeypatch.setenv("NIM_DISABLE_MODEL_DOWNLOAD", "1")
    monkeypatch.setenv("LEDGE_MODELS_CATALOG", str(make_store.catalog))
    store = ModelStore.from_environment()
    assert store.directory == tmp_path / "nim"
    assert {"tiny", "all-minilm-l6-v2"} <= {entry.id for entry in store.catalog}
    with pytest.raises(NotFound, match="LEDGE_OFFLINE"):
        store.require("tiny")
    monkeypatch.setenv("LEDGE_MODELS_DIR", str(tmp_path / "ours"))
    assert ModelStore.from_environment().directory == tmp_path / "ours"
