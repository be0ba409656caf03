"""What was acknowledged is there after any end of the process; what was not does no harm."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.kit.client import open_channel
from tests.processes import ServiceProcess, service
from tests.retrieval.points import id_of, matching, point, upsert, vector

WIDE = 256
ENOUGH = 2500
"""So many wide points are worth an index."""
QUICK_INDEX = {"LEDGE_HNSW_LINKS": "4", "LEDGE_HNSW_BUILD_EFFORT": "16"}
ALL_PARTS = pb.Selection(text=True, metadata=True, attachments=["a"])


@asynccontextmanager
async def stub_of(process: ServiceProcess) -> AsyncIterator[Any]:
    async with open_channel(process.address) as channel:
        yield rpc.RetrievalServiceStub(channel)


def given(number: int) -> pb.Point:
    return point(number, f"pump word{number}", {"n": number, "even": number % 2 == 0}, {"a": b"%d" % number})


async def check(stub: Any, numbers: list[int], collection: str = "c") -> None:
    """These points are there with all their parts, and no others."""
    page = await stub.Scroll(pb.ScrollRequest(collection=collection, limit=1000, selection=ALL_PARTS))
    there = {each.id: each for each in page.points}
    assert set(there) == {id_of(n) for n in numbers}
    for n in numbers:
        wanted = given(n)
        found = there[id_of(n)]
        assert (found.text, found.metadata, found.attachments["a"]) == (
            wanted.text,
            wanted.metadata,
            wanted.attachments["a"],
        )
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == len(numbers)
    counted = await stub.CountTerms(pb.CountTermsRequest(collection=collection, text="pump"))
    assert (counted.terms[0].points, counted.points) == (len(numbers), len(numbers))
    for n in numbers[:3]:
        request = pb.SearchRequest(
            collection=collection, vector=vector(n).tobytes(), text=f"word{n}", limit=1, selection=ALL_PARTS
        )
        (hit,) = (await stub.Search(request)).hits
        assert hit.point.attachments["a"] == b"%d" % n


async def test_everything_acknowledged_survives_kill_9_and_a_clean_restart(tmp_path: Path) -> None:
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            await stub.Upsert(upsert("c", [given(n) for n in range(1, 301)]))
            await stub.Upsert(upsert("c", [point(n, "old") for n in range(301, 311)]))
            await stub.Upsert(upsert("c", [given(n) for n in range(301, 311)]))
            await stub.Delete(pb.DeleteRequest(collection="c", filter=pb.Filter(must=[matching("even", True)])))
            await stub.Delete(pb.DeleteRequest(collection="c", ids=[id_of(1)]))
            process.kill()
    left = list(range(3, 311, 2))
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            await check(stub, left)
            process.terminate()
            assert process.wait() == 0
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            await check(stub, left)
            await stub.DeleteCollection(pb.DeleteCollectionRequest(name="c"))
    assert not list((tmp_path / "collections").iterdir())


async def test_a_stopped_store_packed_by_tar_and_unpacked_elsewhere_is_the_same(tmp_path: Path) -> None:
    numbers = list(range(1, 51))
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path / "old")) as process:
        async with stub_of(process) as stub:
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            await stub.Upsert(upsert("c", [given(n) for n in numbers]))
        process.terminate()
        assert process.wait() == 0
    archive = tmp_path / "retrieval.tar"
    await asyncio.to_thread(subprocess.run, ["tar", "-C", tmp_path / "old", "-cSf", archive, "collections"], check=True)
    (tmp_path / "new").mkdir()
    await asyncio.to_thread(subprocess.run, ["tar", "-C", tmp_path / "new", "-xf", archive], check=True)
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path / "new")) as process:
        async with stub_of(process) as stub:
            await check(stub, numbers)


async def test_killed_in_mid_stream_it_keeps_what_was_acknowledged_whole(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))

            async def write(start: int) -> None:
                for first in range(start, start + 10_000, 20):
                    numbers = list(range(first, first + 20))
                    await stub.Upsert(upsert("c", [given(n) for n in numbers]))
                    acknowledged.extend(numbers)
                    if len(acknowledged) >= 400:
                        process.process.kill()

            with pytest.raises(grpc.aio.AioRpcError):
                await asyncio.gather(write(1), write(10_001), write(20_001))
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            page = await stub.Scroll(pb.ScrollRequest(collection="c", limit=1000, selection=ALL_PARTS))
            numbers = sorted(int(each.id[-8:], 16) for each in page.points)
            assert set(acknowledged) <= set(numbers)
            await check(stub, numbers)


def wide_points(numbers: range, text: str = "pump") -> list[pb.Point]:
    return [point(n, f"{text} word{n}", {"n": n % 10}, row=wide(n)) for n in numbers]


def wide(number: int) -> np.ndarray:
    return vector(number, WIDE)


async def nearest(stub: Any, number: int) -> tuple[str, str]:
    # Exact: the question is what is there, not what an index built in haste recalls.
    request = pb.SearchRequest(collection="c", vector=wide(number).tobytes(), limit=1, exact=True)
    (hit,) = (await stub.Search(request)).hits
    return hit.point.id, hit.point.text


async def write_wide(stub: Any) -> None:
    await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=WIDE))
    groups = [wide_points(range(first, first + 500)) for first in range(1, ENOUGH, 500)]
    await stub.Upsert(upsert("c", *groups))


async def test_calls_go_on_while_the_index_is_built_and_writes_meanwhile_are_in_it(tmp_path: Path) -> None:
    settings = {"LEDGE_DATA_DIR": str(tmp_path), "LEDGE_OPTIMIZE_IDLE_S": "0.2", **QUICK_INDEX}
    with service("retrieval", **settings) as process:
        async with stub_of(process) as stub:
            await write_wide(stub)
            optimised = asyncio.create_task(asyncio.to_thread(process.wait_for, "optimised", 100))
            turn = 0
            while not optimised.done() and turn < 100:
                turn += 1
                await stub.Upsert(upsert("c", wide_points(range(turn, turn + 1), f"turn{turn}")))
                await stub.Delete(pb.DeleteRequest(collection="c", ids=[id_of(ENOUGH - turn)]))
                assert await nearest(stub, turn) == (id_of(turn), f"turn{turn} word{turn}")
            await optimised
            assert turn > 1
            count = ENOUGH - turn
            for process_is in ("running", "killed", "stopped"):
                async with stub_of(process) as stub:
                    assert (await stub.Count(pb.CountRequest(collection="c"))).points == count, process_is
                    for n in (1, turn, turn + 1, ENOUGH):
                        expected = f"turn{n} word{n}" if n <= turn else f"pump word{n}"
                        assert await nearest(stub, n) == (id_of(n), expected), process_is
                    counted = await stub.CountTerms(pb.CountTermsRequest(collection="c", text=f"pump turn{turn}"))
                    assert [entry.points for entry in counted.terms] == [count - turn, 1], process_is
                    filter = pb.Filter(must=[matching("n", 3)])
                    matched = await stub.Count(pb.CountRequest(collection="c", filter=filter))
                    assert matched.points == sum(n % 10 == 3 for n in [*range(1, ENOUGH - turn), ENOUGH]), process_is
                if process_is == "running":
                    process.kill()
                elif process_is == "killed":
                    process.terminate()
                    assert process.wait() == 0
                if process_is != "stopped":
                    process.close()
                    process = ServiceProcess("retrieval", settings).wait_ready()
            process.close()
    shard_directories = [path.name for path in (tmp_path / "collections" / "c").glob("shard-*")]
    assert len(shard_directories) == 1


async def test_ended_while_it_builds_an_index_it_ends_at_once_and_loses_nothing(tmp_path: Path) -> None:
    settings = {"LEDGE_DATA_DIR": str(tmp_path), "LEDGE_OPTIMIZE_IDLE_S": "0"}
    for end in ("terminate", "kill"):
        with service("retrieval", **settings) as process:
            async with stub_of(process) as stub:
                if end == "terminate":
                    await write_wide(stub)
                else:
                    await stub.Upsert(upsert("c", wide_points(range(1, 500))))
                await asyncio.to_thread(process.wait_for, "optimising", 100)
                children = psutil.Process(process.process.pid).children()
                getattr(process, end)()
                if end == "terminate":
                    assert process.wait(30) == 0
                _, left = psutil.wait_procs(children, timeout=30)
                assert not left
    with service("retrieval", **settings) as process:
        async with stub_of(process) as stub:
            assert (await stub.Count(pb.CountRequest(collection="c"))).points == ENOUGH
            assert (await nearest(stub, 77))[0] == id_of(77)


async def test_where_memory_ends_the_optimiser_is_killed_first_and_the_service_goes_on(tmp_path: Path) -> None:
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path), LEDGE_OPTIMIZE_IDLE_S="0") as process:
        async with stub_of(process) as stub:
            await write_wide(stub)
            await asyncio.to_thread(process.wait_for, "optimising", 100)
            optimizer = None
            async with asyncio.timeout(100):
                while optimizer is None:
                    optimizer = next(filter(is_killed_first, psutil.Process(process.process.pid).children()), None)
                    await asyncio.sleep(0)
            optimizer.kill()
            failed = await asyncio.to_thread(process.wait_for, "cannot optimise", 100)
            assert "killed, most likely for the memory" in failed["reason"]
            assert (await nearest(stub, 77))[0] == id_of(77)
            assert (await stub.Upsert(upsert("c", wide_points(range(1, 3))))).written == 2


def is_killed_first(process: psutil.Process) -> bool:
    """By the kernel, where it must choose."""
    try:
        return Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"
    except OSError:
        return False


async def test_a_collection_deleted_while_its_index_is_built_is_gone(tmp_path: Path) -> None:
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path), LEDGE_OPTIMIZE_IDLE_S="0") as process:
        async with stub_of(process) as stub:
            await write_wide(stub)
            await asyncio.to_thread(process.wait_for, "optimising", 100)
            await stub.DeleteCollection(pb.DeleteCollectionRequest(name="c"))
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            await stub.Upsert(upsert("c", [given(1)]))
            await check(stub, [1])
            process.terminate()
            assert process.wait(30) == 0
        assert not [entry for entry in process.log if entry.get("level") == "error"]


def test_a_second_process_on_the_same_directory_says_so_and_ends(tmp_path: Path) -> None:
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)):
        second = ServiceProcess("retrieval", {"LEDGE_DATA_DIR": str(tmp_path)})
        try:
            assert second.wait() == 1
            assert any(
                "another process" in entry["event"] and "LEDGE_DATA_DIR" in entry["event"] for entry in second.log
            )
        finally:
            second.close()


def test_a_directory_that_cannot_be_used_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process = ServiceProcess("retrieval", {"LEDGE_DATA_DIR": str(tmp_path / "file")})
    try:
        assert process.wait() == 1
        assert any("LEDGE_DATA_DIR" in entry["event"] and "stack" not in entry for entry in process.log)
    finally:
        process.close()


async def test_what_a_crash_left_half_done_is_cleared_and_a_broken_collection_harms_no_other(tmp_path: Path) -> None:
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            for name in ("c", "torn", "broken"):
                await stub.CreateCollection(pb.CreateCollectionRequest(name=name, dimensions=8))
            await stub.Upsert(upsert("c", [given(n) for n in range(1, 11)]))
            process.terminate()
            assert process.wait() == 0
    collections = tmp_path / "collections"
    (collections / "torn" / "collection.json").unlink()
    shutil.copytree(collections / "c" / "shard-1", collections / "c" / "shard-2")
    (collections / "c" / "term-counts.npz").write_bytes(b"PK\x03\x04 no archive")
    description = json.loads((collections / "broken" / "collection.json").read_text())
    (collections / "broken" / "collection.json").write_text(json.dumps(description | {"format": 999}))
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with stub_of(process) as stub:
            await check(stub, list(range(1, 11)))
            listed = [each.name for each in (await stub.ListCollections(pb.ListCollectionsRequest())).collections]
            assert listed == ["c"]
            with pytest.raises(grpc.aio.AioRpcError, match="another release wrote it"):
                await stub.Count(pb.CountRequest(collection="broken"))
            await stub.DeleteCollection(pb.DeleteCollectionRequest(name="broken"))
            await stub.CreateCollection(pb.CreateCollectionRequest(name="broken", dimensions=8))
            await stub.Upsert(upsert("broken", [given(1)]))
            await check(stub, [1], "broken")
    assert sorted(path.name for path in collections.iterdir()) == ["broken", "c"]
    assert not (collections / "c" / "shard-2").exists()


async def test_attachments_of_points_that_are_gone_free_their_space(tmp_path: Path) -> None:
    file = tmp_path / "collections" / "c" / "attachments" / "data.mdb"
    settings = {"LEDGE_DATA_DIR": str(tmp_path), "LEDGE_OPTIMIZE_IDLE_S": "0"}
    with service("retrieval", **settings) as process:
        async with stub_of(process) as stub:
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            sizes = []
            for turn in range(8):
                content = {"a": bytes([turn]) * 100_000}
                await stub.Upsert(upsert("c", [point(n, attachments=content) for n in range(1, 51)]))
                await stub.Delete(pb.DeleteRequest(collection="c", ids=[id_of(n) for n in range(1, 51)]))
                sizes.append(file.stat().st_size)
    assert sizes[-1] <= 3 * sizes[0]


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    """On a small file system of its own, where one may be mounted."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system of its own needs privileges")
    try:
        asyncio.run(_fill_the_disk(small))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


