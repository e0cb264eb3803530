"""What OCR read is kept: no page is read twice, and a turn that runs out of time is followed by
another that goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import pytest

from ragline.domain.documents import Status
from ragline.domain.errors import OutOfTime, ParsingTimeout
from ragline.parsing import Source
from ragline.ports import OcrLine
from ragline.usecases.findings import Kind
from ragline.usecases.splitting import Outcome
from tests.scans import scan, sheet
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline

KEY = f"uploads/{HANDBOOK}/doc/scan.pdf"
PICTURES = [sheet([f"Sheet {number}"], dpi=36) for number in range(7)]
"""No two alike: pictures are known by their bytes."""


class Engine:
    """Sees on each picture how many it saw before."""

    def __init__(self, version: int = 1) -> None:
        self.fingerprint = f"counting-{version}"
        self.shown = 0

    def read(self, image: bytes) -> Sequence[OcrLine]:
        self.shown += 1
        top = 97 * self.shown  # at the same place it would be taken for a running head
        return [OcrLine(f"This is picture number {self.shown}.", 50, top, 400, top + 30, 0.99)]


def pipeline_with(engine: Engine | None, **limits: float) -> Pipeline:
    return Pipeline(ocr=engine, limits=replace(LIMITS, **limits))  # type: ignore[arg-type]


def kept(pipeline: Pipeline) -> list[str]:
    return list(pipeline.objects.list("ocr/"))


def dropped(engine: Engine, pages: int = 3, **limits: float) -> Pipeline:
    pipeline = pipeline_with(engine, **limits)
    pipeline.drop(scan(*PICTURES[:pages]), filename="scan.pdf")
    pipeline.run()
    return pipeline


def again(pipeline: Pipeline, pages: int = 3) -> None:
    """The document is uploaded once more."""
    sequencer = str(pipeline.document().generation + 1)
    pipeline.drop(scan(*PICTURES[:pages]), filename="scan.pdf", sequencer=sequencer)
    pipeline.run()


def test_a_scan_is_found_by_what_is_seen_on_its_pages() -> None:
    pipeline = dropped(Engine())
    document = pipeline.document()
    assert document.status is Status.INDEXED
    assert document.progress.pages_ocr == 3
    hit, *_ = pipeline.search("picture number 2")
    assert "This is picture number 2." in hit.passage.chunk.text
    assert (hit.passage.chunk.page, hit.passage.chunk.page_end) == (1, 2)


def test_what_was_read_is_kept_below_its_document_and_engine() -> None:
    pipeline = dropped(Engine())
    folders = {key.rpartition("/")[0] for key in kept(pipeline)}
    assert folders == {f"ocr/{HANDBOOK}/doc/counting-1"}
    assert len(kept(pipeline)) == 3


def test_another_upload_and_another_chunking_read_no_picture_again() -> None:
    engine = Engine()
    pipeline = dropped(engine)
    before = [pipeline.objects.get(key) for key in kept(pipeline)]
    pipeline.limits = replace(pipeline.limits, chunk_tokens=24)
    again(pipeline)
    assert pipeline.document().generation == 2
    assert engine.shown == 3
    assert [pipeline.objects.get(key) for key in kept(pipeline)] == before


def test_another_engine_reads_them_anew() -> None:
    pipeline = dropped(Engine())
    pipeline.ocr = other = Engine(version=2)
    again(pipeline)
    assert other.shown == 3


def test_a_kept_result_that_is_damaged_is_read_anew() -> None:
    engine = Engine()
    pipeline = dropped(engine)
    pipeline.objects.put(kept(pipeline)[0], b"no gzip")
    again(pipeline)
    assert engine.shown == 4
    assert pipeline.document().status is Status.INDEXED


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], None]:
    """Begins a turn in which time is over once the engine has read two more pictures."""

    def begin(engine: Engine) -> None:
        last = engine.shown + 2

        def check(_: Source, page: int | None = None) -> None:
            if engine.shown >= last:
                raise ParsingTimeout("time is over.", page=page)

        monkeypatch.setattr(Source, "check_time", check)

    return begin


def test_a_document_that_runs_out_of_time_goes_on_where_it_stopped(
    turn: Callable[[Engine], None],
) -> None:
    engine = Engine()
    pipeline = pipeline_with(engine)
    turn(engine)
    with pytest.raises(OutOfTime):
        pipeline.drop(scan(*PICTURES), filename="scan.pdf")
    for seen in (2, 4):
        assert engine.shown == seen
        turn(engine)
        with pytest.raises(OutOfTime):
            pipeline.split(KEY, "1")
    turn(engine)
    assert pipeline.split(KEY, "1") is Outcome.SPLIT
    pipeline.run()
    assert engine.shown == len(PICTURES)
    assert (pipeline.document().status, pipeline.document().generation) == (Status.INDEXED, 1)


def test_a_range_that_runs_out_of_time_is_put_back_and_not_lost(
    turn: Callable[[Engine], None],
) -> None:
    engine = Engine()
    pipeline = pipeline_with(engine, scans_per_range=4)
    pipeline.drop(scan(*PICTURES), filename="scan.pdf")
    first, second = pipeline.waiting_pages()
    for message in (first, second):
        turn(engine)
        with pytest.raises(OutOfTime):
            pipeline.split_work(message)
    for message in (first, second):
        turn(engine)
        with pytest.raises(OutOfTime) if message is first else nullcontext():
            pipeline.split_work(message)
    turn(engine)
    assert pipeline.split_work(first) is Outcome.SPLIT
    pipeline.run()
    assert engine.shown == len(PICTURES)
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.document().progress.pages_ocr == len(PICTURES)


def test_a_turn_that_reads_no_picture_at_all_is_a_time_out() -> None:
    pipeline = pipeline_with(Engine(), seconds=0.0)
    pipeline.drop(scan(*PICTURES), filename="scan.pdf")
    reason = pipeline.document().reason
    assert reason is not None
    assert (pipeline.document().status, reason.code) == (Status.FAILED, "timeout")


def test_what_was_read_goes_with_the_document() -> None:
    pipeline = dropped(Engine())
    pipeline.drop("Others stay.", document_id="other")
    pipeline.delete()
    pipeline.run()
    assert kept(pipeline) == []


def test_what_was_read_of_a_replaced_version_is_kept_for_pages_that_stayed() -> None:
    engine = Engine()
    pipeline = dropped(engine)
    again(pipeline, pages=4)
    assert (pipeline.document().generation, engine.shown) == (2, 4)


def test_a_worker_that_is_overtaken_by_a_deletion_leaves_nothing() -> None:
    pipeline = pipeline_with(None)

    class Overtaken(Engine):
        def read(self, image: bytes) -> Sequence[OcrLine]:
            if not self.shown:
                pipeline.delete()
                pipeline.run()
            return super().read(image)

    pipeline.ocr = Overtaken()
    assert pipeline.drop(scan(*PICTURES[:2]), filename="scan.pdf") is Outcome.STALE
    pipeline.run()
    assert kept(pipeline) == []


def test_a_turn_that_is_put_back_after_a_deletion_leaves_nothing(
    turn: Callable[[Engine], None],
) -> None:
    pipeline = pipeline_with(None)

    class Overtaken(Engine):
        def read(self, image: bytes) -> Sequence[OcrLine]:
            if not self.shown:
                pipeline.delete()
                pipeline.run()
            return super().read(image)

    pipeline.ocr = engine = Overtaken()
    turn(engine)
    with pytest.raises(OutOfTime):
        pipeline.drop(scan(*PICTURES), filename="scan.pdf")
    assert pipeline.split(KEY, "1") is Outcome.GONE
    assert kept(pipeline) == []


def test_the_doctor_finds_what_was_read_of_documents_that_are_gone() -> None:
    pipeline = dropped(Engine())
    good = kept(pipeline)
    pipeline.objects.put(f"ocr/{HANDBOOK}/nobody/counting-1/{'0' * 32}.json.gz", b"")
    pipeline.objects.put("ocr/notes.txt", b"")
    found = pipeline.examine()
    assert [(one.kind, one.subject) for one in found.findings] == [
        (Kind.ORPHAN_OBJECTS, "nobody"),
        (Kind.ORPHAN_OBJECTS, "ocr/notes.txt"),
    ]
    assert found.totals["ocr objects"] == 5
    assert not pipeline.repair()
    assert kept(pipeline) == good


def test_a_scan_that_nobody_reads_is_empty_and_says_what_to_do() -> None:
    pipeline = pipeline_with(None)
    pipeline.drop(scan(*PICTURES[:2]), filename="scan.pdf")
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.EMPTY
    assert document.progress.pages_image == 2
    assert "OCR is off" in document.advice
    assert "better scan" not in document.advice


def test_a_scan_in_which_nothing_was_found_wants_a_better_one() -> None:
    class Blind(Engine):
        def read(self, image: bytes) -> Sequence[OcrLine]:
            return []

    document = dropped(Blind()).document()
    assert document.status is Status.EMPTY
    assert "better scan" in document.advice
