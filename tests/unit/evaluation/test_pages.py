"""A document's text comes out of the parser as it went into the file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ragline import parsing
from ragline.evaluation.datasets import Entry
from ragline.evaluation.pages import filename, is_page, page

NASTY = Entry(
    "a/b <1>",
    '<b>Bold</b> & "quoted" -->',
    "</p></body><script>alert(1)</script>\n\n"
    "A <table> of x < y; 50 % &amp; more.\n# no heading\n\n- x",
)


def blocks(entry: Entry) -> list[tuple[str, str]]:
    data = page(entry)
    assert parsing.sniff(data, filename(0)) is parsing.Format.HTML
    return [(one.kind, one.text) for one in parsing.extract(parsing.Source(data, "x.html")).blocks]


def test_the_title_is_a_heading_and_every_paragraph_one() -> None:
    assert blocks(Entry("1", "On fog", "Fog forms.\n\nIt lifts.")) == [
        ("heading", "On fog"),
        ("paragraph", "Fog forms."),
        ("paragraph", "It lifts."),
    ]


def test_nothing_in_a_text_is_markup() -> None:
    assert blocks(NASTY) == [
        ("heading", NASTY.title),
        ("paragraph", "</p></body><script>alert(1)</script>"),
        ("paragraph", "A <table> of x < y; 50 % &amp; more. # no heading"),
        ("paragraph", "- x"),
    ]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_no_character_is_lost_but_white_space(text: str) -> None:
    read = " ".join(text for _, text in blocks(Entry("1", "", text)))
    assert "".join(read.split()) == "".join(text.split())


def test_an_entry_without_words_has_no_blocks() -> None:
    assert blocks(Entry("471", " ", "\n\n")) == []


def test_two_entries_of_the_same_words_are_two_files() -> None:
    assert page(Entry("1", "", "same")) != page(Entry("2", "", "same"))
    assert blocks(Entry("1", "", "same")) == blocks(Entry("2", "", "same"))


def test_control_characters_and_half_characters_do_no_harm() -> None:
    assert blocks(Entry("\0", "\x01", "a\0b\x07c\ud800d")) == [("paragraph", "a b c?d")]


def test_files_are_known_by_their_names() -> None:
    assert is_page(filename(12))
    assert not is_page("report.html")
