"""Table rows can be read alone: under their header where there is one, as name and value where there is none."""

import pytest

from services.rag.document import Kind
from services.rag.ingest.parsers.tables import MAX_ROW_CHARACTERS, rows


def texts(table: list[list[str]], header_rows: int | None = None) -> list[str]:
    return [block.text for block in rows(table, header_rows=header_rows)]


def test_cells_stand_under_their_header() -> None:
    table = [["Site", "Pump", "Output"], ["Weir Street", "HB-250", "118 l/s"], ["Mill Lane", "", "62 l/s"]]
    assert texts(table) == ["Site: Weir Street; Pump: HB-250; Output: 118 l/s", "Site: Mill Lane; Output: 62 l/s"]


def test_names_and_values_are_no_header_and_body() -> None:
    table = [["Owner", "Ada Brandt"], ["Deputy:", "Tom Birtles"], ["Extension", "401"]]
    assert texts(table) == ["Owner: Ada Brandt", "Deputy: Tom Birtles", "Extension: 401"]


def test_figures_under_a_title_make_it_a_header() -> None:
    assert texts([["Fare", "Price"], ["Single", "£6.20"], ["Return", "£10.80"]]) == [
        "Fare: Single; Price: £6.20",
        "Fare: Return; Price: £10.80",
    ]


def test_a_header_that_is_marked_is_believed() -> None:
    assert texts([["Letters", "Group"], ["CH", "Chemicals"]], header_rows=1) == ["Letters: CH; Group: Chemicals"]


def test_header_rows_above_each_other_are_one() -> None:
    table = [["Site", "Charge", "Charge"], ["", "a day", "a year"], ["Dam", "£3", "£90"]]
    assert texts(table, header_rows=2) == ["Site: Dam; Charge a day: £3; Charge a year: £90"]


@pytest.mark.parametrize("first", [["-c", "--check", "checks"], ["1874", "Weir", "110"], ["a;", "b;", "c;"]])
def test_options_figures_and_code_are_no_header(first: list[str]) -> None:
    assert texts([first, ["x", "y", "z"]]) == ["; ".join(first), "x; y; z"]


def test_a_row_that_spans_the_table_introduces_those_below() -> None:
    table = [["Size", "Maker", "Price"], ["Large", "Large", "Large"], ["80 mm", "Sentrel", "£310"]]
    blocks = list(rows(table))
    assert [(block.text, block.lead_in) for block in blocks] == [
        ("Large", ""),
        ("Size: 80 mm; Maker: Sentrel; Price: £310", "Large"),
    ]


def test_a_long_row_is_cut_and_each_part_names_it() -> None:
    header = ["Name", *(f"Column {number}" for number in range(12))]
    body = ["Weir Street", *("value " * 10 for _ in range(12))]
    parts = texts([header, body], header_rows=1)
    assert len(parts) > 1
    assert all(part.startswith("Name: Weir Street; ") for part in parts)
    assert all(len(part) <= 1.5 * MAX_ROW_CHARACTERS for part in parts)


def test_a_table_of_nothing_but_its_header_is_told() -> None:
    assert texts([["Site", "Pump", "Output"]], header_rows=1) == ["Site; Pump; Output"]


def test_rows_without_text_are_left_out() -> None:
    assert [block.kind for block in rows([["", ""], ["Dam", "£3"], ["", ""]])] == [Kind.ROW]
    assert texts([]) == []
