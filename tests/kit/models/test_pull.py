"""A pull ends with the catalogue's bytes in place or with a reason, whatever the way there does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.kit.errors import EngineFailed, NotFound
from services.kit.models import Progress
from tests.kit.models.conftest import FILES, WEIGHTS, StoreMaker, contents, write_files
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
