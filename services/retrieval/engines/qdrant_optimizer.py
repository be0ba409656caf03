"""Optimises a copy of a shard in a process of its own, at low priority, while the original goes on serving.

    python -m services.retrieval.engines.qdrant_optimizer DIRECTORY PARENT [FIELD=KIND …]

Merging segments and building the HNSW graph take a minute for 100 000 points, and
qdrant-edge holds Python's global lock all that time: in the service's own process
nothing else would run.

It takes memory beside the service's own, most of it for the index of words. Where
both share a limit and reach it, the kernel ends this process first.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from services.kit.errors import EngineFailed

NICENESS = 5
"""A third of the processor time that an equal would get: an ingest and its searches go first, but it is not starved."""
PR_SET_PDEATHSIG = 1
_LAST_WORDS_BYTES = 2000
FIXED_BYTES = 48 * 2**20
POINT_BYTES = 256
"""Links of the graph, ids."""
OCCURRENCE_BYTES = 64
"""Of a term in a text: 44 while its index is built, the rest where the service then loads it."""


def wanted_bytes(points: int, dimensions: int, occurrences: int) -> int:
    """About what optimising takes beside the service. The vectors are pages of a file, but without them it crawls."""
    return FIXED_BYTES + points * (POINT_BYTES + 4 * dimensions) + occurrences * OCCURRENCE_BYTES


class Optimizer:
    """One optimiser process at a time; `stop` ends it from another thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, directory: Path, fields: Mapping[str, str]) -> None:
        """Optimises the shard in `directory` and indexes these fields. Raises EngineFailed, also when stopped."""
        if self._stopped:
            raise EngineFailed("the optimiser was stopped")
        command = [sys.executable, "-m", __name__, str(directory), str(os.getpid())]
        command += [f"{field}={kind}" for field, kind in fields.items()]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:  # noqa: S603
            self._process = process
            if self._stopped:
                process.kill()
            _, said = process.communicate()
        self._process = None
        if process.returncode == -signal.SIGKILL and not self._stopped:
            raise EngineFailed("the optimiser was killed, most likely for the memory that it took")
        if process.returncode:
            last_words = said[-_LAST_WORDS_BYTES:].decode(errors="replace").strip().rpartition("\n")[2]
            raise EngineFailed(f"the optimiser ended with {process.returncode}: {last_words}")

    def stop(self) -> None:
        """Ends the process, if one runs, and lets no other start."""
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()


def main() -> None:
    directory, parent, *fields = sys.argv[1:]
    os.nice(NICENESS)
    # Linux ends this process with its parent; elsewhere it works on in vain.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):
            return
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    import qdrant_edge as qe

    from services.retrieval.engines.qdrant_filter import index_of

    shard = qe.EdgeShard.load(directory)
    for field in fields:
        name, _, kind = field.rpartition("=")
        shard.update(qe.UpdateOperation.create_field_index(name, index_of(kind)))
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main()
