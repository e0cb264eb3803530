"""Bugs that document pipelines of this shape are known to have; none may come to this one."""

from __future__ import annotations

import pytest

from ragline import wiring
from ragline.domain.documents import Document, Status
from tests.faults import oracle
from tests.faults.injection import Call, Faults, Mode
from tests.faults.scenarios import SCENARIOS, story
from tests.faults.sweep import Run, calls, outcome
from tests.faults.world import SHELF, World, key_of, world


def doc(one: World) -> Document:
    return one.document("doc")


def rows(name: str = "doc") -> int:
    return sum(entry[0] == name for entry in wiring.index().entries(SHELF))


def test_a_batch_delivered_six_times_ends_no_document_early() -> None:
    """Counting down ``remaining - 1`` at each delivery does."""
    with world() as one:
        one.upload("doc", story("amber", 6))
        one.cloud.deliver(steps=1)
        part = one.cloud.take("ChunksQueue")
        for _ in range(6):
            one.cloud.invoke("embedder", part)
        assert (doc(one).status, doc(one).progress.embedded) == (Status.PROCESSING, 2)
        upsert = one.cloud.take("IndexOpsQueue")
        for _ in range(6):
            one.cloud.invoke("indexer", upsert)
        assert (doc(one).status, doc(one).progress.indexed) == (Status.PROCESSING, 2)
        assert one.shown("doc", "amber") == set()
        one.rest()
        assert list(oracle.mended(one)) == []


def test_a_batch_that_always_fails_reaches_the_dead_letters_and_the_ledger() -> None:
    """Catching the error and acknowledging the batch loses it without a trace."""
    with world() as one:
        one.cloud.model.refuses = RuntimeError("out of memory")
        one.upload("doc", story("amber", 4, poison=3))
        one.rest()
        assert len(list(wiring.objects().list("dead-letters/chunks/"))) == 1
        assert (doc(one).status, doc(one).progress.failed) == (Status.PARTIAL, 2)
        failures = wiring.ledger().failures("default", "doc")
        assert [(one.reason.stage, one.attempts) for one in failures] == [("embed", 5)]
        one.cloud.model.refuses = None
        one.retry("doc")
        one.rest()
        assert list(oracle.mended(one)) == []


def test_as_long_as_a_deleted_document_has_rows_the_ledger_hides_and_remembers_them() -> None:
    """Deleting the record of a document first leaves rows that nobody can find any more."""
    seen: list[tuple[int, Status, bool]] = []

    def look(call: Call) -> None:
        (audit,) = wiring.ledger().audit()
        seen.append((rows(), audit.document.status, audit.removal_pending))

    with world() as one:
        with one.calmly():
            one.upload("doc", story("amber"))
        one.cloud.faults.after_each = look
        one.delete("doc")
        one.rest()
        one.cloud.faults.after_each = lambda call: None
        assert list(oracle.mended(one)) == []
    assert {(count, status) for count, status, _ in seen} == {
        (3, Status.INDEXED),
        (3, Status.DELETED),
        (0, Status.DELETED),
    }
    assert all(pending for count, status, pending in seen if count and status is Status.DELETED)


@pytest.mark.parametrize("mode", [Mode.KILL_BEFORE, Mode.KILL_AFTER])
@pytest.mark.parametrize("call", ["index:delete", "s3:DeleteObjects", "dynamodb:BatchWriteItem"])
def test_a_removal_that_is_cut_short_is_finished(mode: Mode, call: str) -> None:
    (at, *_) = [n for n, one in enumerate(calls("delete"), start=1) if str(one) == call]
    assert outcome(Run("delete", mode.value, at)) == []


def test_messages_that_sqs_did_not_take_are_sent_again() -> None:
    """SendMessageBatch succeeds as a whole and fails in parts: ignoring ``Failed`` loses some."""
    sends = [n for n, one in enumerate(calls("upload_of_ranges"), start=1) if _sends(one)]
    assert len(sends) >= 3
    for at in sends:
        with world(Faults(Mode.PARTIAL, at)) as one:
            SCENARIOS["upload_of_ranges"](one)
            one.cloud.deliver()  # and no maintenance, which would find what was lost
            assert doc(one).status is Status.INDEXED


def test_a_new_version_is_shown_only_when_every_row_of_it_is_committed() -> None:
    """Promoting it when its first batch is in shows half a document, or two at once."""
    shown: list[tuple[int, int]] = []
    wrong: list[str] = []
    faults = Faults()
    with world(faults) as one:
        with one.calmly():
            one.upload("doc", story("amber"))

        def look(call: Call) -> None:
            wrong.extend(oracle.at_any_time(one))  # an error here would be the worker's
            shown.append((len(one.shown("doc", "amber")), len(one.shown("doc", "cobalt"))))

        faults.after_each = look
        one.upload("doc", story("cobalt"))
        one.rest()
    assert wrong == []
    assert list(dict.fromkeys(shown)) == [(3, 0), (0, 3)]
    assert faults.calls.count(Call("index", "upsert")) > 1


def test_events_of_two_versions_that_come_in_the_wrong_order_keep_the_newer_one() -> None:
    with world() as one:
        one.upload("doc", story("amber"))
        one.put(key_of("doc", story("cobalt")), story("cobalt"))
        one.holds["doc"] = story("cobalt")
        one.cloud.events.reverse()
        one.rest()
        assert list(oracle.mended(one)) == []
        assert doc(one).generation == 1


@pytest.mark.parametrize("mode", [Mode.OUTAGE, Mode.OVERLOAD])
def test_a_removal_that_became_a_dead_letter_is_not_forgotten(mode: Mode) -> None:
    """Rows of a replaced version that nothing will ever remove are hidden, but not gone."""
    (at, *_) = [n for n, one in enumerate(calls("replace"), start=1) if str(one) == "index:delete"]
    assert outcome(Run("replace", mode.value, at)) == []


def test_a_retry_that_is_cut_short_can_be_asked_for_again() -> None:
    """Under way, but with its failed chunks not made pending yet: it must not end as it was."""
    announced = next(n for n, one in enumerate(calls("retry"), start=1) if _sends(one))
    for at in range(1, announced + 1):
        run = Run("retry", Mode.KILL_BEFORE.value, at)
        assert outcome(run) == [], str(run)


def _sends(call: Call) -> bool:
    return call.operation == "SendMessageBatch"
