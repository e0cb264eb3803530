from __future__ import annotations

from typing import Any

import pytest

from ragline.domain.chunking import Choice, Chunking, Strategy, Tables, chosen, returns_sections
from ragline.domain.errors import InvalidRequest

DEFAULT = Chunking(max_tokens=200, overlap_tokens=40)


def made(**choice: Any) -> Chunking:
    return chosen(Choice(**choice), DEFAULT)


def test_what_is_not_chosen_is_as_the_deployment_has_it() -> None:
    assert made() == DEFAULT
    assert made(strategy=Strategy.SENTENCE).max_tokens == 200
    assert made(max_tokens=32).overlap_tokens == 16


def test_windows_know_no_rows_and_families_are_small() -> None:
    assert made(strategy=Strategy.FIXED).tables is Tables.TEXT
    assert made(strategy=Strategy.PARENT_CHILD) == Chunking(
        Strategy.PARENT_CHILD, 64, 8, Tables.ROWS, 512
    )


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({"max_tokens": 15}, "max_tokens"),
        ({"max_tokens": 255}, "max_tokens"),
        ({"max_tokens": 40, "overlap_tokens": 21}, "overlap_tokens"),
        ({"overlap_tokens": -1}, "overlap_tokens"),
        ({"strategy": Strategy.FIXED, "tables": Tables.ROWS}, "tables"),
        ({"section_tokens": 300}, "section_tokens"),
        ({"strategy": Strategy.PARENT_CHILD, "section_tokens": 63}, "section_tokens"),
        ({"strategy": Strategy.PARENT_CHILD, "section_tokens": 2_049}, "section_tokens"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    choice: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest, match=rf"^chunking\.{field}: "):
        made(**choice)


def test_what_is_cut_otherwise_is_called_otherwise() -> None:
    several = [
        made(),
        made(max_tokens=100),
        made(overlap_tokens=1),
        made(tables=Tables.TEXT),
        made(strategy=Strategy.SENTENCE),
        made(strategy=Strategy.FIXED),
        made(strategy=Strategy.PARENT_CHILD),
        made(strategy=Strategy.PARENT_CHILD, section_tokens=600),
    ]
    assert len({str(one) for one in several}) == len(several)
    assert str(Chunking()) == "section-254-32-rows"


def test_a_fingerprint_tells_whether_sections_can_be_returned() -> None:
    assert returns_sections(f"parser-1/chunker-2/{made(strategy=Strategy.PARENT_CHILD)}")
    assert not returns_sections(f"parser-1/chunker-2/{made()}")
