from __future__ import annotations

import re
import time
import unicodedata
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragline.chunking import chunk, extracted_text
from ragline.domain.chunking import Chunking, Strategy, Tables
from ragline.domain.chunks import (
    MAX_SECTION_CHUNKS,
    Block,
    BlockKind,
    Chunk,
    Extraction,
    Section,
)
from ragline.parsing.tables import table


class Words:
    """Words of Latin letters, single other characters: much as BERT splits text."""

    calls = 0
    characters = 0
    _token = re.compile(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]")

    def offsets(self, text: str) -> list[tuple[int, int]]:
        self.calls += 1
        self.characters += len(text)
        return [found.span() for found in self._token.finditer(text)]


class Spaceless(Words):
    """A whole run without spaces is one token, as an unknown word is to WordPiece."""

    _token = re.compile(r"\S+")


class Unsteady(Words):
    """Counts do not add up: a line end inside the text costs three tokens more."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        extra = [(m.start(), m.end()) for m in re.finditer(r"\n", text.strip()) for _ in range(3)]
        return sorted(super().offsets(text) + extra)


def cut(blocks: list[Block], **options: Any) -> list[Chunk]:
    return list(chunk(Extraction(blocks), tokenizer=Words(), chunking=Chunking(**options)))


def paragraph(text: str, page: int | None = None) -> Block:
    return Block("paragraph", text, page=page)


def heading(text: str, level: int, page: int | None = None) -> Block:
    return Block("heading", text, level=level, page=page)


class ByWord(Words):
    """Says that the counts of parts add up, which is so."""

    by_word = True


def sentences(count: int, words: int = 9) -> str:
    return " ".join(f"S{n} " + "word " * (words - 2) + "end." for n in range(count))


def big_table(rows: int) -> Block:
    made = table([["Name", "Value"], *([f"row{n}", str(n)] for n in range(rows))])
    assert made is not None
    return made


def test_a_short_document_is_one_chunk_with_its_heading_in_the_text_and_the_path() -> None:
    (only,) = cut([heading("Care", 1, 2), paragraph("Read it daily.", 2)])
    assert only.text == "Care\n\nRead it daily."
    assert only.headings == ("Care",)
    assert (only.page, only.page_end) == (2, 2)
    assert only.tokens == 5


def test_a_chunk_never_crosses_a_heading() -> None:
    chunks = cut([heading("A", 1), paragraph("one"), heading("B", 1), paragraph("two")])
    assert [(c.text, c.headings) for c in chunks] == [("A\n\none", ("A",)), ("B\n\ntwo", ("B",))]


def test_a_heading_right_below_its_parent_shares_the_chunk() -> None:
    (only,) = cut([heading("Part", 1), heading("Chapter", 2), paragraph("text")])
    assert only.headings == ("Part", "Chapter")
    assert only.text.startswith("Part\n\nChapter")


def test_a_deeper_path_ends_when_a_higher_heading_comes() -> None:
    blocks = [heading("A", 1), paragraph("x"), heading("A1", 2), paragraph("y"), heading("B", 1)]
    chunks = cut([*blocks, paragraph("z")])
    assert [c.headings for c in chunks] == [("A",), ("A", "A1"), ("B",)]


def test_a_heading_without_text_before_its_sibling_is_still_found() -> None:
    chunks = cut([heading("A", 1), heading("B", 1), paragraph("x")])
    assert [c.text for c in chunks] == ["A", "B\n\nx"]


def test_paragraphs_stay_whole_while_they_fit_and_do_not_overlap() -> None:
    chunks = cut([paragraph(sentences(4)) for _ in range(3)], max_tokens=100, overlap_tokens=20)
    assert [c.text.count("S0") for c in chunks] == [2, 1]
    assert chunks[0].end < chunks[1].start


def test_a_long_paragraph_is_cut_between_sentences_and_overlaps() -> None:
    chunks = cut([paragraph(sentences(40))], max_tokens=64, overlap_tokens=16)
    assert len(chunks) > 1
    assert all(c.text.endswith(".") and re.match(r"S\d", c.text) for c in chunks)
    for before, after in pairwise(chunks):
        shared = before.end - after.start
        assert 0 < shared <= len(" ".join(before.text.split()[-16:]))


def test_no_overlap_when_none_is_wanted() -> None:
    chunks = cut([paragraph(sentences(40))], max_tokens=64, overlap_tokens=0)
    assert all(a.end <= b.start for a, b in pairwise(chunks))


def test_a_heading_is_not_left_alone_above_a_paragraph_that_only_just_fits() -> None:
    chunks = cut([heading("One two three", 1), paragraph(sentences(6, 10))], max_tokens=64)
    assert chunks[0].text.startswith("One two three\n\nS0")


def test_a_sentence_without_end_is_cut_between_words() -> None:
    chunks = cut([paragraph("word " * 300)], max_tokens=50, overlap_tokens=10)
    assert all(set(c.text.split()) == {"word"} for c in chunks)


def test_chinese_is_cut_after_its_sentence_marks() -> None:
    chunks = cut([paragraph("气压计每天早上读数。" * 60)], max_tokens=64, overlap_tokens=0)
    assert len(chunks) > 5
    assert all(c.text.endswith("。") for c in chunks)


def test_thai_without_spaces_is_cut_before_a_letter_never_before_its_marks() -> None:
    chunks = cut([paragraph("ที่นี่มีน้ำ" * 100)], max_tokens=40, overlap_tokens=0)
    assert len(chunks) > 5
    assert not any(unicodedata.category(c.text[0]) == "Mn" for c in chunks)


def test_a_run_that_the_tokenizer_takes_for_one_word_is_still_bounded() -> None:
    text = "x" * 100_000
    chunks = list(
        chunk(
            Extraction([paragraph(text)]), tokenizer=Spaceless(), chunking=Chunking(max_tokens=64)
        )
    )
    assert max(len(c.text) for c in chunks) <= 64 * 16
    assert covered([paragraph(text)], chunks) == set(range(len(text)))


def test_table_pieces_repeat_the_header_and_break_between_rows() -> None:
    block = big_table(60)
    chunks = cut([block], max_tokens=64)
    assert len(chunks) > 3
    for one in chunks:
        assert one.text.startswith(block.header)
        assert all(line.startswith("|") and line.endswith("|") for line in one.text.split("\n"))
    assert chunks[0].start == 0
    rows = [line for c in chunks for line in c.text.split("\n")[2:]]
    assert rows == block.text.split("\n")[2:]


def test_a_table_row_longer_than_a_chunk_is_cut_too() -> None:
    made = table([["Name", "Text"], ["a", "word " * 200]])
    assert made is not None
    chunks = cut([made], max_tokens=64)
    assert len(chunks) > 3
    assert all(c.tokens <= 64 for c in chunks)


def test_a_chunk_over_two_pages_names_both() -> None:
    (only,) = cut([paragraph("one", 3), paragraph("two", 4)])
    assert (only.page, only.page_end) == (3, 4)


def test_nothing_gives_no_chunks() -> None:
    assert cut([]) == []
    assert cut([paragraph("  \n ")]) == []


def test_the_tokenizer_reads_the_text_a_bounded_number_of_times() -> None:
    tokenizer = Words()
    text = "\n".join(sentences(20) for _ in range(2000))
    list(chunk(Extraction([paragraph(text), big_table(5000)]), tokenizer=tokenizer))
    assert tokenizer.characters < 4 * len(text)


def test_a_text_is_tokenized_once_where_the_counts_of_its_parts_add_up() -> None:
    tokenizer = ByWord()
    text = "\n".join(sentences(20) for _ in range(500))
    parts = [paragraph(sentences(30)) for _ in range(300)]  # too long for a chunk, each
    list(chunk(Extraction([paragraph(text), *parts]), tokenizer=tokenizer))
    assert tokenizer.characters <= len(text) + sum(len(part.text) for part in parts)


def test_a_word_that_is_cut_is_counted_as_it_was_cut() -> None:
    """Its pieces are words of their own then: a count of the whole says nothing of them."""

    class Syllables(ByWord):
        """Every fourth letter of a word begins a token."""

        _token = re.compile(r"[a-z]{1,4}")

    text = "abcdefghij" * 40
    chunking = Chunking(max_tokens=17)
    chunks = list(chunk(Extraction([paragraph(text)]), tokenizer=Syllables(), chunking=chunking))
    assert len(chunks) > 5
    assert [one.tokens for one in chunks] == [len(Syllables().offsets(one.text)) for one in chunks]


@pytest.mark.parametrize("strategy", Strategy)
def test_time_grows_with_the_text_not_with_its_square(strategy: Strategy) -> None:
    chunking = Chunking(strategy, section_tokens=512 if strategy == "parent_child" else 0)

    def seconds(size: int) -> float:
        begun = time.process_time()
        extraction = Extraction([paragraph(sentences(size))])
        for _ in chunk(extraction, tokenizer=Words(), chunking=chunking):
            pass
        return time.process_time() - begun

    seconds(500)
    small = min(seconds(1_000), seconds(1_000))
    large = min(seconds(8_000), seconds(8_000))  # the garbage of other tests may be collected now
    assert large < 8 * 4 * max(small, 0.005)


KINDS: tuple[BlockKind, ...] = ("paragraph", "list", "code")
TEXT = st.text(
    st.sampled_from("ab c.d\n。气ก็ ่é!?\U0001f600\t|-1") | st.characters(codec="utf-8"), max_size=400
)
PROSE = st.builds(Block, st.sampled_from(KINDS), TEXT, st.just(0), st.none() | st.integers(1, 9))
HEADINGS = st.builds(Block, st.just("heading"), TEXT, st.integers(1, 6))
TABLES = st.lists(st.lists(TEXT, max_size=4), max_size=8).map(table).filter(bool)
BLOCKS = st.lists(st.one_of(PROSE, HEADINGS, TABLES), max_size=8)


def covered(blocks: list[Block], chunks: list[Chunk]) -> set[int]:
    return {position for one in chunks for position in range(one.start, one.end)}


STRATEGIES = st.builds(
    lambda strategy, by_row, most, overlap, section: Chunking(
        strategy,
        most,
        overlap,
        Tables.ROWS if by_row else Tables.TEXT,
        most + section if strategy is Strategy.PARENT_CHILD else 0,
    ),
    st.sampled_from(Strategy),
    st.booleans(),
    st.integers(16, 60),
    st.integers(0, 40),
    st.integers(0, 200),
)


@pytest.mark.parametrize("tokenizer", [Words(), ByWord(), Spaceless(), Unsteady()])
@settings(max_examples=250, deadline=None)
@given(blocks=BLOCKS, chunking=STRATEGIES)
def test_chunks_keep_all_text_within_bounds(
    tokenizer: Words, blocks: list[Block], chunking: Chunking
) -> None:
    extraction = Extraction(blocks)
    chunks = list(chunk(extraction, tokenizer=tokenizer, chunking=chunking))
    text = extracted_text(extraction)
    lost = set(range(len(text))) - covered(blocks, chunks)
    assert not "".join(text[position] for position in sorted(lost)).strip()
    headers = {block.header for block in blocks}
    for one in chunks:
        span = text[one.start : one.end]
        assert span and one.text.endswith(span)
        assert one.text[: len(one.text) - len(span)] in headers | {""}
        assert one.tokens == len(tokenizer.offsets(one.text)) <= chunking.max_tokens
    assert [one.ordinal for one in chunks] == list(range(len(chunks)))
    assert [one.start for one in chunks] == sorted(one.start for one in chunks)
    assert chunks == list(chunk(extraction, tokenizer=tokenizer, chunking=chunking))


@settings(max_examples=300, deadline=None)
@given(blocks=BLOCKS, chunking=STRATEGIES)
def test_a_count_that_is_not_checked_changes_no_chunk(
    blocks: list[Block], chunking: Chunking
) -> None:
    unchecked = chunk(Extraction(blocks), tokenizer=ByWord(), chunking=chunking)
    assert list(unchecked) == list(chunk(Extraction(blocks), tokenizer=Words(), chunking=chunking))


@settings(max_examples=200, deadline=None)
@given(blocks=BLOCKS, most=st.integers(16, 60), more=st.integers(0, 200))
def test_sections_are_runs_of_one_heading_within_bounds(
    blocks: list[Block], most: int, more: int
) -> None:
    chunks = cut(
        blocks, strategy=Strategy.PARENT_CHILD, max_tokens=most, section_tokens=most + more
    )
    for one in chunks:
        assert one.section and one.section.first <= one.ordinal <= one.section.last
        family = chunks[one.section.first : one.section.last + 1]
        assert {(each.section.first, each.section.last) for each in family if each.section} == {
            (one.section.first, one.section.last)
        }
        assert {each.headings for each in family} == {one.headings}
        assert sum(each.tokens for each in family) <= most + more
        assert len(family) <= MAX_SECTION_CHUNKS


WEATHER = [["Sky", "Millibars"], ["storm", "960"], ["rain", "990"], ["fair", "1020"]]
GOLDEN = [
    heading("Barometer", 1),
    paragraph("Read it daily. Write it down. Tap the glass first."),
    paragraph("A falling hand means wind. A rising one means calm."),
    heading("Scale", 2),
    paragraph("Millibars are black."),
    *filter(None, [table(WEATHER)]),
    heading("Care", 1),
    paragraph("Never oil it."),
]
READ_IT = "Barometer\n\nRead it daily. Write it down. Tap the glass first."
HANDS = "A falling hand means wind. A rising one means calm."
SCALE = "Scale\n\nMillibars are black."
HEAD = "| Sky | Millibars |\n| --- | --- |"
ROWS = "| storm | 960 |\n| rain | 990 |\n| fair | 1020 |"
CARE = "Care\n\nNever oil it."


@pytest.mark.parametrize(
    ("strategy", "tables", "texts"),
    [
        ("section", "rows", [READ_IT, HANDS, SCALE, HEAD, ROWS, CARE]),
        (
            "section",
            "text",
            [
                *(READ_IT, HANDS, SCALE, HEAD),
                "| --- |\n| storm | 960 |\n| rain | 990 |",
                "| rain | 990 |\n| fair | 1020 |",
                CARE,
            ],
        ),
        (
            "sentence",
            "rows",
            [READ_IT, f"Tap the glass first.\n\n{HANDS}", SCALE, HEAD, ROWS, CARE],
        ),
        (
            "fixed",
            "text",
            [
                f"{READ_IT}\n\nA falling hand means",
                f"first.\n\n{HANDS}\n\n{SCALE}",
                f"{SCALE}\n\n| Sky | Millibars |\n| --- | ---",
                "| --- |\n| storm | 960 |\n| rain | 990 |\n| fair |",
                f"| 990 |\n| fair | 1020 |\n\n{CARE}",
            ],
        ),
        ("parent_child", "rows", [READ_IT, HANDS, SCALE, HEAD, ROWS, CARE]),
    ],
)
def test_what_each_strategy_makes_of_one_document(
    strategy: str, tables: str, texts: list[str]
) -> None:
    sizes = {"max_tokens": 20, "overlap_tokens": 6, "section_tokens": 40}
    if strategy != "parent_child":
        del sizes["section_tokens"]
    chunks = cut(GOLDEN, strategy=Strategy(strategy), tables=Tables(tables), **sizes)
    assert [one.text for one in chunks] == texts


def test_children_know_their_section_and_what_lies_between_them() -> None:
    chunks = cut(
        GOLDEN, strategy=Strategy.PARENT_CHILD, max_tokens=20, overlap_tokens=6, section_tokens=40
    )
    assert [one.section for one in chunks] == [
        Section(0, 1),
        Section(0, 1, "\n\n"),
        Section(2, 4),
        Section(2, 4, "\n\n"),
        Section(2, 4, "\n"),
        Section(5, 5),
    ]


def test_a_section_longer_than_may_be_returned_is_several() -> None:
    blocks = [heading("Log", 1), *(paragraph(f"Entry {n}. " + "word " * 14) for n in range(9))]
    chunks = cut(blocks, strategy=Strategy.PARENT_CHILD, max_tokens=20, section_tokens=40)
    families = [(one.section.first, one.section.last) for one in chunks if one.section]
    assert sorted(set(families)) == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 8)]


def test_sentences_cross_paragraphs_and_windows_cross_headings() -> None:
    blocks = [
        paragraph("One two."),
        paragraph("Three four."),
        heading("Next", 1),
        paragraph("Five."),
    ]
    by_sentence = cut(blocks, strategy=Strategy.SENTENCE, max_tokens=16)
    assert [one.text for one in by_sentence] == ["One two.\n\nThree four.", "Next\n\nFive."]
    (only,) = cut(blocks, strategy=Strategy.FIXED, max_tokens=16)
    assert (only.headings, only.text) == ((), "One two.\n\nThree four.\n\nNext\n\nFive.")


def test_a_repeated_sentence_is_cited_with_its_own_page() -> None:
    long = "word " * 9 + "end."
    blocks = [paragraph(f"{long} Short one here.", 1), paragraph(long, 2)]
    chunks = cut(blocks, strategy=Strategy.SENTENCE, max_tokens=18, overlap_tokens=4)
    assert [(one.page, one.page_end) for one in chunks] == [(1, 1), (1, 2)]
    assert chunks[1].text.startswith("Short one here.")