async def _fill_the_disk(directory: Path) -> None:
    settings = {"LEDGE_DATA_DIR": str(directory), "LEDGE_RESERVED_DISK_BYTES": str(128 * 2**20)}
    written: list[int] = []

    async def write(stub: Any, first: int) -> None:
        points = [given(n) for n in range(first, first + 10)]
        for each in points:
            each.attachments["blob"] = bytes(200_000)
        await stub.Upsert(upsert("c", points))
        written.extend(range(first, first + 10))

    async def write_until_refused(stub: Any) -> str:
        for first in range(1, 1000, 10):
            try:
                await write(stub, first)
            except grpc.aio.AioRpcError as error:
                return f"{error.code().name}: {error.details()}"
        raise AssertionError("the disk never filled")

    with service("retrieval", **settings) as process:
        async with stub_of(process) as stub:
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            assert (await write_until_refused(stub)).startswith("INTERNAL: the disk is full")
            assert len(written) > 100
            await check(stub, written)
            with pytest.raises(grpc.aio.AioRpcError, match="the disk is full"):
                await stub.CreateCollection(pb.CreateCollectionRequest(name="d", dimensions=8))
            process.kill()
    with service("retrieval", **settings) as process:
        async with stub_of(process) as stub:
            await check(stub, written)
            await stub.Delete(pb.DeleteRequest(collection="c", ids=[id_of(n) for n in written[10:]]))
            await check(stub, written[:10])
