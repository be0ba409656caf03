"""A Qdrant server that is not there, refuses our key, or fails: told as what it is, with no key in a log."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.kit.errors import EngineFailed, LedgeError, NotReady, Overloaded
from services.retrieval.config import RetrievalConfig

pytest.importorskip("qdrant_client")

from services.retrieval.engines.qdrant import Qdrant
from tests.processes import ServiceProcess

KEY = "key-that-no-log-may-hold"


class Refusing(ThreadingHTTPServer):
    """Answers everything with one status; keeps the keys that it was sent."""

    status = 500

    def __init__(self) -> None:
        owner = self
        self.keys: set[str | None] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.keys.add(self.headers.get("api-key"))
                content = json.dumps({"status": {"error": "refused"}}).encode()
                self.send_response(owner.status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def server() -> Iterator[Refusing]:
    with Refusing() as refusing:
        thread = threading.Thread(target=refusing.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield refusing
        refusing.shutdown()
        thread.join()


def config(port: int, **settings: object) -> RetrievalConfig:
    return RetrievalConfig(engine="qdrant", qdrant_url=f"http://127.0.0.1:{port}", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, EngineFailed, "LEDGE_QDRANT_API_KEY"),
        (403, EngineFailed, "LEDGE_QDRANT_API_KEY"),
        (429, Overloaded, "too much to do"),
        (500, EngineFailed, "status 500"),
        (503, NotReady, "not ready"),
    ],
)
def test_a_status_is_told_as_what_it_means(server: Refusing, status: int, kind: type[LedgeError], words: str) -> None:
    server.status = status
    with pytest.raises(kind, match=words):
        Qdrant(config(server.server_address[1]))


def test_a_server_that_is_not_there_is_not_ready() -> None:
    with pytest.raises(NotReady, match="cannot be reached"):
        Qdrant(config(1))


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_key_comes_from_a_file_and_is_never_logged(server: Refusing, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    settings = {
        "LEDGE_ENGINE": "qdrant",
        "LEDGE_QDRANT_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "LEDGE_QDRANT_API_KEY_FILE": str(file),
    }
    process = ServiceProcess("retrieval", settings)
    try:
        assert process.wait() == 1
    finally:
        process.close()
    assert server.keys == {KEY}
    assert KEY not in str(process.log)
    assert "Qdrant server failed with status 500" in str(process.log)
