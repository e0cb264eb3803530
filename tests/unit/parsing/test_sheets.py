"""XLSX: tables where people see them, and numbers as they see them."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.comments import Comment

from ragline.domain.chunks import Block
from ragline.parsing import Source, extract
from ragline.parsing.sheets import number_shown


def blocks(workbook: Any) -> list[Block]:
    target = io.BytesIO()
    workbook.save(target)
    return list(extract(Source(target.getvalue(), "a.xlsx")).blocks)[1:]


def sheet(*rows: tuple[Any, ...]) -> tuple[Any, Any]:
    workbook = Workbook()
    first: Any = workbook.active
    for row in rows:
        first.append(row)
    return workbook, first


def test_tables_side_by_side_are_two_tables() -> None:
    workbook, _ = sheet(
        ("Year", "Rain", None, "Name", "Height"),
        (2024, 600, None, "Kew", 6),
        (2025, 610, None, "Eton", 21),
        (2026, 590, None, None, None),
    )
    left, right = blocks(workbook)
    assert left.text.endswith("| 2025 | 610 |\n| 2026 | 590 |")
    assert right.text == "| Name | Height |\n| --- | --- |\n| Kew | 6 |\n| Eton | 21 |"


def test_a_form_whose_cells_span_the_gap_stays_one_table() -> None:
    workbook, first = sheet(
        ("1", "Voltage", None, "kV", "130"), ("2", "Frequency", None, "Hz", "50"),
    )  # fmt: skip
    first.merge_cells("B1:C1")
    first.merge_cells("B2:C2")
    (found,) = blocks(workbook)
    assert "| 2 | Frequency | Hz | 50 |" in found.text


def test_merged_cells_name_their_columns_and_are_repeated_in_their_rows() -> None:
    workbook, first = sheet(
        ("Station", "Rain", None),
        (None, "2024", "2025"),
        ("Kew", "600", "610"),
        (None, "5", "6"),
    )
    first.merge_cells("B1:C1")
    first.merge_cells("A3:A4")
    (found,) = blocks(workbook)
    assert found.header == "| Station | Rain | Rain |\n| --- | --- | --- |\n|  | 2024 | 2025 |\n"
    assert found.text.removeprefix(found.header) == "| Kew | 600 | 610 |\n| Kew | 5 | 6 |"


@pytest.mark.parametrize(
    ("value", "format", "expected"),
    [
        (0.256, "0%", "26%"),
        (0.256, "0.0%", "25.6%"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (-1234.5, "[$€-407]#,##0.00", "-€1,234.50"),
        (1234.5, "#,##0.00 [$€-407]", "1,234.50 €"),
        (1234.5, "#,##0.00\\ €;[Red]-#,##0.00\\ €", "1,234.50 €"),
        (1234.5, "General", "1234.5"),
        (7, "0.00", "7"),
        (2.50, "0.00", "2.5"),
    ],
)
def test_a_number_is_shown_by_its_format(value: float, format: str, expected: str) -> None:
    assert number_shown(value, format) == expected


def test_percentages_dates_and_times_read_as_in_the_sheet() -> None:
    workbook, first = sheet(("Share", "Day", "Moment", "Span"))
    first.append((0.5, datetime.date(2025, 2, 3), datetime.datetime(2025, 2, 3, 14, 30), True))
    first["A2"].number_format = "0.0%"
    (found,) = blocks(workbook)
    assert found.text.endswith("| 50.0% | 2025-02-03 | 2025-02-03 14:30:00 | TRUE |")


def test_comments_say_which_cell_they_are_about() -> None:
    workbook, first = sheet(("Year", "Rain"), (2024, 600))
    first["B2"].comment = Comment("Measured twice.", "Ada")
    assert blocks(workbook)[-1].text == "Comment on B2 by Ada: Measured twice."
