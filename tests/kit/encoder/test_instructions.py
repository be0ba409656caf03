"""AVX-512 is asked for only on processors that gain by it, and never against the operator's word."""

import os
from pathlib import Path

import pytest

from services.kit.encoder.instructions import NEEDED, prefer_avx512, processor_flags


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CT2_FORCE_CPU_ISA", "")
    monkeypatch.delenv("CT2_FORCE_CPU_ISA")


def cpuinfo(folder: Path, flags: set[str]) -> Path:
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nflags\t\t: {' '.join(sorted(flags))}\n\nprocessor\t: 1\n")
    return file


def test_a_processor_with_vnni_uses_avx512(tmp_path: Path) -> None:
    prefer_avx512(cpuinfo(tmp_path, NEEDED | {"avx2", "sse"}))
    assert os.environ["CT2_FORCE_CPU_ISA"] == "AVX512"


@pytest.mark.parametrize("lacking", sorted(NEEDED))
def test_a_processor_that_lacks_one_of_the_instructions_does_not(tmp_path: Path, lacking: str) -> None:
    prefer_avx512(cpuinfo(tmp_path, NEEDED - {lacking}))
    assert "CT2_FORCE_CPU_ISA" not in os.environ


def test_what_the_operator_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CT2_FORCE_CPU_ISA", "AVX2")
    prefer_avx512(cpuinfo(tmp_path, NEEDED))
    assert os.environ["CT2_FORCE_CPU_ISA"] == "AVX2"


def test_a_system_without_the_file_is_left_alone(tmp_path: Path) -> None:
    assert processor_flags(tmp_path / "cpuinfo") == set()
