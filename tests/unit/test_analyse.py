"""A vision model looks at pages: once each, within caps, and every analysis ends."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ragline.adapters.local_files import LocalFiles
from ragline.adapters.memory.analyses import MemoryAnalyses, MemoryOrders
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.domain.analyses import Analysis, AnalysisStatus, PageAnswer, TokenPrices
from ragline.domain.documents import Document, Partition
from ragline.domain.errors import (
    Conflict,
    CorruptDocument,
    EncryptedDocument,
    InvalidRequest,
    ModelRefused,
    NotFound,
    OutOfTime,
    PermanentError,
    QuotaExceeded,
    RaglineError,
    ServiceUnavailable,
    Throttled,
    TooManyPages,
    UnsupportedType,
    WriteConflict,
)
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import AnalysisWork
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Caps
from ragline.ports import PageImage, Painted, Seen
from ragline.usecases import analyses as ordering
from ragline.usecases.analyse import PAINT_SECONDS, Analysing, analyse, give_up

HERE = Partition("acme", "reports")
KEY = "uploads/acme/reports/d1/scan.pdf"
BYTES = b"%PDF- three pages"
PRICES = TokenPrices(1.0, 5.0)
HOUR = 3_600


@dataclass
class FakePainter:
    """Of a file of three pages, 1,000 by 1,500 pixels each."""

    total: int = 3
    refused: PermanentError | None = None
    troubles: dict[int, PermanentError] = field(default_factory=dict)
    painted: list[tuple[int, ...]] = field(default_factory=list)

    def paint(
        self, file: Path, pages: Sequence[int], folder: Path, *, most: int, deadline: float
    ) -> Painted:
        if self.refused:
            raise self.refused
        assert file.read_bytes() == BYTES
        wanted = tuple(pages) or tuple(range(1, self.total + 1))
        self.painted.append(wanted)
        images = {
            page: PageImage(folder / f"{page}.png", "png", 1_000, 1_500)
            for page in wanted
            if page <= self.total and page not in self.troubles
        }
        return Painted(self.total, images, self.troubles)


@dataclass
class FakeVision:
    """Says the page's number; ``errors``: raised instead, each once, by page."""

    errors: dict[int, Exception] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    tokens: tuple[int, int] = (2_000, 100)
    model: str = "nova"

    def ask(self, image: PageImage, prompt: str, *, answer_tokens: int, seconds: float) -> Seen:
        page = int(image.path.stem)
        self.asked.append(page)
        if error := self.errors.pop(page, None):
            raise error
        return Seen(f"{prompt} page {page}", *self.tokens)


class World:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.ledger = MemoryLedger(self.now)
        self.analyses = MemoryAnalyses(self.ledger, self.now)
        self.objects = MemoryObjects()
        self.orders = MemoryOrders()
        self.painter, self.vision = FakePainter(), FakeVision()
        self.done: list[PageAnswer] = []
        self.limits = ordering.AnalysisLimits("nova", PRICES, 5, 100, 500)
        self.spent = 0.0

    def now(self) -> datetime:
        return self.time

    def document(self, sequencer: str = "1", data: bytes = BYTES) -> Document:
        self.objects.put(KEY, data)
        new = NewDocument(HERE, "d1", "scan.pdf", KEY, size=len(data))
        begun = self.ledger.begin(new, sequencer, "p1")
        assert begun
        self.ledger.identify(begun, hashlib.sha256(data).hexdigest())
        found = self.ledger.get("acme", "d1")
        assert found
        return found

    def order(self, prompt: str = "see", pages: Sequence[int] = (), **fields: float) -> Analysis:
        return ordering.order(
            "acme",
            "d1",
            ordering.Question(prompt, pages, fields.get("max_cost")),
            ledger=self.ledger,
            analyses=self.analyses,
            orders=self.orders,
            limits=self.limits,
            spent=lambda tenant: self.spent,
            now=self.time,
        )

    def find(self, analysis: Analysis) -> ordering.Found:
        return ordering.find(
            "acme",
            "d1",
            analysis.analysis_id,
            ledger=self.ledger,
            analyses=self.analyses,
            now=self.time,
        )

    def work(self, seconds: float = HOUR, work: AnalysisWork | None = None) -> str:
        tools = Analysing(
            ledger=self.ledger,
            analyses=self.analyses,
            files=LocalFiles(self.objects),
            painter=self.painter,
            vision=self.vision,
            max_pages=self.limits.pages,
            now=self.now,
            done=lambda analysis, answer: self.done.append(answer),
        )
        return analyse(work or self.orders.sent[-1], tools, time.monotonic() + seconds)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def asked(world: World) -> Analysis:
    world.document()
    return world.order()


