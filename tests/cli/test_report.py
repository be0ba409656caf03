"""Reports of benches: figures beside their baselines, for people and for programs, without a word on whose machine."""

import io
import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.bench.report import Report, Row, machine, number, percentile
from services.cli.bench.running import RunningService, proportional_bytes, resident_bytes
from services.kit.errors import EngineFailed

FINITE = st.floats(-1e9, 1e9)


def test_a_ratio_is_value_over_baseline() -> None:
    assert Row("speed", 95.0, "tokens/s", baseline="in process", baseline_value=100.0).ratio == 0.95
    assert Row("speed", 95.0, "tokens/s").ratio is None
    assert Row("speed", 95.0, "tokens/s", baseline_value=0.0).ratio is None
    assert Row("speed", 95.0, "tokens/s", baseline_value=100.0, ratio=2.0).ratio == 2.0


def test_a_report_is_written_with_all_that_a_reader_needs(tmp_path: Path) -> None:
    report = Report("x", [Row("speed", 95.0, "tokens/s", baseline="in process", baseline_value=100.0)], "ledge bench x")
    report.write_json(tmp_path / "x.json")
    read = json.loads((tmp_path / "x.json").read_text())
    assert read["bench"] == "x"
    assert read["command"] == "ledge bench x"
    assert read["machine"]["cores"] >= 1
    row = read["rows"][0]
    assert {"figure", "value", "unit", "baseline", "ratio"} <= row.keys()
    assert row["ratio"] == 0.95


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="cannot write"):
        Report("x", []).write_json(tmp_path / "none" / "x.json")


def test_a_printed_report_shows_figures_baselines_and_the_command() -> None:
    out = io.StringIO()
    row = Row("speed", 95.0, "tokens/s", baseline="in process", baseline_value=100.0, note="median of 5")
    Report("x", [row], "ledge bench x --fast").print(Console(file=out, width=120))
    for told in ("95.0 tokens/s", "in process: 100 tokens/s", "0.95 ×", "median of 5", "ledge bench x --fast"):
        assert told in out.getvalue()


def test_columns_that_hold_nothing_are_left_out() -> None:
    out = io.StringIO()
    Report("x", [Row("speed", 95.0, "tokens/s")], "ledge bench x").print(Console(file=out, width=120))
    assert "speed" in out.getvalue()
    assert "baseline" not in out.getvalue()
    assert "note" not in out.getvalue()


def test_the_machine_is_described_without_its_name() -> None:
    described = json.dumps(machine())
    assert socket.gethostname() not in described
    assert "cores" in described


@given(st.lists(FINITE, min_size=1), st.floats(0, 100))
def test_a_percentile_lies_within_the_values(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert min(values) - 1e-3 <= found <= max(values) + 1e-3


def test_percentiles_are_those_of_the_textbook() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([0, 10], 95) == 9.5
    assert percentile([7], 99) == 7


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.001234, "0.00123"), (1.5, "1.50"), (98.76, "98.8"), (1234.5, "1,234")]
)
def test_numbers_have_three_figures(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_measured_service_runs_until_the_block_ends() -> None:
    with RunningService("embedding", {"LEDGE_ENGINE": "scripted"}) as embedding:
        assert embedding.address.startswith("127.0.0.1:")
        assert embedding.ops_url.startswith("http://127.0.0.1:")
        assert 0 < proportional_bytes(embedding.pid) <= resident_bytes(embedding.pid)
    assert embedding.process.returncode == 0


def test_a_service_that_cannot_be_measured_says_why() -> None:
    with pytest.raises(EngineFailed, match="LEDGE_ENGINE"), RunningService("embedding", {"LEDGE_ENGINE": "none-such"}):
        pass
