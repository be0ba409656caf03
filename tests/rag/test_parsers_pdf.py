"""PDF: what a reader sees is what comes out, page by page; what cannot be read says why."""

import pytest
from reportlab.pdfgen.canvas import Canvas

from services.kit.errors import InvalidInput
from services.rag.document import Kind
from tests.rag.documents import HEIGHT, PROSE, WIDTH, blocks_of, pdf, simple_pdf, told, wrapped, write_lines


def test_headings_are_told_by_their_type_and_paragraphs_are_whole() -> None:
    def draw(canvas: Canvas) -> None:
        y = write_lines(canvas, ["The Pump House"], size=20, bold=True)
        y = write_lines(canvas, ["1 History"], y=y - 20, size=14, bold=True)
        y = write_lines(canvas, wrapped(PROSE, 80), y=y - 10)
        y = write_lines(canvas, ["1.1 The fire"], y=y - 20, size=11, bold=True)
        write_lines(canvas, wrapped(PROSE, 80), y=y - 10)

    blocks = blocks_of(pdf(draw))
    headings = [(block.level, block.text) for block in blocks if block.kind is Kind.HEADING]
    assert headings == [(1, "The Pump House"), (2, "1 History"), (3, "1.1 The fire")]
    assert told(blocks, Kind.PARAGRAPH) == [PROSE.strip()] * 2


def test_each_block_knows_its_page() -> None:
    blocks = blocks_of(simple_pdf(3))
    assert [(block.page, block.text.split(".")[0]) for block in blocks] == [
        (page, f"Page {page} tells of pump {page}") for page in (1, 2, 3)
    ]


def test_a_word_broken_at_the_end_of_a_line_is_mended() -> None:
    def draw(canvas: Canvas) -> None:
        y = write_lines(
            canvas, ["The water is lifted by a pump of the most extra-", "ordinary kind that the town has."]
        )
        y = write_lines(canvas, ["It is a well-made thing. Everybody says that it is a well-", "made thing."], y=y - 20)
        write_lines(canvas, ["An extraordinary story."], y=y - 20)

    assert told(blocks_of(pdf(draw)), Kind.PARAGRAPH) == [
        "The water is lifted by a pump of the most extraordinary kind that the town has.",
        "It is a well-made thing. Everybody says that it is a well-made thing.",
        "An extraordinary story.",
    ]


def test_running_heads_and_page_numbers_are_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        for page in range(1, 7):
            write_lines(canvas, ["Thornmere Waterworks, Handbook"], y=HEIGHT - 40, size=8)
            write_lines(canvas, wrapped(f"Paragraph {page}. {PROSE}", 80))
            write_lines(canvas, [f"Page {page} of 6"], x=280, y=40, size=8)
            canvas.showPage()

    texts = told(blocks_of(pdf(draw)), *Kind)
    assert len(texts) == 6
    assert all(text.startswith("Paragraph") for text in texts)


def test_what_stands_beside_a_page_number_is_a_running_head() -> None:
    def draw(canvas: Canvas) -> None:
        for page, chapter in enumerate(("Of pumps", "Of valves", "Of mains"), start=1):
            write_lines(canvas, [chapter], y=HEIGHT - 40, size=8)
            write_lines(canvas, [f"{page}"], x=500, y=HEIGHT - 40, size=8)
            write_lines(canvas, wrapped(PROSE, 80))
            canvas.showPage()

    assert told(blocks_of(pdf(draw)), *Kind) == [PROSE.strip()] * 3


def test_a_paragraph_goes_on_over_the_page() -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(
            canvas, ["The valve is closed by turning the wheel", "to the right until the pointer stands"], y=100
        )
        canvas.showPage()
        write_lines(canvas, ["at the red mark."])

    (block,) = blocks_of(pdf(draw))
    assert (
        block.text == "The valve is closed by turning the wheel to the right until the pointer stands at the red mark."
    )
    assert block.page == 1


def test_a_table_without_rules_becomes_rows_that_carry_their_header() -> None:
    def draw(canvas: Canvas) -> None:
        y = write_lines(canvas, wrapped(PROSE, 80))
        for place, row in enumerate(
            [("Pump house", "Height", "Built"), ("Weir Street", "14.2 m", "1874"), ("Mill Lane", "9.6 m", "1936")]
        ):
            canvas.setFont("Helvetica-Bold" if not place else "Helvetica", 9)
            y -= 14
            for x, cell in zip((70, 220, 320), row, strict=True):
                canvas.drawString(x, y, cell)
        write_lines(canvas, wrapped(PROSE, 80), y=y - 30)

    assert told(blocks_of(pdf(draw)), Kind.ROW) == [
        "Pump house: Weir Street; Height: 14.2 m; Built: 1874",
        "Pump house: Mill Lane; Height: 9.6 m; Built: 1936",
    ]


def test_cells_of_several_lines_stay_in_their_row() -> None:
    def draw(canvas: Canvas) -> None:
        cells = [
            (["Source"], ["Yield"]),
            (["Lammas Reservoir with", "Upper Lammas"], ["26 Ml/d"]),
            (["River"], ["18 Ml/d"]),
        ]
        y = 700.0
        for left, right in cells:
            low = write_lines(canvas, left, y=y, size=9)
            write_lines(canvas, right, x=300, y=y, size=9)
            y = low - 6

    assert told(blocks_of(pdf(draw)), Kind.ROW) == [
        "Source: Lammas Reservoir with Upper Lammas; Yield: 26 Ml/d",
        "Source: River; Yield: 18 Ml/d",
    ]


