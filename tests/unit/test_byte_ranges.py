"""Huge texts are split in ranges of bytes: nothing is lost, nothing is there twice."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ragline.domain.chunks import Extraction
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import (
    Conflict,
    CorruptDocument,
    EncryptedDocument,
    LimitExceeded,
    MalformedMessage,
    PermanentError,
    ServiceUnavailable,
)
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.messages import PageRange, Uploaded
from ragline.domain.pages import PageCounts
from ragline.parsing import Format, Source, extract_slice, slice_spans
from ragline.parsing.here import ReaderHere
from ragline.ports import Ocr, Reading, Survey
from ragline.usecases.cut import fingerprint, plan
from ragline.usecases.split_ranges import split_range
from ragline.usecases.splitting import Outcome, Splitting
from tests.reading import chunks_of, reading
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline, WordTokenizer

SMALL = replace(LIMITS, bytes_per_range=500, chunks=100_000)
TEXT = "\n\n".join(f"Paragraph number{n} tells of pads and discs." for n in range(60))
KEY = f"uploads/{HANDBOOK}/doc/doc.txt"


def dropped(text: str = TEXT, filename: str = "doc.txt") -> tuple[Pipeline, list[PageRange]]:
    """A text whose ranges wait."""
    pipeline = Pipeline(limits=SMALL)
    assert pipeline.drop(text, filename=filename) is Outcome.RANGES_SENT
    return pipeline, ranges_of(pipeline)


def ranges_of(pipeline: Pipeline) -> list[PageRange]:
    return [one for one in pipeline.waiting_pages() if isinstance(one, PageRange)]


class Failing(ReaderHere):
    """Cannot read what begins at some byte or page."""

    def __init__(self, first: int, error: PermanentError) -> None:
        super().__init__()
        self.first, self.error = first, error

    def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
        if wanted.first == self.first:
            raise self.error
        return super().extract(wanted)


def failing(pipeline: Pipeline, message: PageRange, error: PermanentError) -> Outcome:
    """Deliver a range to a worker that cannot read it."""
    splitting: Splitting = replace(pipeline.splitting, reader=Failing(message.first_byte, error))
    return split_range(message, splitting)


def numbers(text: Any) -> list[int]:
    return [int(found) for found in re.findall(r"number(\d+)", str(text))]


def test_a_text_is_planned_in_ranges_of_bytes_that_touch_and_cover_it() -> None:
    _, ranges = dropped()
    assert [(one.unit, one.format, one.pages) for one in ranges] == [("bytes", "text", 0)] * 6
    places = [(one.first_byte, one.last_byte) for one in ranges]
    assert places[0][0] == 0
    assert places[-1][1] == len(TEXT)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(places))
    assert [one.number for one in ranges] == list(range(6))


def test_every_paragraph_is_found_once_whatever_order_its_ranges_come_in() -> None:
    pipeline, ranges = dropped()
    random.Random(1).shuffle(ranges)
    for message in [*ranges, *ranges]:
        pipeline.split_range(message)
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.INDEXED
    assert document.progress.ranges_done == 6
    assert document.progress.page_counts == PageCounts()
    texts = [hit.passage.chunk.text for hit in pipeline.search("pads", limit=100)]
    assert set(numbers(texts)) == set(range(60))
    expected = chunks_of(TEXT.encode(), "doc.txt", tokenizer=WordTokenizer(), limits=SMALL)
    assert sorted(texts) == sorted(chunk.text for chunk in expected)
    assert pipeline.examine().healthy


def test_a_total_is_the_sum_of_the_ranges_at_every_moment() -> None:
    pipeline, ranges = dropped()
    for message in ranges:
        pipeline.split_range(message)
        document = pipeline.document()
        done = pipeline.ledger.ranges(document)
        assert document.progress.chunks_total == sum(one.chunks for one in done.values())
        assert document.progress.ranges_done == len(done)
    announced = sum(part.count for part in pipeline.queues.parts)
    assert 0 < pipeline.document().progress.chunks_total == announced


def test_a_short_text_is_cut_whole() -> None:
    pipeline = Pipeline(limits=SMALL)
    assert pipeline.drop(TEXT[:500], filename="doc.txt") is Outcome.SPLIT


def test_a_slice_is_read_from_a_window_of_the_object_and_not_from_all_of_it() -> None:
    pipeline, ranges = dropped(TEXT * 200)
    read: list[tuple[int, int]] = []
    whole = pipeline.objects.read

    def watched(key: str, first: int, end: int, etag: str = "") -> bytes | None:
        read.append((first, end))
        return whole(key, first, end, etag)

    def fetched(*_: object) -> None:
        raise AssertionError("the whole object was asked for")

    pipeline.objects.read = watched  # type: ignore[method-assign]
    pipeline.objects.fetch = fetched  # type: ignore[method-assign,assignment]
    assert pipeline.split_range(ranges[500]) is Outcome.SPLIT
    assert sum(end - first for first, end in read) < 250_000 < len(TEXT * 200)


FORMS: dict[Format, list[str]] = {
    Format.TEXT: ["A line of words, ", "and more\n", "\n\n", "ünïcödé 漢字 ", "\r\n"],
    Format.MARKDOWN: ["# Head\n\n", "words and words\n", "\n\n", "- item\n", "x" * 300],
    Format.CSV: ["1,2\n", '"a\nb",c\n', "x,y\n", "long words here,1\n"],
    Format.JSONL: ['{"a": 1}\n', '{"text": "some words"}\n'],
}


@pytest.mark.parametrize("format", FORMS)
def test_a_window_reads_as_the_whole_file_does(format: Format) -> None:
    """A parser that looked further than it says would see holes in it."""
    pick = random.Random(7)
    head = "name,number\n" if format is Format.CSV else ""
    data = (head + "".join(pick.choices(FORMS[format], k=60_000))).encode()
    name = {"markdown": "a.md", "text": "a.txt"}.get(format, f"a.{format}")
    bounds = sorted(pick.sample(range(len(data)), 5))
    with reading(data, name) as wanted:
        for start, end in itertools.pairwise(bounds):
            holes = bytearray(len(data))
            for first, last in slice_spans(format, start, end):
                holes[first:last] = data[first:last]
            window, whole = Source(bytes(holes), name), Source(wanted.file.path, name)
            assert extract_slice(window, start, end) == extract_slice(whole, start, end)


def test_a_format_that_is_not_read_in_slices_is_no_message_of_ours() -> None:
    for format in ("pdf", "nonsense"):
        with pytest.raises(MalformedMessage, match=format):
            slice_spans(format, 0, 1)


def test_a_range_that_cannot_be_read_leaves_the_others_and_is_retried_alone() -> None:
    pipeline, ranges = dropped()
    for message in ranges[1:]:
        pipeline.split_range(message)
    error = CorruptDocument("a record is no JSON.")
    assert failing(pipeline, ranges[0], error) is Outcome.LOST
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.reason == Reason("corrupt", "bytes 0 to 500: a record is no JSON.", "split")
    assert (document.progress.ranges_failed, document.progress.pages_failed) == (1, 0)
    assert pipeline.examine().healthy
    assert 59 in numbers([hit.passage.chunk.text for hit in pipeline.search("pads", limit=99)])
    pipeline.retry(force=True)
    assert pipeline.document().status is Status.SPLITTING
    assert pipeline.document().progress.ranges_failed == 0
    (again,) = pipeline.waiting_pages()
    assert isinstance(again, Uploaded)
    pipeline.split_work(again)
    (only,) = pipeline.waiting_pages()
    assert isinstance(only, PageRange) and only.number == 0
    pipeline.split_range(only)
    pipeline.run()
    assert (pipeline.document().status, pipeline.document().generation) == (Status.INDEXED, 1)
    assert pipeline.document().reason is None
    assert pipeline.examine().healthy


def test_what_was_lost_for_good_is_only_tried_again_by_force() -> None:
    pipeline, ranges = dropped()
    for message in ranges[1:]:
        pipeline.split_range(message)
    failing(pipeline, ranges[0], CorruptDocument("broken."))
    pipeline.run()
    before = pipeline.document()
    with pytest.raises(Conflict, match="failed for good: corrupt"):
        pipeline.retry()
    assert pipeline.document() == before


def test_a_range_that_one_worker_lost_and_another_cut_is_cut() -> None:
    """A slow machine may run out of time on what another one reads."""
    pipeline, (first, *others) = dropped()
    failing(pipeline, first, CorruptDocument("broken."))
    assert pipeline.document().progress.ranges_failed == 1
    assert pipeline.split_range(first) is Outcome.SPLIT
    failing(pipeline, first, CorruptDocument("broken."))
    for message in others:
        pipeline.split_range(message)
    pipeline.run()
    document = pipeline.document()
    assert (document.status, document.progress.ranges_failed) == (Status.INDEXED, 0)
    assert pipeline.examine().healthy


def test_what_is_cut_after_the_document_ended_without_it_is_left() -> None:
    """Its chunks would be waited for by nobody; a retry cuts it again."""
    pipeline, (first, *others) = dropped()
    for message in others:
        pipeline.split_range(message)
    pipeline.run()

    class Overtaken(ReaderHere):
        def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
            failing(pipeline, first, CorruptDocument("broken."))
            assert pipeline.document().status is Status.PARTIAL
            return super().extract(wanted)

    before = pipeline.document().progress.chunks_total
    late = replace(pipeline.splitting, reader=Overtaken())
    assert split_range(first, late) is Outcome.STALE
    assert not pipeline.queues.parts
    assert pipeline.document().progress.chunks_total == before
    assert pipeline.examine().healthy
    pipeline.retry(force=True)
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


@pytest.mark.parametrize("error", [EncryptedDocument("locked."), LimitExceeded("too many.")])
def test_what_is_wrong_with_the_file_fails_the_document_and_what_is_with_a_range_does_not(
    error: PermanentError,
) -> None:
    pipeline, ranges = dropped()
    failing(pipeline, ranges[2], error)
    locked = isinstance(error, EncryptedDocument)
    expected = Status.FAILED if locked else Status.SPLITTING
    assert pipeline.document().status is expected


def test_more_chunks_than_a_document_may_have_fail_it() -> None:
    pipeline, ranges = dropped()
    pipeline.limits = replace(SMALL, chunks=3)
    for message in ranges:
        pipeline.split_range(message)
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert "max_chunks is 3" in document.reason.message


def test_a_document_of_which_pages_failed_is_partial_and_says_which_was_first() -> None:
    pipeline = Pipeline()
    document = begun(pipeline)
    pipeline.ledger.plan_ranges(document, 3, 9)
    reasons = [Reason("corrupt", f"page {page} is broken.", "split", page) for page in (5, 2)]
    pipeline.ledger.record_range(document, 1, 1, PageCounts(text=2, failed=1), reasons[0])
    pipeline.ledger.record_range(document, 0, 0, PageCounts(text=2, failed=1), reasons[1])
    pipeline.ledger.lose_range(document, 2, 3, reasons[0])
    progress = pipeline.document().progress
    assert progress.page_counts == PageCounts(text=4, failed=5)
    assert progress.page_counts.coverage == pytest.approx(4 / 9)
    ended(pipeline, [0 + 100_000])
    document = pipeline.document()
    assert (document.status, document.reason) == (Status.PARTIAL, reasons[1])


def test_pages_that_failed_in_a_range_that_was_cut_are_tried_again_as_a_new_generation() -> None:
    pipeline = Pipeline()
    pipeline.drop("Some words of it.", filename="doc.txt")
    document = pipeline.document()
    pipeline.ledger._ranges[HANDBOOK.tenant, "doc", 1].clear()
    broken = Reason("corrupt", "page 2 is broken.", "split", 2)
    pipeline.ledger.record_range(document, 0, 1, PageCounts(text=1, failed=1), broken)
    pipeline.ledger.recount(document)
    pipeline.run()
    assert (pipeline.document().status, pipeline.document().reason) == (Status.PARTIAL, broken)
    with pytest.raises(Conflict, match="failed for good: corrupt"):
        pipeline.retry()
    assert pipeline.retry(force=True).split_again
    pipeline.run()
    assert (pipeline.document().status, pipeline.document().generation) == (Status.INDEXED, 2)


def begun(pipeline: Pipeline) -> Document:
    pipeline.drop("Some words.", filename="doc.txt")
    pipeline.queues.parts.clear()
    new = NewDocument(HANDBOOK, "doc", "doc.txt", KEY)
    again = pipeline.ledger.begin(new, "2", fingerprint(LIMITS))
    assert again is not None
    return again


def ended(pipeline: Pipeline, ordinals: Sequence[int]) -> None:
    document = pipeline.document()
    pipeline.ledger.record_chunks(document, ordinals, ChunkState.INDEXED)
    assert pipeline.ledger.settle(HANDBOOK.tenant, "doc", document.generation) is not None


def test_pages_that_are_pictures_are_planned_in_smaller_ranges() -> None:
    limits = replace(LIMITS, pages=1_000, pages_per_range=100, scans_per_range=20)
    text = plan(Survey("pdf", pages=250), 1, "a.pdf", limits)
    assert text == [(1, 100), (101, 200), (201, 250)]
    scans = plan(Survey("pdf", pages=50, scanned=True), 1, "a.pdf", limits)
    assert scans == [(1, 20), (21, 40), (41, 50)]
    assert plan(Survey("pdf", pages=100), 1, "a.pdf", limits) == []


def test_other_sizes_of_ranges_mean_another_generation() -> None:
    prints = {
        fingerprint(replace(LIMITS, **{name: 77}))  # type: ignore[arg-type]
        for name in ("pages_per_range", "scans_per_range", "bytes_per_range")
    }
    assert len(prints | {fingerprint(LIMITS)}) == 4


def test_a_message_of_page_ranges_from_before_there_were_others_is_understood() -> None:
    old = (
        '{"schema_version":2,"tenant":"t","collection":"c","document_id":"d","generation":1,'
        '"number":3,"first_page":301,"last_page":400,"upload_key":"uploads/t/c/d/a.pdf"}'
    )
    message = PageRange.model_validate_json(old)
    assert (message.unit, message.pages, message.what) == ("pages", 100, "pages 301 to 400")


def test_many_parts_of_a_range_are_all_kept_or_nothing_is_recorded() -> None:
    pipeline = Pipeline(limits=replace(SMALL, bytes_per_range=100_000))
    put = pipeline.objects.put
    left = iter([None] * 30)

    def failing_at_last(key: str, data: bytes, content_type: str = "") -> None:
        if key.startswith("chunks/") and next(left, 0) == 0:
            raise ServiceUnavailable("S3 is away.")
        put(key, data, content_type)

    pipeline.objects.put = failing_at_last  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable):
        pipeline.drop(TEXT * 20, filename="doc.txt")
    assert pipeline.document().progress.ranges_done == 0
    assert not pipeline.queues.parts
    pipeline.objects.put = put  # type: ignore[method-assign]
    pipeline.split(KEY, "1")
    assert len(pipeline.queues.parts) > 30
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy
