"""Generated code is fresh, and a changed contract breaks no client of the released one."""

import filecmp
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.contracts.breaking import breaking_changes

ROOT = Path(__file__).parent.parent.parent
PROTOS = ROOT / "protos"
RELEASED = PROTOS / "released.binpb"


def descriptors(folder: Path) -> FileDescriptorSet:
    """The contracts below `folder`, compiled."""
    files = sorted(str(file.relative_to(folder)) for file in folder.glob("ledge/**/*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", "--descriptor_set_out=/dev/stdout", *files]
    compiled = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return FileDescriptorSet.FromString(compiled.stdout)


def released() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(RELEASED.read_bytes())


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    subprocess.run(
        [PROTOS / "generate.sh", tmp_path], env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}, check=True
    )
    fresh = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*.py*"))
    committed = sorted(
        file.relative_to(PROTOS / "gen") for file in (PROTOS / "gen").rglob("*.py*") if file.suffix != ".pyc"
    )
    assert committed == fresh, "run `make generate`"
    stale = [file for file in fresh if not filecmp.cmp(tmp_path / file, PROTOS / "gen" / file, shallow=False)]
    assert not stale, "run `make generate`"


def test_no_contract_breaks_a_client_of_the_last_release() -> None:
    assert breaking_changes(released(), descriptors(PROTOS)) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("uint32 number = 1;", "uint64 number = 1;", "number"),
        ("string query = 2;", "", "query"),
        ("FAST = 1;", "QUICK = 1;", "FAST"),
        ("rpc Answer(AnswerRequest) returns (stream AnswerResponse);", "", "Answer"),
        ("rpc Search(SearchRequest)", "rpc Search(stream SearchRequest)", "Search"),
    ],
)
def test_a_breaking_change_is_found(tmp_path: Path, before: str, after: str, told: str) -> None:
    for file in PROTOS.glob("ledge/**/*.proto"):
        copy = tmp_path / file.relative_to(PROTOS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text()
        copy.write_text(text.replace(before, after, 1) if file.name in {"rag.proto", "reranking.proto"} else text)
    try:
        changed = descriptors(tmp_path)
    except subprocess.CalledProcessError:
        pytest.fail("the changed contract does not compile")
    assert any(told in change for change in breaking_changes(released(), changed))


def test_every_service_says_what_it_promises() -> None:
    for file in sorted(PROTOS.glob("ledge/**/*.proto")):
        lines = file.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.startswith("service "):
                assert lines[number - 1].startswith("//"), f"{file.name}:{number + 1} has no comment"
