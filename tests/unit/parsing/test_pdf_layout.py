"""From where lines and rules stand on a page to what is read, without any PDF."""

from __future__ import annotations

import pytest

from ragline.chunking import chunk, extracted_text
from ragline.domain.chunks import Block, Extraction
from ragline.parsing.pdf.furniture import Sheet, without_furniture
from ragline.parsing.pdf.grids import Grid, take_grids
from ragline.parsing.pdf.layout import Entry, Line, Outline, blocks_of
from ragline.parsing.pdf.objects import Rule
from ragline.parsing.pdf.order import in_order
from ragline.parsing.pdf.runs import Run, Span
from ragline.parsing.pdf.seams import Seams
from tests.unit.test_chunking import Words

NO_OUTLINE = Outline((), ())


def lines(*rows: tuple[str, float, float]) -> list[Line]:
    """Lines of ``(text, size, bottom)``, all equally wide."""
    return [Line(text, size, 50, bottom + size, 500, bottom) for text, size, bottom in rows]


def only_page(page: list[Line], outline: Outline = NO_OUTLINE) -> list[Block]:
    return next(iter(blocks_of([(1, page)], outline)))


def run(text: str, left: float, bottom: float, width: float = 6.0, size: float = 10.0) -> Run:
    """Words of characters that are all equally wide."""
    spans, start = [], 0
    for word in text.split(" "):
        end = start + len(word)
        spans.append(Span(start, end, left + start * width, left + end * width))
        start = end + 1
    return Run(text, spans, bottom + size, bottom, size)


def in_words(rows: list[list[Run] | Grid]) -> list[str]:
    return ["table" if isinstance(row, Grid) else " ".join(one.text for one in row) for row in rows]


def box(left: float, top: float, right: float, bottom: float) -> list[Rule]:
    return [
        Rule(left, top, right, top),
        Rule(left, bottom, right, bottom),
        Rule(left, top, left, bottom),
        Rule(right, top, right, bottom),
    ]


def test_lines_close_together_are_a_paragraph_and_a_gap_begins_another() -> None:
    page = lines(("One goes", 10, 700), ("on here.", 10, 688), ("Two.", 10, 650))
    found = [(block.kind, block.text) for block in only_page(page)]
    assert found == [("paragraph", "One goes on here."), ("paragraph", "Two.")]


@pytest.mark.parametrize("hyphen", ["-", "\x02", "\u2010"])
def test_words_cut_at_a_line_end_are_joined(hyphen: str) -> None:
    page = lines((f"The baro{hyphen}", 10, 700), ("meter fell.", 10, 688))
    assert only_page(page)[0].text == "The barometer fell."


@pytest.mark.parametrize(
    ("elsewhere", "read"),
    [
        ("An open-domain question.", "This is open-domain work."),
        ("It is open in any domain.", "This is open-domain work."),
        ("An opendomain question.", "This is opendomain work."),
        ("A closed question.", "This is opendomain work."),
    ],
)
def test_a_hyphen_at_a_line_end_stays_where_the_document_writes_it_elsewhere(
    elsewhere: str, read: str
) -> None:
    cut = lines(("This is open-", 10, 700), ("domain work.", 10, 688))
    other = lines((elsewhere, 10, 600))
    assert Seams.of([*cut, *other]).joined(cut)[0] == read


def test_korean_lines_are_joined_within_a_word_where_others_end_with_a_space() -> None:
    ended = Line("유행 단계에", 10, 50, 710, 500, 700, spaced=True)
    cut = Line("새로이 돌", 10, 50, 698, 500, 688)
    rest = Line("입하였다고 한다", 10, 50, 686, 500, 676)
    assert Seams.of([ended, cut, rest]).joined([ended, cut, rest])[0] == (
        "유행 단계에 새로이 돌입하였다고 한다"
    )


def test_lines_in_larger_type_are_headings_by_size_and_bold_ones_below_them() -> None:
    body = [(f"Body line {row} of the text", 10.0, 600.0 - 12 * row) for row in range(5)]
    bold = Line("3.1 Bold title", 10, 50, 510, 500, 500, bold=True)
    page = [*lines(("Big Title", 20, 700), ("Smaller title", 14, 660), *body), bold]
    found = [(b.text, b.level) for b in only_page(page) if b.kind == "heading"]
    assert found == [("Big Title", 1), ("Smaller title", 2), ("3.1 Bold title", 4)]


def test_bookmarks_decide_where_they_exist_and_their_path_reaches_into_a_range() -> None:
    entries = [Entry("Part", 1, 1), Entry("Chapter", 2, 2), Entry("Care", 3, 5), Entry("End", 1, 9)]
    outline = Outline.of(entries, range(5, 7))
    page = lines(("1.1 Care", 10, 700), ("Read it daily.", 10, 650))
    found = next(iter(blocks_of([(5, page)], outline)))
    assert [(b.kind, b.text, b.level) for b in found] == [
        ("heading", "Part", 1),
        ("heading", "Chapter", 2),
        ("heading", "1.1 Care", 3),
        ("paragraph", "Read it daily.", 0),
    ]


