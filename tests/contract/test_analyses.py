"""The records of analyses: the same promises in memory and on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ragline.adapters.dynamodb.analyses import DynamoAnalyses
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.dynamodb.records import DynamoRecords
from ragline.adapters.memory.analyses import MemoryAnalyses
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.analyses import Analysis, AnalysisStatus, PageAnswer, TokenPrices
from ragline.domain.documents import Document, Partition, Reason
from ragline.domain.errors import InvalidRequest
from ragline.domain.ledger import NewDocument
from ragline.domain.times import iso
from ragline.ports import Analyses, Ledger
from tests.contract import aws
from tests.contract.ledgers import Clock

pytestmark = pytest.mark.disable_socket

HERE = Partition("acme", "reports")
KEY = "uploads/acme/reports/d1/scan.pdf"
REASON = Reason("model_refused", "it will not.", "analyse", 2)


@dataclass
class World:
    ledger: Ledger
    analyses: Analyses
    clock: Clock

    def document(self, sequencer: str = "1") -> Document:
        begun = self.ledger.begin(NewDocument(HERE, "d1", "scan.pdf", KEY), sequencer, "p1")
        assert begun
        return begun

    def ordered(self, document: Document, analysis_id: str = "01A", **fields: object) -> Analysis:
        analysis = self.made(document, analysis_id, **fields)
        assert self.analyses.order(analysis)
        return analysis

    def made(self, document: Document, analysis_id: str = "01A", **fields: object) -> Analysis:
        now = iso(self.clock())
        analysis = Analysis(
            HERE, "d1", analysis_id, document.generation, document.created_at, "What is it?",
            "nova", now, now, (2, 5), answer_tokens=500, prices=TokenPrices(1.0, 5.0),
            max_cost=0.25, trace_id="1-a",
        )  # fmt: skip
        return replace(analysis, **fields)  # type: ignore[arg-type]

    def now(self, analysis: Analysis) -> Analysis:
        found = self.analyses.get("acme", "d1", analysis.analysis_id)
        assert found
        return found

    def later(self, seconds: float) -> str:
        return iso(self.clock() + timedelta(seconds=seconds))


def on_dynamodb(clock: Clock) -> tuple[World, DynamoRecords]:
    client = aws.client("dynamodb")
    table = aws.make_table(client)
    ledger = DynamoLedger(table, client=client, now=clock)
    analyses = DynamoAnalyses(table, client=client, now=clock)
    return World(ledger, analyses, clock), DynamoRecords(table, client=client)


@pytest.fixture(params=["memory", "dynamodb"])
def world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[World]:
    if request.param == "memory":
        ledger = MemoryLedger(clock)
        yield World(ledger, MemoryAnalyses(ledger, clock), clock)
        return
    with aws.in_process_aws():
        yield on_dynamodb(clock)[0]


def test_what_was_ordered_is_read_back_whole(world: World) -> None:
    analysis = world.ordered(world.document())
    assert world.now(analysis) == analysis
    assert world.analyses.get("acme", "d1", "01B") is None
    assert world.analyses.get("other", "d1", "01A") is None


def test_an_analysis_of_a_generation_that_is_no_longer_the_documents_is_not_kept(
    world: World,
) -> None:
    old = world.document()
    new = world.document("2")
    assert not world.analyses.order(world.made(old))
    assert world.analyses.get("acme", "d1", "01A") is None
    world.ledger.delete("acme", "d1")
    assert not world.analyses.order(world.made(new))
    assert world.analyses.get("acme", "d1", "01A") is None


def test_a_listing_is_newest_first_and_goes_on_where_it_ended(world: World) -> None:
    document = world.document()
    for name in ("01A", "01B", "01C"):
        world.analyses.answer(world.ordered(document, name), PageAnswer(2, "yes"))
    first = world.analyses.of("acme", "d1", limit=2)
    assert [one.analysis_id for one in first.analyses] == ["01C", "01B"]
    rest = world.analyses.of("acme", "d1", limit=2, cursor=first.cursor)
    assert [one.analysis_id for one in rest.analyses] == ["01A"] and rest.cursor is None
    with pytest.raises(InvalidRequest):
        world.analyses.of("acme", "d2", cursor=first.cursor)


def test_one_worker_has_an_analysis_until_its_turn_is_over_or_given_back(world: World) -> None:
    analysis = world.ordered(world.document())
    taken = world.analyses.take(analysis, world.later(300))
    assert taken and taken.status is AnalysisStatus.RENDERING
    assert world.analyses.take(analysis, world.later(300)) is None
    world.analyses.release(taken, "the model is busy.")
    assert world.now(analysis).trouble == "the model is busy."
    assert world.analyses.take(analysis, world.later(100))
    world.clock.skip(timedelta(seconds=101))
    assert world.analyses.take(analysis, world.later(300))


def test_a_page_is_answered_and_counted_once(world: World) -> None:
    analysis = world.ordered(world.document())
    assert world.analyses.plan(analysis, 2)
    first = PageAnswer(2, "", REASON)
    second = PageAnswer(5, "A cat.", None, True, 900, 40)
    for answer in (first, second, first, second, replace(second, text="A dog.")):
        assert world.analyses.answer(analysis, answer)
    assert world.analyses.answers(analysis) == [first, second]
    found = world.now(analysis)
    assert (found.pages_planned, found.pages_done, found.pages_failed) == (2, 2, 1)
    assert (found.input_tokens, found.output_tokens) == (900, 40)
    assert found.cost == pytest.approx((900 * 1.0 + 40 * 5.0) / 1e6)
    assert found.progress == "2 of 2 pages"


def test_it_ends_once_and_nothing_is_written_afterwards(world: World) -> None:
    analysis = world.ordered(world.document())
    assert world.analyses.end(analysis, AnalysisStatus.FAILED, REASON, "ask again.")
    assert not world.analyses.end(analysis, AnalysisStatus.DONE, None, "")
    assert not world.analyses.answer(analysis, PageAnswer(2, "yes"))
    assert not world.analyses.plan(analysis, 2)
    assert world.analyses.take(analysis, world.later(9)) is None
    found = world.now(analysis)
    assert (found.status, found.reason, found.advice) == (
        AnalysisStatus.FAILED,
        REASON,
        "ask again.",
    )
    assert world.analyses.answers(analysis) == []


def test_one_that_is_dropped_is_gone_with_its_answers_and_takes_no_more(world: World) -> None:
    document = world.document()
    analysis, other = world.ordered(document), world.ordered(document, "01B")
    for one in (analysis, other):
        world.analyses.answer(one, PageAnswer(2, "yes"))
    world.analyses.drop("acme", "d1", "01A")
    world.analyses.drop("acme", "d1", "01A")
    assert world.analyses.get("acme", "d1", "01A") is None
    assert world.analyses.answers(analysis) == []
    assert not world.analyses.answer(analysis, PageAnswer(5, "late"))
    assert world.analyses.answers(analysis) == []
    assert world.analyses.answers(other)


def test_the_analyses_of_a_deleted_document_go_with_its_records(world: World) -> None:
    analysis = world.ordered(world.document())
    world.analyses.answer(analysis, PageAnswer(2, "yes"))
    world.ledger.forget("acme", "d1", 1)
    assert world.now(analysis)
    world.ledger.delete("acme", "d1")
    world.ledger.forget("acme", "d1", 2)
    assert world.analyses.get("acme", "d1", "01A") is None
    assert world.analyses.answers(analysis) == []
    assert not world.analyses.answer(analysis, PageAnswer(5, "late"))
    assert world.analyses.answers(analysis) == []


def test_erasing_a_tenant_erases_its_analyses(clock: Clock) -> None:
    with aws.in_process_aws():
        world, records = on_dynamodb(clock)
        analysis = world.ordered(world.document())
        world.analyses.answer(analysis, PageAnswer(2, "yes"))
        kinds = records.of("acme")
        assert kinds["analysis"] == kinds["answer"] == 1
        records.erase("acme")
        assert records.of("acme") == {}
