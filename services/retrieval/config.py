"""Settings of the retrieval service."""

import os
from pathlib import Path

from pydantic import Field, SecretStr

from services.kit.config import ServiceConfig
from services.kit.errors import InvalidInput


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "ledge" / "retrieval"


class RetrievalConfig(ServiceConfig):
    """What `services.retrieval` reads from its environment."""

    engine: str = Field("qdrant-edge", pattern="^(qdrant-edge|qdrant|memory)$")
    """`qdrant-edge`: durable, approximate, fast, in this process. `qdrant`: a Qdrant server, which replicas may
    share, or its client's local mode. `memory`: exact, small, forgets everything; for tests."""
    data_dir: Path = Field(default_factory=_default_data_dir)
    """Directory that holds the collections; one process at a time. Default: `ledge/retrieval` in `XDG_DATA_HOME`."""
    max_collections: int = Field(128, ge=1, le=256)
    """Collections that may exist at a time. Each costs about 1 MB of memory and a few threads while open."""
    reserved_disk_bytes: int = Field(256 * 2**20, ge=128 * 2**20, le=2**50)
    """Disk space that writes leave free, in bytes: the index's files are mapped into memory, and a map onto a full disk
    ends the process. Deletions may use half of it."""
    search_threads: int = Field(2, ge=1, le=256)
    """Calls that read at a time. More than there are cores does not help."""
    max_waiting_calls: int = Field(256, ge=1, le=100_000)
    """Calls that may wait for a thread; past it RESOURCE_EXHAUSTED."""

    qdrant_url: str | None = None
    """The Qdrant server of `qdrant`, `http://127.0.0.1:6333`. Absent: the client's local mode in `data_dir`, which
    reads every point at each search: for trials with up to 20 000 of them."""
    qdrant_api_key: SecretStr | None = None
    """Sent to the Qdrant server."""
    qdrant_api_key_file: Path | None = None
    """The same in a file, read at every start; wins."""
    qdrant_timeout_s: int = Field(30, ge=1, le=3600)
    """The longest that the Qdrant server may take for an answer, in seconds."""

    language: str = Field("en", pattern="^[a-z]{2,3}$")
    """Language of stop words and stemming for new collections, BCP-47; one without a stemmer: words as they are."""
    average_terms: float = Field(80.0, ge=1, le=100_000)
    """BM25: length of an average text, in terms without stop words. Texts longer than this count for less."""

    hnsw_links: int = Field(16, ge=4, le=128)
    """HNSW `m`: links of each point. More: better recall, more memory."""
    hnsw_build_effort: int = Field(128, ge=16, le=2048)
    """HNSW `ef_construct`: candidates while the graph is built. More: better recall, slower optimising."""
    hnsw_search_effort: int = Field(128, ge=16, le=4096)
    """HNSW `ef`: candidates of a search. More: better recall, slower search."""
    indexing_threads: int = Field(1, ge=1, le=256)
    """Threads that build the index in the background."""
    optimize_after_points: int = Field(20_000, ge=100, le=10_000_000)
    """Points written since the last optimising that start it although writes go on."""
    optimize_idle_s: float = Field(2.0, ge=0.0, le=3600)
    """Seconds without a write that start it."""
    memory_limit_bytes: int | None = Field(None, ge=2**20, le=2**50)
    """Memory that this process may take with its optimiser, in bytes, where neither the control group nor the machine
    says less. What optimising would take beyond it is not begun: the collection is served unoptimised, slower."""

    def qdrant_key(self) -> str | None:
        """Raises InvalidInput where the file cannot be read."""
        if self.qdrant_api_key_file is not None:
            try:
                return self.qdrant_api_key_file.read_text(encoding="utf-8").strip() or None
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInput("LEDGE_QDRANT_API_KEY_FILE cannot be read") from error
        return self.qdrant_api_key.get_secret_value() if self.qdrant_api_key else None
