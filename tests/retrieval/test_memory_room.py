"""Optimising is begun where its memory is there; else the collection is served as it is, and that is said once."""

import urllib.request
from array import array
from pathlib import Path

import pytest
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.kit.client import open_channel
from services.retrieval.engine import Point, Query
from services.retrieval.engines.qdrant_collection import QdrantCollection
from services.retrieval.engines.qdrant_shard import Tuning
from services.retrieval.memory_room import room_bytes
from tests.processes import ServiceProcess, service
from tests.retrieval.points import id_of, point, upsert, vector

WIDE = 256
ENOUGH = 2500
"""So many wide points are worth an index."""
MIB = 2**20


def machine(root: Path, groups: str, available_bytes: int = 1000 * MIB) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/status").write_text(f"VmRSS:\t{50 * 1024} kB\nRssAnon:\t{30 * 1024} kB\n")
    (root / "proc/meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {available_bytes // 1024} kB\n")
    return root


def group(folder: Path, limit: str, used_bytes: int, cached_bytes: int, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    limit_file, usage_file, prefix = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
        2: ("memory.max", "memory.current", ""),
    }[version]
    (folder / limit_file).write_text(f"{limit}\n")
    (folder / usage_file).write_text(f"{used_bytes}\n")
    (folder / "memory.stat").write_text(f"{prefix}active_file {cached_bytes - MIB}\n{prefix}inactive_file {MIB}\n")


def test_a_container_may_take_what_its_limit_leaves_and_pages_of_files_count_as_free(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n")
    group(root / "sys/fs/cgroup", str(300 * MIB), used_bytes=250 * MIB, cached_bytes=150 * MIB)
    assert room_bytes(root=root) == 200 * MIB


def test_control_groups_of_version_1_are_read_too(tmp_path: Path) -> None:
    # As in a container without a name space of its own for them: the path is the node's, the files are its own.
    root = machine(tmp_path, "5:cpu:/kubepods/pod1\n4:memory:/kubepods/pod1\n0::/\n")
    group(root / "sys/fs/cgroup/memory", str(300 * MIB), used_bytes=250 * MIB, cached_bytes=150 * MIB, version=1)
    assert room_bytes(root=root) == 200 * MIB


def test_the_tightest_of_all_groups_counts(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/ledge.slice/retrieval.service\n")
    group(root / "sys/fs/cgroup/ledge.slice", str(120 * MIB), used_bytes=60 * MIB, cached_bytes=20 * MIB)
    group(root / "sys/fs/cgroup/ledge.slice/retrieval.service", "max", used_bytes=60 * MIB, cached_bytes=20 * MIB)
    assert room_bytes(root=root) == 80 * MIB


def test_without_a_limit_the_machine_s_memory_counts_or_the_setting_where_it_is_less(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", available_bytes=500 * MIB)
    group(root / "sys/fs/cgroup", "max", used_bytes=60 * MIB, cached_bytes=20 * MIB)
    assert room_bytes(root=root) == 500 * MIB
    assert room_bytes(limit_bytes=100 * MIB, root=root) == 70 * MIB
    assert room_bytes(limit_bytes=900 * MIB, root=root) == 500 * MIB


def test_where_nobody_tells_nothing_is_refused(tmp_path: Path) -> None:
    assert room_bytes(limit_bytes=100 * MIB, root=tmp_path) is None


def metric(process: ServiceProcess, name: str) -> float:
    with urllib.request.urlopen(f"{process.ops_url}/v1/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def wide(number: int) -> "array[float]":
    return array("f", vector(number, WIDE).tobytes())


def test_what_does_not_fit_into_memory_is_not_begun_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tuning = Tuning(links=4, build_effort=16, memory_limit_bytes=64 * MIB)
    QdrantCollection.create(tmp_path / "c", WIDE, "en", tuning)
    collection = QdrantCollection(tmp_path / "c", "c", tuning)
    points = [Point(id_of(n), wide(n), f"word{n}") for n in range(ENOUGH)]
    for start in range(0, ENOUGH, 500):
        collection.upsert(points[start : start + 500])
    assert not collection.maintain()
    assert not collection.maintain()
    (said,) = (record for record in caplog.records if "no memory to optimise" in record.message)
    assert said.__dict__["wanted_bytes"] - said.__dict__["room_bytes"] > 0
    assert collection.lacking_bytes > 0
    assert (collection.due_in_s(1, 0.0) or 0) > 0, "it is asked again after a while, not at once"
    (hit,) = collection.search(Query(wide(7), "", 1, 1))
    assert hit.point.id == id_of(7)
    collection.close()

    roomy = QdrantCollection(tmp_path / "c", "c", Tuning(links=4, build_effort=16))
    assert roomy.maintain()
    assert (roomy.unoptimized, roomy.lacking_bytes) == (0, 0)
    roomy.close()


async def test_the_service_tells_how_much_memory_it_lacks(tmp_path: Path) -> None:
    settings = {"LEDGE_OPTIMIZE_IDLE_S": "0", "LEDGE_MEMORY_LIMIT_BYTES": str(64 * MIB)}
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path), **settings) as process:
        async with open_channel(process.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=WIDE))
            points = [point(n, f"word{n}", row=vector(n, WIDE)) for n in range(ENOUGH)]
            await stub.Upsert(upsert("c", *(points[start : start + 500] for start in range(0, ENOUGH, 500))))
            said = process.wait_for(
                "no memory to optimise: searches are right, but slower; raise the service's memory limit"
            )
            # A write waits for the check to end, and brings the figures up to date.
            await stub.Upsert(upsert("c", [point(1, "later", row=vector(1, WIDE))]))
            assert said["wanted_bytes"] > 48 * MIB
            assert metric(process, "ledge_retrieval_lacking_memory_bytes") > 0
            assert metric(process, "ledge_retrieval_unoptimized_points") == ENOUGH + 1