def test_every_page_is_answered_and_paid_for_once(world: World, asked: Analysis) -> None:
    assert world.find(asked).analysis.status is AnalysisStatus.QUEUED
    assert world.find(asked).analysis.progress == "not begun"
    assert world.work() == "done"
    assert world.work() == "ended before"
    found = world.find(asked)
    assert [(one.page, one.text) for one in found.answers] == [
        (n, f"see page {n}") for n in (1, 2, 3)
    ]
    assert world.vision.asked == [1, 2, 3]
    assert found.analysis.status is AnalysisStatus.DONE
    assert found.analysis.progress == "3 of 3 pages"
    assert found.analysis.cost == pytest.approx(3 * (2_000 * 1.0 + 100 * 5.0) / 1e6)
    assert [one.page for one in world.done] == [1, 2, 3]


def test_only_the_pages_that_were_asked_for_are_rendered(world: World) -> None:
    world.document()
    analysis = world.order(pages=[3, 1, 3])
    assert world.work() == "done"
    assert world.painter.painted == [(1, 3)] and world.vision.asked == [1, 3]
    assert world.find(analysis).analysis.progress == "2 of 2 pages"


@pytest.mark.parametrize("kind", [Throttled, ServiceUnavailable])
def test_what_a_busy_model_did_not_answer_is_asked_again_and_nothing_else(
    world: World, asked: Analysis, kind: type[RaglineError]
) -> None:
    world.vision.errors = {2: kind("the model is busy.")}
    with pytest.raises(kind):
        world.work()
    found = world.find(asked).analysis
    assert (found.status, found.progress) == (AnalysisStatus.ANALYSING, "1 of 3 pages")
    assert found.trouble == "the model is busy."
    assert world.work() == "done"
    assert world.vision.asked == [1, 2, 2, 3]
    assert world.painter.painted == [(1, 2, 3), (2, 3)]


def test_an_error_of_nobody_gives_the_turn_back_and_its_words_to_nobody(
    world: World, asked: Analysis
) -> None:
    world.vision.errors = {1: OSError("No space left on device: /tmp/secret.pdf")}
    with pytest.raises(OSError):
        world.work()
    assert world.find(asked).analysis.trouble == "OSError."
    assert world.work() == "done"


def test_what_there_is_no_time_for_is_for_another_turn(
    world: World, asked: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutOfTime):
        world.work(seconds=PAINT_SECONDS - 1)
    assert world.painter.painted == []
    with monkeypatch.context() as patch, pytest.raises(OutOfTime):
        patch.setattr("ragline.usecases.analyse.CALL_SECONDS", PAINT_SECONDS + 60)
        world.work(seconds=PAINT_SECONDS + 50)
    assert world.painter.painted == [(1, 2, 3)] and world.vision.asked == []
    assert world.work() == "done"


def test_two_workers_do_not_ask_beside_one_another(world: World, asked: Analysis) -> None:
    until = world.time + timedelta(seconds=300)
    assert world.analyses.take(asked, until.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    with pytest.raises(WriteConflict):
        world.work()
    assert world.vision.asked == []
    world.time += timedelta(seconds=301)  # the other one has died
    assert world.work() == "done"


def test_a_page_that_the_model_refuses_does_not_keep_the_others(
    world: World, asked: Analysis
) -> None:
    world.vision.errors = {2: ModelRefused("it will not.")}
    world.painter.troubles = {3: CorruptDocument("it is damaged.", page=3)}
    assert world.work() == "done"
    found = world.find(asked)
    assert [one.reason and one.reason.code for one in found.answers] == [
        None,
        "model_refused",
        "corrupt",
    ]
    assert (found.analysis.pages_done, found.analysis.pages_failed) == (3, 2)


def test_an_analysis_without_an_answer_has_failed_and_says_what_to_do(
    world: World, asked: Analysis
) -> None:
    world.vision.errors = {n: ModelRefused("it will not.") for n in (1, 2, 3)}
    assert world.work() == "failed"
    found = world.find(asked).analysis
    assert found.reason and (found.reason.code, found.reason.page) == ("model_refused", 1)
    assert found.advice


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EncryptedDocument("a password is needed."), "encrypted"),
        (UnsupportedType("it has no pages."), "unsupported_type"),
        (CorruptDocument("it is damaged."), "corrupt"),
    ],
)
def test_a_file_that_cannot_be_rendered_ends_the_analysis_with_its_reason(
    world: World, asked: Analysis, error: PermanentError, code: str
) -> None:
    world.painter.refused = error
    assert world.work() == code
    found = world.find(asked).analysis
    assert found.status is AnalysisStatus.FAILED
    assert found.reason and found.reason.code == code and found.advice