def test_a_table_goes_on_over_the_page_with_its_header() -> None:
    def row(canvas: Canvas, y: float, cells: tuple[str, str]) -> None:
        for x, cell in zip((70, 300), cells, strict=True):
            canvas.drawString(x, y, cell)

    def draw(canvas: Canvas) -> None:
        for place, cells in enumerate([("Code", "Meaning"), ("E17", "Pump failed"), ("E19", "Pump tripped")]):
            canvas.setFont("Helvetica" if place else "Helvetica-Bold", 10)
            row(canvas, 130 - 15 * place, cells)
        canvas.showPage()
        for place, cells in enumerate([("E24", "Low pressure"), ("E42", "Battery low")]):
            row(canvas, 760 - 15 * place, cells)

    blocks = blocks_of(pdf(draw))
    assert [(block.page, block.text) for block in blocks] == [
        (1, "Code: E17; Meaning: Pump failed"),
        (1, "Code: E19; Meaning: Pump tripped"),
        (2, "Code: E24; Meaning: Low pressure"),
        (2, "Code: E42; Meaning: Battery low"),
    ]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    left = " ".join(f"Left sentence number {number} stands in the first column." for number in range(20))
    right = " ".join(f"Right sentence number {number} stands in the second column." for number in range(20))

    def draw(canvas: Canvas) -> None:
        write_lines(canvas, wrapped(left, 42), x=60)
        write_lines(canvas, wrapped(right, 42), x=320)

    assert " ".join(told(blocks_of(pdf(draw)), *Kind)) == f"{left} {right}"


def test_list_items_have_their_markers_and_their_depth() -> None:
    def draw(canvas: Canvas) -> None:
        y = write_lines(canvas, ["A filter is washed:"])
        y = write_lines(canvas, ["• after a head loss of 1.8 m that lasts", "  until the evening;"], x=80, y=y - 4)
        y = write_lines(canvas, ["– never on Sundays;"], x=100, y=y - 4)
        write_lines(canvas, ["1. when the bell rings."], x=80, y=y - 4)

    blocks = blocks_of(pdf(draw))
    assert [(block.kind, block.marker, block.level, block.text) for block in blocks] == [
        (Kind.PARAGRAPH, "", 0, "A filter is washed:"),
        (Kind.ITEM, "-", 0, "after a head loss of 1.8 m that lasts until the evening;"),
        (Kind.ITEM, "-", 1, "never on Sundays;"),
        (Kind.ITEM, "1.", 0, "when the bell rings."),
    ]


def test_the_table_of_contents_is_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["Contents"], size=14, bold=True)
        write_lines(canvas, ["1 History . . . . . . . . . . . 2", "2 Pumps ............... 3"], y=700)
        canvas.showPage()
        for number, title in ((1, "History"), (2, "Pumps")):
            y = write_lines(canvas, [f"{number} {title}"], size=14, bold=True)
            write_lines(canvas, wrapped(PROSE, 80), y=y - 10)
            canvas.showPage()

    assert told(blocks_of(pdf(draw)), *Kind) == ["1 History", PROSE.strip(), "2 Pumps", PROSE.strip()]


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_page_reads_like_an_upright_one(quarter_turns: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(90 * quarter_turns)
        # The canvas lies on its side when it is turned once or three times.
        canvas.translate(*((HEIGHT, 0), (WIDTH, HEIGHT), (0, WIDTH))[quarter_turns - 1])
        canvas.rotate(90 * quarter_turns)
        y = write_lines(canvas, ["The Weir"], size=18, bold=True, y=500)
        write_lines(canvas, wrapped(PROSE, 60), y=y - 10)

    blocks = blocks_of(pdf(draw))
    assert [block.text for block in blocks] == ["The Weir", PROSE.strip()]
    assert blocks[0].kind is Kind.HEADING


def test_a_stamp_across_the_page_is_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, wrapped(PROSE, 80))
        canvas.translate(200, 300)
        canvas.rotate(45)
        write_lines(canvas, ["DRAFT"], x=0, y=0, size=60)

    assert told(blocks_of(pdf(draw)), *Kind) == [PROSE.strip()]


def test_a_pdf_without_text_has_no_blocks() -> None:
    assert blocks_of(pdf(lambda canvas: canvas.rect(10, 10, 50, 50))) == []


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_cut_off_pdf_is_refused_or_read_as_far_as_it_goes(keep: float) -> None:
    content = simple_pdf(3)
    try:
        blocks = blocks_of(content[: int(len(content) * keep)])
    except InvalidInput:
        return
    assert all("tells of pump" in block.text for block in blocks)


def test_nonsense_after_the_magic_number_is_a_damaged_pdf() -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        blocks_of(b"%PDF-1.7\n" + bytes(range(256)) * 100)


def test_a_password_is_asked_for_by_name() -> None:
    with pytest.raises(InvalidInput, match="password"):
        blocks_of(pdf(lambda canvas: canvas.drawString(70, 700, "secret"), password="open sesame"))
