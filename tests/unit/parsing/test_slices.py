"""Huge texts in slices: read side by side, they are the whole, whatever the slices' sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.errors import FileTooLarge
from ragline.parsing import Format, slices
from ragline.parsing.decoding import unified
from ragline.parsing.limits import Source
from ragline.parsing.slices import Sliced, can_slice, read_slice

CODECS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "cp1252"]
FORMATS = [Format.TEXT, Format.MARKDOWN, Format.CSV, Format.JSONL]
LETTERS = "ab é €\t,;\"#|{}:'"  # all of which cp1252 has
WIDE = LETTERS + "語𝒳"


def sliced(text: str, encoding: str, format: Format) -> Sliced:
    data = text.encode(encoding)
    return Sliced(lambda at, length: data[at : at + length], len(data), encoding, format)


def pieces(whole: Sliced, size: int) -> list[str]:
    starts = range(0, whole.size, size)
    return [whole.text(start, min(start + size, whole.size)) for start in starts]


@st.composite
def texts(draw: st.DrawFn, letters: str) -> str:
    words = st.text(letters, max_size=15)
    ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n \n", "\r\n\r\n# ", " ", ""])
    return "".join(draw(st.lists(st.tuples(words, ends).map("".join), max_size=20)))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("encoding", CODECS)
@given(data=st.data(), size=st.integers(3, 300), reach=st.integers(4, 200))
def test_the_slices_of_a_text_are_the_whole_text(
    format: Format, encoding: str, data: st.DataObject, size: int, reach: int
) -> None:
    text = data.draw(texts(LETTERS if encoding == "cp1252" else WIDE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(slices.REACH, format, 100_000 if format is Format.JSONL else reach)
        patch.setattr(slices, "_HEAD", max(8, reach // 3))
        assert "".join(pieces(sliced(text, encoding, format), size)) == unified(text)


@given(text=texts(WIDE), reach=st.integers(4, 60), data=st.data())
def test_a_later_position_is_never_cut_earlier(text: str, reach: int, data: st.DataObject) -> None:
    format = data.draw(st.sampled_from([Format.TEXT, Format.MARKDOWN, Format.CSV]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(slices.REACH, format, reach)
        whole = sliced(text, data.draw(st.sampled_from(["utf-8", "utf-16-le"])), format)
        cuts = [whole.cut(position) for position in range(whole.size + 1)]
    assert cuts == sorted(cuts)


def test_a_slice_ends_with_a_paragraph_a_line_or_a_word_in_that_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(slices.REACH, Format.TEXT, 12)
    paragraphs = sliced("one\ntwo\n\nthree four five six", "utf-8", Format.TEXT)
    assert pieces(paragraphs, 5)[0] == "one\ntwo\n\n"
    lines = sliced("one\ntwo\nthree\nfour\nfive\nsix\nseven", "utf-8", Format.TEXT)
    assert pieces(lines, 5)[0] == "one\ntwo\n"
    words = sliced("one two three four five six seven eight nine", "utf-8", Format.TEXT)
    assert pieces(words, 5)[0] == "one two "
    letters = sliced("語" * 30, "utf-8", Format.TEXT)
    assert pieces(letters, 5)[0] == "語語"


def test_a_markdown_slice_ends_before_a_heading_where_one_is_near() -> None:
    text = "# One\n\nFirst.\n\nSecond.\n\n## Two\n\nThird.\n"
    assert pieces(sliced(text, "utf-8", Format.MARKDOWN), 10)[0] == "# One\n\nFirst.\n\nSecond.\n\n"


def test_each_slice_of_a_table_repeats_its_header_and_holds_whole_rows() -> None:
    rows = [f'{number};"Station {number}\nwest, by the river"' for number in range(200)]
    data = "\n".join(["id;name", *rows]).encode()
    source = Source(data, "stations.csv")
    found = []
    for start in range(0, len(data), 1000):
        (block,) = read_slice(source, Format.CSV, start, start + 1000).blocks
        assert block.header == "| id | name |\n| --- | --- |\n"
        found += block.text.removeprefix(block.header).split("\n")
    assert found == [f"| {n} | Station {n} west, by the river |" for n in range(200)]


def test_a_table_is_not_cut_within_a_field_that_looks_like_a_row() -> None:
    rows = "".join(f'r{n},"said\nso, ""and"" left {n}",{n}\n' for n in range(200))
    data = f"id,text,more\n{rows}".encode()
    sliced = Sliced.of(Source(data, "a.csv"), Format.CSV)
    for position in range(1, len(data), 7):
        rest = data[sliced.cut(position) :]
        assert not rest or rest.startswith(b"r")


def test_each_record_of_json_lines_is_in_one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [json.dumps({"id": number, "text": "é" * (number % 50)}) for number in range(300)]
    data = "\r\n".join(records).encode()
    found = [
        block.text.split("\n")[0]
        for start in range(0, len(data), 700)
        for block in read_slice(Source(data), Format.JSONL, start, start + 700).blocks
    ]
    assert found == [f"id: {number}" for number in range(300)]
    monkeypatch.setitem(slices.REACH, Format.JSONL, 40)
    with pytest.raises(FileTooLarge, match="record at byte"):
        read_slice(Source(data), Format.JSONL, data.index(b'"id": 40'), len(data))


def test_a_text_that_changes_its_encoding_on_the_way_is_read_by_the_slice(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"Plain English.\n\n" * 5000 + "Déjà vu à Nîmes, encore.\n\n".encode("cp1252"))
    last = read_slice(Source(path), Format.TEXT, 79_990, path.stat().st_size)
    assert last.blocks[-1].text == "Déjà vu à Nîmes, encore."


def test_only_plain_formats_whose_line_ends_show_are_sliced() -> None:
    text = "Grüße aus Köln\n".encode("utf-16")
    assert can_slice(Source(text), Format.TEXT)
    assert not can_slice(Source(text), Format.HTML)
    assert not can_slice(Source(b"{}"), Format.JSON)


def test_a_gigabyte_is_not_read_to_cut_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # a sparse file: nothing but NUL
        file.write(b"First line.\nSecond line.\n")
        file.seek(1 << 29)
        file.write(b"\n\nIn the middle.\n\n")
    whole = Sliced.of(Source(path), Format.TEXT)
    assert whole.text((1 << 29) - 20, (1 << 29) + 4).strip("\0") == "In the middle.\n\n"