def test_more_pages_than_allowed_are_refused_by_the_worker_too(
    world: World, asked: Analysis
) -> None:
    world.painter.total = 6
    assert world.work() == "too_many_pages"
    reason = world.find(asked).analysis.reason
    assert reason and "max_analysis_pages" in reason.message and "5" in reason.message


def test_a_page_that_is_not_there_is_said_to_be_none(world: World) -> None:
    world.document()
    analysis = world.order(pages=[2, 9])
    assert world.work() == "done"
    missing = world.find(analysis).answers[1]
    assert missing.reason and missing.reason.code == "no_such_page"
    assert "3" in missing.reason.message


def test_a_page_that_might_pass_the_cap_is_not_asked_about(world: World) -> None:
    """By the estimate a page costs $0.0045 (2,000 tokens and 500), in fact $0.0025."""
    world.document()
    analysis = world.order(max_cost=0.0075)
    assert world.work() == "done"
    assert world.vision.asked == [1, 2]
    found = world.find(analysis)
    assert found.answers[2].reason and found.answers[2].reason.code == "max_cost"
    assert found.analysis.reason and found.analysis.reason.code == "max_cost"
    assert found.analysis.cost is not None and found.analysis.cost <= 0.0075
    assert found.analysis.advice


def test_a_cap_that_no_page_fits_asks_nothing_and_fails(world: World) -> None:
    world.document()
    analysis = world.order(max_cost=0.001)
    assert world.work() == "failed"
    reason = world.find(analysis).analysis.reason
    assert world.vision.asked == [] and reason and reason.code == "max_cost"


def test_a_page_that_took_more_than_estimated_raises_the_estimate_of_the_next(
    world: World,
) -> None:
    world.document()
    world.vision.tokens = (30_000, 100)
    world.order(max_cost=0.06)
    world.work()
    assert world.vision.asked == [1]


def test_a_model_that_counts_no_tokens_is_counted_for_from_above(world: World) -> None:
    world.document()
    world.vision.tokens = (0, 0)
    analysis = world.order()
    world.work()
    (first, *_) = world.find(analysis).answers
    assert first.input_tokens == 2_002 and first.output_tokens == 5


def test_what_the_tenants_cap_leaves_is_a_cap_too(world: World) -> None:
    world.document()
    world.ledger.cap("acme", Caps(cost=10.0))
    world.spent = 9.5
    assert world.order().max_cost == pytest.approx(0.5)
    assert world.order(max_cost=0.2).max_cost == pytest.approx(0.2)
    world.spent = 10.0
    with pytest.raises(QuotaExceeded, match="max_cost"):
        world.order()


def test_a_cap_that_cannot_be_kept_is_refused(world: World) -> None:
    world.document()
    world.limits = replace(world.limits, prices=None)
    assert world.order().cost is None
    with pytest.raises(Conflict, match="VisionPrices"):
        world.order(max_cost=1.0)


def test_a_document_replaced_meanwhile_is_not_looked_at(world: World, asked: Analysis) -> None:
    world.document("2", b"%PDF- other bytes")
    assert world.work() == "replaced"
    found = world.find(asked).analysis
    assert found.reason and found.reason.code == "replaced" and found.advice
    assert world.vision.asked == []


def test_bytes_that_the_ledger_has_not_heard_of_are_not_looked_at(
    world: World, asked: Analysis
) -> None:
    world.objects.put(KEY, b"%PDF- other bytes")
    assert world.work() == "replaced"
    assert world.vision.asked == []


def test_an_upload_that_is_gone_ends_the_analysis(world: World, asked: Analysis) -> None:
    world.objects.delete([KEY])
    assert world.work() == "replaced"


def test_a_deleted_documents_analysis_is_gone_and_its_work_ends(
    world: World, asked: Analysis
) -> None:
    world.ledger.delete("acme", "d1")
    with pytest.raises(NotFound):
        world.find(asked)
    assert world.work() == "gone"
    assert world.vision.asked == []
    assert world.analyses.get("acme", "d1", asked.analysis_id) is None


