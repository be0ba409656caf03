"""Brings one file over HTTP: goes on by range where the connection broke, and gives up with the reason."""

import time

import httpx

from services.kit.models.incoming import IncomingFile
from services.kit.models.source import SourceFailed

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
FRUITLESS_ATTEMPTS = 3
MAX_RETRY_AFTER_S = 30.0
# Less than this in one attempt counts as nothing, so that a server that trickles cannot hold a pull for ever.
FRUITFUL_BYTES = 1 << 20


class _Broken(Exception):
    """An attempt that ended early and may be worth another."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = min(wait_s, MAX_RETRY_AFTER_S)


def web_client() -> httpx.Client:
    """Honours the proxy and certificate variables of the environment; drops credentials when sent to another host."""
    return httpx.Client(
        follow_redirects=True,
        max_redirects=5,
        timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        headers={"accept-encoding": "identity", "user-agent": "ledge"},
    )


def fetch_over_web(
    client: httpx.Client, url: str, headers: dict[str, str], incoming: IncomingFile, back_off_s: float
) -> None:
    """Leaves `incoming` checked. Raises SourceFailed; what had arrived stays for the next pull."""
    resumed = incoming.size_bytes > 0
    fruitless = 0
    while True:
        before_bytes = incoming.size_bytes
        try:
            _attempt(client, url, headers, incoming)
            break
        except _Broken as broken:
            fruitless = 0 if incoming.size_bytes - before_bytes >= FRUITFUL_BYTES else fruitless + 1
            if fruitless >= FRUITLESS_ATTEMPTS:
                raise SourceFailed(str(broken)) from None
            time.sleep(max(broken.wait_s, back_off_s * fruitless))
    try:
        incoming.check()
    except SourceFailed:
        if not resumed:
            raise
        # The bytes of an earlier run may be what is wrong: once more from the first byte.
        fetch_over_web(client, url, headers, incoming, back_off_s)


def _attempt(client: httpx.Client, url: str, headers: dict[str, str], incoming: IncomingFile) -> None:
    if incoming.is_complete:
        return
    start_bytes = incoming.size_bytes
    asked = headers | ({"range": f"bytes={start_bytes}-"} if start_bytes else {})
    try:
        with client.stream("GET", url, headers=asked) as response:
            _check_status(response, incoming)
            for chunk in response.iter_raw():
                incoming.write(chunk)
    except httpx.TooManyRedirects:
        raise SourceFailed("redirected too often") from None
    except httpx.TransportError as error:
        raise _Broken(_reason(error, incoming)) from None
    if not incoming.is_complete:
        raise _Broken(f"the server sent {incoming.size_bytes} of {incoming.file.size_bytes} bytes")


def _check_status(response: httpx.Response, incoming: IncomingFile) -> None:
    match response.status_code:
        case 206 if response.headers.get("content-range", "").startswith(f"bytes {incoming.size_bytes}-"):
            return
        case 200 | 206 | 416 as status:
            # The server does not resume, or disagrees about where: from the first byte.
            incoming.restart()
            if status != 200:
                raise _Broken(f"HTTP {status} to a range request")
        case 401 | 403 as status:
            raise SourceFailed(f"HTTP {status}: access refused (a gated model on the hub needs HF_TOKEN)")
        case 408 | 425 | 429 | 500 | 502 | 503 | 504 as status:
            after = response.headers.get("retry-after", "")
            raise _Broken(f"HTTP {status}", float(after) if after.isdigit() else 0.0)
        case status:
            raise SourceFailed(f"HTTP {status}")


def _reason(error: httpx.TransportError, incoming: IncomingFile) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"no connection ({error})" if str(error) else "no connection"
    return f"the connection broke after {incoming.size_bytes} of {incoming.file.size_bytes} bytes ({error})"
