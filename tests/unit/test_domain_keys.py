"""Keys of the documents bucket are read as they were built; sequencers and times sort."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.chunks import Part
from ragline.domain.documents import Partition
from ragline.domain.errors import InvalidRequest, MalformedMessage
from ragline.domain.keys import (
    Upload,
    clean_filename,
    document_prefixes,
    normal_sequencer,
    parse_upload_key,
    part_key,
    upload_key,
    vectors_key,
)
from ragline.domain.times import check_time, iso

HOME = Partition("acme", "papers")

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
document_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", fullmatch=True)


@st.composite
def filenames(draw: st.DrawFn) -> str:
    text = draw(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40))
    try:
        return clean_filename(text)
    except InvalidRequest:
        return "a.txt"


@given(names, names, document_ids, filenames())
def test_an_upload_key_is_read_as_it_was_built(
    tenant: str, collection: str, document_id: str, filename: str
) -> None:
    partition = Partition(tenant, collection)
    key = upload_key(partition, document_id, filename)
    assert parse_upload_key(key) == Upload(partition, document_id, filename)


def test_a_dropped_path_names_its_document_always_the_same() -> None:
    deep = parse_upload_key("uploads/acme/papers/2026/march/report.pdf")
    assert deep == parse_upload_key("uploads/acme/papers/2026/march/report.pdf")
    assert deep.filename == "report.pdf"
    others = [
        "uploads/acme/papers/2026/april/report.pdf",
        "uploads/acme/letters/2026/march/report.pdf",
        "uploads/acme/papers/report.pdf",
    ]
    assert len({parse_upload_key(key).document_id for key in others} | {deep.document_id}) == 4


@pytest.mark.parametrize(
    "key",
    [
        "uploads/acme/papers",
        "uploads/acme/papers/",
        "uploads/acme/papers//",
        "chunks/acme/papers/d1/a.txt",
        "uploads/ACME/papers/d1/a.txt",
        "uploads/../papers/d1/a.txt",
        "uploads//papers/d1/a.txt",
        "",
    ],
)
def test_a_key_outside_a_collection_is_no_upload(key: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_upload_key(key)


@pytest.mark.parametrize(
    ("given_name", "clean"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        (" a.txt ", "a.txt"),
    ],
)
def test_a_filename_is_its_last_component(given_name: str, clean: str) -> None:
    assert clean_filename(given_name) == clean


@pytest.mark.parametrize("name", ["", "/", "..", "a/..", "a\nb", "a\x00", "\ud800", "é" * 128])
def test_a_filename_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="filename"):
        clean_filename(name)


def test_all_that_is_derived_from_a_document_is_below_its_prefixes_and_nobody_elses() -> None:
    chunks, vectors = document_prefixes(HOME, "d1")
    for document_id, below in (("d1", True), ("d10", False), ("d", False)):
        part = part_key(Part(HOME, document_id, 2, 16, 16))
        assert part.startswith(chunks) == below
        key = vectors_key(HOME, document_id, 2, "hash-8", "ab")
        assert key.startswith(vectors) == below


def test_parts_sort_by_their_place() -> None:
    keys = [part_key(Part(HOME, "d1", 1, first, 16)) for first in (0, 16, 992, 1_008, 99_999_984)]
    assert keys == sorted(keys)


hexes = st.integers(0, 16**18).map(lambda n: f"{n:X}")


@given(hexes, hexes, st.integers(0, 4))
def test_sequencers_sort_as_the_numbers_that_they_are(a: str, b: str, zeros: int) -> None:
    padded = "0" * zeros + a.lower()
    assert normal_sequencer(padded) == normal_sequencer(a)
    assert (normal_sequencer(padded) < normal_sequencer(b)) == (int(a, 16) < int(b, 16))


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_sort_as_text(a: datetime, b: datetime) -> None:
    assert len(iso(a)) == len("2026-01-31T12:00:00.000Z")
    if a < b:
        assert iso(a) <= iso(b)
    assert check_time(iso(a), "since") == iso(a)


@pytest.mark.parametrize("value", ["yesterday", "", "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="until"):
        check_time(value, "until")