def test_one_that_has_the_id_of_a_deleted_document_has_none_of_its_analyses(
    world: World, asked: Analysis
) -> None:
    world.ledger.delete("acme", "d1")
    world.time += timedelta(hours=1)
    world.ledger.create(NewDocument(HERE, "d1", "scan.pdf", KEY))
    with pytest.raises(NotFound):
        world.find(asked)
    page = ordering.listed(
        "acme", "d1", ledger=world.ledger, analyses=world.analyses, limit=9, cursor=None
    )
    assert page.analyses == []


def test_a_deletion_while_pages_are_looked_at_stops_it(world: World, asked: Analysis) -> None:
    class Deleting(FakeVision):
        def ask(self, image: PageImage, prompt: str, *, answer_tokens: int, seconds: float) -> Seen:
            seen = super().ask(image, prompt, answer_tokens=answer_tokens, seconds=seconds)
            world.ledger.delete("acme", "d1")
            world.ledger.forget("acme", "d1", 2)
            return seen

    world.vision = Deleting()
    assert world.work() == "gone"
    assert world.vision.asked == [1]
    assert world.analyses.answers(asked) == []


def test_a_dead_letter_ends_the_analysis_with_what_went_wrong_last(
    world: World, asked: Analysis
) -> None:
    world.vision.errors = {2: ServiceUnavailable("api.test answered HTTP 500.")}
    with pytest.raises(ServiceUnavailable):
        world.work()
    assert give_up(world.orders.sent[0], world.analyses)
    assert not give_up(world.orders.sent[0], world.analyses)
    found = world.find(asked)
    assert found.analysis.reason and found.analysis.reason.code == "retries_exhausted"
    assert "HTTP 500" in found.analysis.reason.message
    assert [one.page for one in found.answers] == [1]
    assert world.work() == "ended before"


def test_one_whose_message_was_lost_ends_when_it_is_asked_for(
    world: World, asked: Analysis
) -> None:
    world.time += timedelta(hours=5)
    assert not world.find(asked).analysis.ended
    world.time += timedelta(hours=2)
    found = world.find(asked).analysis
    assert found.reason and found.reason.code == "stalled" and found.advice
    assert world.work() == "ended before"


def test_an_order_that_cannot_be_sent_leaves_nothing_behind(world: World) -> None:
    world.document()
    world.orders.broken = ServiceUnavailable("the queue is away.")
    with pytest.raises(ServiceUnavailable):
        world.order()
    assert world.analyses.of("acme", "d1").analyses == []


@pytest.mark.parametrize(
    ("prompt", "pages", "kind", "said"),
    [
        ("  ", (), InvalidRequest, "prompt"),
        ("x" * 101, (), InvalidRequest, "at most 100"),
        ("see", (0, 1), InvalidRequest, "from 1"),
        ("see", (4,), InvalidRequest, "no page 4"),
        ("see", (1, 2, 3, 4, 5, 6), InvalidRequest, "no page 6"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_told_why(
    world: World, prompt: str, pages: Sequence[int], kind: type[RaglineError], said: str
) -> None:
    world.ledger.plan_ranges(world.document(), 1, 3)
    with pytest.raises(kind, match=said):
        world.order(prompt, pages)
    assert world.orders.sent == []


def test_more_pages_than_allowed_are_refused_at_once_where_they_are_known(world: World) -> None:
    world.ledger.plan_ranges(world.document(), 1, 6)
    with pytest.raises(TooManyPages, match="max_analysis_pages"):
        world.order()
    assert world.order(pages=[1, 6])


def test_a_document_whose_format_has_no_pages_is_refused(world: World) -> None:
    world.ledger.record_whole(world.document(), 1, PageCounts())
    with pytest.raises(UnsupportedType, match="no pages"):
        world.order()


def test_nothing_is_asked_of_a_stack_without_a_model_or_of_bytes_that_are_not_there(
    world: World,
) -> None:
    with pytest.raises(NotFound):
        world.order()
    world.ledger.create(NewDocument(HERE, "d1", "scan.pdf", KEY))
    with pytest.raises(Conflict, match="not been read"):
        world.order()
    world.limits = replace(world.limits, model="")
    with pytest.raises(Conflict, match="VisionModel"):
        world.order()