def test_a_paragraph_that_runs_on_overleaf_is_cited_from_both_pages() -> None:
    first = lines(("It was a long and", 10, 60))
    second = lines(("dark evening.", 10, 700), ("Then it was morning.", 10, 650))
    blocks = [block for page in blocks_of([(1, first), (2, second)], NO_OUTLINE) for block in page]
    assert [block.text for block in blocks] == [
        "It was a long and dark evening.",
        "Then it was morning.",
    ]
    turn = blocks[0].text.index("dark")
    assert [blocks[0].page_at(turn - 1), blocks[0].page_at(turn)] == [1, 2]
    extraction = Extraction(blocks)
    chunks = list(chunk(extraction, tokenizer=Words()))
    assert [(one.page, one.page_end) for one in chunks] == [(1, 2)]
    assert extracted_text(extraction).startswith("It was")


def test_a_head_on_three_pages_is_left_out_and_a_title_of_larger_type_is_not() -> None:
    sheets = [
        Sheet(
            number,
            [
                *lines(("Results", 20, 780), (f"Annual report {number}", 9, 760)),
                *lines((f"Text {'abc'[number - 1]} of the page", 10, 400)),
                *lines((f"{number + 10}", 9, 20)),
            ],
            head=800,
            foot=0,
        )
        for number in (1, 2, 3)
    ]
    kept = [
        [line.text for line in page if isinstance(line, Line)] for page in without_furniture(sheets)
    ]
    assert kept[0] == ["Results", "Text a of the page"]
    assert kept[2] == ["Results", "Text c of the page"]


def test_what_stands_on_two_pages_only_is_kept_but_for_a_page_number() -> None:
    sheets = [
        Sheet(number, lines(("Memo", 10, 780), (f"{number}", 10, 20)), head=800)
        for number in (1, 2)
    ]
    kept = [
        [line.text for line in page if isinstance(line, Line)] for page in without_furniture(sheets)
    ]
    assert kept == [["Memo"], ["Memo"]]


def test_columns_are_read_one_after_the_other_even_if_they_are_drawn_row_by_row() -> None:
    rows = [
        run(f"{side} column has line {row}", left, 700 - 12 * row)
        for row in range(6)
        for side, left in (("left", 50), ("right", 300))
    ]
    title = run("A title right across the page and both of its columns", 50, 730)
    found = in_words(in_order([title, *rows]))
    assert found[0] == title.text
    assert found[1:7] == [f"left column has line {row}" for row in range(6)]
    assert found[7:] == [f"right column has line {row}" for row in range(6)]


def test_columns_of_a_right_to_left_page_begin_on_the_right() -> None:
    rows = [
        run(f"{side} column has line {row}", left, 700 - 12 * row)
        for side, left in (("left", 50), ("right", 300))
        for row in range(6)
    ]
    assert in_words(in_order(rows, right_to_left=True))[0] == "right column has line 0"


def test_rows_of_figures_stay_rows() -> None:
    table = [
        run(text, left, 700 - 12 * row)
        for row in range(6)
        for text, left in ((f"item {row}", 50), (f"{row}.50", 200), (f"{row}", 300))
    ]
    assert in_words(in_order(table)) == [f"item {row} {row}.50 {row}" for row in range(6)]


def test_what_is_drawn_from_the_bottom_up_is_read_from_the_top() -> None:
    page = [run(f"Paragraph {row} of three.", 50, 200 + 100 * row) for row in range(3)]
    assert in_words(in_order(page)) == [f"Paragraph {row} of three." for row in (2, 1, 0)]


def test_a_ruled_grid_is_a_table_and_a_cell_over_two_columns_stands_in_the_first() -> None:
    rules = [*box(0, 60, 100, 40), *box(100, 60, 200, 40), *box(0, 40, 200, 20)]
    rules += [*box(0, 20, 100, 0), *box(100, 20, 200, 0)]
    runs = [run("one", 10, 45), run("two", 110, 45), run("both of them", 60, 25)]
    runs += [run("three", 10, 5), run("four", 110, 5), run("outside", 10, 80)]
    grids, rest = take_grids(runs, rules)
    assert grids[0].rows == [["one", "two"], ["both of them", ""], ["three", "four"]]
    assert [one.text for one in rest] == ["outside"]


def test_a_run_over_two_cells_is_dealt_out_to_both() -> None:
    rules = [rule for row in (0, 20) for x in (0, 100) for rule in box(x, row + 20, x + 100, row)]
    grids, _ = take_grids([run("left right", 60, 25), run("a", 10, 5), run("b", 110, 5)], rules)
    assert grids[0].rows == [["left", "right"], ["a", "b"]]


def test_a_box_around_text_and_the_grid_of_a_chart_are_no_tables() -> None:
    runs = [run("A remark in a box.", 10, 45)]
    assert take_grids(runs, box(0, 60, 200, 20)) == ([], runs)
    chart = [rule for row in range(9) for column in range(9) for rule in
             box(column * 20, row * 20 + 20, column * 20 + 20, row * 20)]  # fmt: skip
    axis = [run("1", 5, 5, size=5), run("2", 25, 25, size=5)]
    assert take_grids(axis, chart) == ([], axis)


def test_what_is_all_that_a_page_says_is_no_running_head() -> None:
    def sheet(number: int) -> Sheet:
        return Sheet(number, lines((f"Sheet {number} of the plan.", 10, 700)), 800, 0)

    assert all(without_furniture([sheet(number) for number in range(1, 7)]))


def test_the_text_below_titles_is_no_running_head_though_every_page_says_the_same() -> None:
    rows = (("Station 1", 20, 720), ("Nothing unusual was seen.", 10, 700))
    sheets = [Sheet(number, lines(*rows), 800, 0) for number in range(1, 7)]
    assert [len(page) for page in without_furniture(sheets)] == [2] * 6
