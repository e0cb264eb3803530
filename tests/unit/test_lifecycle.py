"""Every rule, asked of a document in every status: what becomes of it.

``TABLE`` says it all; ``TRANSITIONS`` are the changes of status in it, for comparing drawings with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ragline.domain import lifecycle
from ragline.domain.documents import Document, Partition, Progress, Reason, Status, dropped_id
from ragline.domain.errors import MalformedMessage, WriteConflict
from ragline.domain.keys import normal_sequencer
from ragline.domain.ledger import Multipart, NewDocument
from ragline.domain.lifecycle import UPLOAD_GRACE, WORK_LEASE, Record
from ragline.domain.times import later

THEN, NOW = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
HOME = Partition("acme", "papers")
KEY = "uploads/acme/papers/d1/a.txt"
NEW = NewDocument(HOME, "d1", "a.txt", KEY, upload_seconds=600)
DROPPED = replace(NEW, document_id=dropped_id(KEY))
BAD = Reason("corrupt", "The file is broken.", "split")
LATE = Reason("upload_expired", "The upload never came.", "upload")
GENERATION = 4
OLDER, SAME, NEWER = "01", "02", "03"

INDEXED = Progress(0, 0, 1, 1, 2, indexed=2)
PARTIAL = Progress(0, 0, 1, 1, 2, indexed=1, failed=1)
FAILED = Progress(0, 0, 1, 1, 2, failed=2)
EMPTY = Progress(0, 0, 1, 1)
SPLIT = Progress(0, 0, 1, 1, 2)
UNSPLIT = Progress(0, 0, 2, 1, 2, failed=1)


def record(status: Status, **known: object) -> Record:
    """A document as the table has it, every lease long over."""
    ended = status in {Status.INDEXED, Status.PARTIAL, Status.FAILED, Status.EMPTY}
    document = Document(HOME, "d1", "a.txt", status, THEN, THEN, upload_key=KEY)
    changes = {"generation": GENERATION, "sequencer": normal_sequencer(SAME), "fingerprint": "p1"}
    return Record(
        replace(document, **{**changes, **known}),  # type: ignore[arg-type]
        lease_until="" if ended else THEN,
    )


STATES: dict[str, Record | None] = {
    "unknown": None,
    "awaits": record(Status.AWAITING_UPLOAD, generation=0, sequencer="", fingerprint=""),
    "again": record(Status.AWAITING_UPLOAD, delete_requested=True, fingerprint=""),
    "split": record(Status.SPLITTING),
    "resplit": record(Status.SPLITTING, live_generation=GENERATION),
    "proc": record(Status.PROCESSING, progress=SPLIT),
    "reproc": record(Status.PROCESSING, progress=SPLIT, live_generation=GENERATION),
    "indexed": record(Status.INDEXED, progress=INDEXED, live_generation=GENERATION),
    "partial": record(Status.PARTIAL, progress=PARTIAL, live_generation=GENERATION),
    "failed": record(Status.FAILED, reason=BAD),
    "empty": record(Status.EMPTY, progress=EMPTY, live_generation=GENERATION),
    "removed": record(Status.DELETED),
    "request": record(Status.DELETED, delete_requested=True),
    "dropped": record(Status.DELETED, delete_requested=True, document_id=DROPPED.document_id),
}
"""``awaits``: registered. ``again``: registered once more, after a deletion. ``resplit``,
``reproc``: partial, and retried. ``removed``: deleted
by the bucket. ``request``: deleted on request. ``dropped``: so too, but it came unannounced."""


def counting(rule: Callable[[Record | None], Record | None], progress: Progress) -> Rule:
    """The rule, when the counts are these."""

    def counted(old: Record | None) -> Record | None:
        if old is None:
            return rule(None)
        return rule(replace(old, document=replace(old.document, progress=progress)))

    return counted


Rule = Callable[[Record | None], Record | None]


def begin(sequencer: str, fingerprint: str = "p1") -> Rule:
    return lambda old: lifecycle.begun(old, new_for(old), sequencer, fingerprint, NOW)


def new_for(old: Record | None) -> NewDocument:
    return DROPPED if old and old.document.dropped else NEW


def settle(old: Record | None) -> Record | None:
    return lifecycle.settled(old, GENERATION, "Scan it with OCR.", NOW)


def retry(old: Record | None) -> Record | None:
    return lifecycle.retried(old, GENERATION, None, NOW)


UPLOAD = Multipart("upload-1", 20, 8)

RULES: dict[str, Rule] = {
    "created": lambda old: lifecycle.created(old, new_for(old), NOW),
    "begun, newer": begin(NEWER),
    "begun, same": begin(SAME),
    "begun, same, resplit": begin(SAME, "p2"),
    "begun, older": begin(OLDER),
    "identified": lambda old: lifecycle.identified(old, GENERATION, "ab", NOW),
    "planned": counting(lambda old: lifecycle.planned(old, GENERATION, 1, 0, NOW), Progress()),
    "split": counting(lambda old: lifecycle.split(old, GENERATION, NOW), SPLIT),
    "split, no chunks": counting(lambda old: lifecycle.split(old, GENERATION, NOW), EMPTY),
    "split, unfinished": counting(lambda old: lifecycle.split(old, GENERATION, NOW), UNSPLIT),
    "settled, indexed": counting(settle, INDEXED),
    "settled, partial": counting(settle, PARTIAL),
    "settled, failed": counting(settle, FAILED),
    "settled, empty": counting(settle, EMPTY),
    "settled, unfinished": counting(settle, UNSPLIT),
    "failed": lambda old: lifecycle.failed(old, GENERATION, BAD, "", NOW),
    "retried, split": counting(
        lambda old: retry(old and replace(old, document=replace(old.document, reason=None))), FAILED
    ),
    "retried, unsplit": counting(retry, UNSPLIT),
    "expired": lambda old: lifecycle.expired(old, LATE, NOW),
    "renewed": lambda old: lifecycle.renewed(old, GENERATION, True, NOW),
    "removed, request": lambda old: lifecycle.removed(old, "", NOW),
    "removed, newer": lambda old: lifecycle.removed(old, NEWER, NOW),
    "removed, same": lambda old: lifecycle.removed(old, SAME, NOW),
    "removed, older": lambda old: lifecycle.removed(old, OLDER, NOW),
    "purged": lambda old: lifecycle.purged(old, GENERATION),
    "recounted": lambda old: lifecycle.recounted(old, GENERATION, {"indexed": 7}),
    "uploading": lambda old: lifecycle.uploading(old, UPLOAD, 60, NOW),
}

# What becomes of it: a status, with + in the next generation; "~": another record of the same
# status; "=": the record as it is; "·": refused; "!": to be tried again.
# fmt: off
TABLE = """
                      unknown awaits  again   split   resplit proc    reproc  indexed partial failed  empty   removed request dropped
created               awaits  =       =       =       =       =       =       =       =       =       =       awaits  awaits  awaits
begun, newer          split+  split+  split+  split+  split+  split+  split+  split+  split+  split+  split+  split+  ·       !
begun, same           split+  split+  ·       =       =       =       =       =       =       =       =       ·       ·       ·
begun, same, resplit  split+  split+  ·       split+  split+  split+  split+  =       =       =       =       ·       ·       ·
begun, older          split+  split+  ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
identified            ·       ·       ·       ~       ~       ~       ~       ~       ~       ~       ~       ·       ·       ·
planned               ·       ·       ·       ~       ~       ~       ~       ~       ~       ~       ~       ·       ·       ·
split                 ·       ·       ·       proc    proc    ·       ·       ·       ·       ·       ·       ·       ·       ·
split, no chunks      ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
split, unfinished     ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
settled, indexed      ·       ·       ·       indexed indexed indexed indexed ·       indexed indexed ·       ·       ·       ·
settled, partial      ·       ·       ·       partial partial partial partial ·       ·       partial ·       ·       ·       ·
settled, failed       ·       ·       ·       failed  failed  failed  failed  ·       ·       ·       ·       ·       ·       ·
settled, empty        ·       ·       ·       empty   empty   empty   empty   ·       ·       empty   ·       ·       ·       ·
settled, unfinished   ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
failed                ·       ·       ·       failed  partial failed  partial ·       ·       ·       ·       ·       ·       ·
retried, split        ·       ·       ·       ·       ·       ·       ·       ·       proc    proc    ·       ·       ·       ·
retried, unsplit      ·       ·       ·       ·       ·       ·       ·       ·       split   split   ·       ·       ·       ·
expired               ·       failed+ failed+ ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
renewed               ·       ·       ~       ~       ~       ~       ~       ·       ·       ·       ·       ~       ~       ~
removed, request      ·       deleted deleted deleted deleted deleted deleted deleted deleted deleted deleted ·       ·       ·
removed, newer        ·       deleted ~       deleted deleted deleted deleted deleted deleted deleted deleted ~       ~       ~
removed, same         ·       deleted ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
removed, older        ·       deleted ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·
purged                ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ·       ~       ~       ~
recounted             ·       ·       ·       ~       ~       ~       ~       ~       ~       ~       ~       ·       ·       ·
uploading             ·       ~       ~       ~       ~       ~       ~       ~       ~       ~       ~       ·       ·       ·
"""  # noqa: E501
# fmt: on

SHORT = {Status.AWAITING_UPLOAD: "awaits", Status.SPLITTING: "split", Status.PROCESSING: "proc"}


def outcome(rule: str, state: str) -> tuple[str, Record | None]:
    """What the table says of it, as the rule says; and the record that it made."""
    old = STATES[state]
    try:
        new = RULES[rule](old)
    except WriteConflict:
        return "!", None
    if new is None:
        return "·", None
    if new is old:
        return "=", new
    before = old.document.generation if old else 0
    assert new.document.generation in {before, before + 1}
    if new.document.generation > before:
        return SHORT.get(new.document.status, new.document.status.value) + "+", new
    if old and new.document.status is old.document.status:
        return "~", new
    return SHORT.get(new.document.status, new.document.status.value), new


def drawn() -> dict[str, dict[str, str]]:
    """Rule → state → what the table says becomes of it."""
    head, *lines = TABLE.strip("\n").splitlines()
    return {
        line[:22].strip(): dict(zip(head.split(), line[22:].split(), strict=True)) for line in lines
    }


def walked() -> set[tuple[Status | None, Status]]:
    """Every change of status that some rule makes of some state; None: not known before."""
    seen = set()
    for rule in RULES:
        for state, old in STATES.items():
            _, new = outcome(rule, state)
            before = old.document.status if old else None
            if new and new.document.status is not before:
                seen.add((before, new.document.status))
    return seen


TRANSITIONS = frozenset(walked())


def test_the_table_has_every_rule_and_every_state() -> None:
    assert drawn().keys() == RULES.keys()
    assert {tuple(row) for row in drawn().values()} == {tuple(STATES)}
    assert {old.document.status for old in STATES.values() if old} == set(Status)


@pytest.mark.parametrize("rule", RULES)
def test_what_becomes_of_a_document(rule: str) -> None:
    assert {state: outcome(rule, state)[0] for state in STATES} == drawn()[rule]


def test_only_these_changes_of_status_there_are() -> None:
    under_way = {Status.SPLITTING, Status.PROCESSING}
    ended = {Status.INDEXED, Status.PARTIAL, Status.FAILED, Status.EMPTY}
    alive = {Status.AWAITING_UPLOAD, *under_way, *ended}
    assert {
        (None, Status.AWAITING_UPLOAD),
        (None, Status.SPLITTING),
        (Status.DELETED, Status.AWAITING_UPLOAD),
        *((one, Status.SPLITTING) for one in {*Status} - {Status.SPLITTING}),
        (Status.SPLITTING, Status.PROCESSING),
        *((one, end) for one in under_way for end in ended),
        (Status.AWAITING_UPLOAD, Status.FAILED),
        *((one, Status.PROCESSING) for one in lifecycle.TROUBLED),
        (Status.PARTIAL, Status.INDEXED),
        (Status.FAILED, Status.INDEXED),
        (Status.FAILED, Status.PARTIAL),
        (Status.FAILED, Status.EMPTY),
        *((one, Status.DELETED) for one in alive),
    } == TRANSITIONS


BY_GENERATION: dict[str, Callable[[Record, int], Record | None]] = {
    "identified": lambda old, one: lifecycle.identified(old, one, "ab", NOW),
    "planned": lambda old, one: lifecycle.planned(old, one, 1, 0, NOW),
    "split": lambda old, one: lifecycle.split(old, one, NOW),
    "settled": lambda old, one: lifecycle.settled(old, one, "", NOW),
    "failed": lambda old, one: lifecycle.failed(old, one, BAD, "", NOW),
    "retried": lambda old, one: lifecycle.retried(old, one, None, NOW),
    "renewed": lambda old, one: lifecycle.renewed(old, one, False, NOW),
    "recounted": lambda old, one: lifecycle.recounted(old, one, {}),
}


@pytest.mark.parametrize("rule", BY_GENERATION)
@pytest.mark.parametrize("progress", [Progress(), SPLIT, INDEXED], ids=["new", "split", "done"])
def test_word_of_another_generation_is_refused_in_every_status(
    rule: str, progress: Progress
) -> None:
    for old in filter(None, STATES.values()):
        counted = replace(old, document=replace(old.document, progress=progress))
        for other in (old.document.generation - 1, old.document.generation + 1):
            assert BY_GENERATION[rule](counted, other) is None


@pytest.mark.parametrize(
    ("status", "live", "cleared", "enough"),
    [
        (Status.DELETED, 0, 3, False),
        (Status.DELETED, 0, 4, True),
        (Status.INDEXED, 4, 2, False),
        (Status.INDEXED, 4, 3, True),
        (Status.PARTIAL, 4, 3, True),
        (Status.EMPTY, 4, 3, True),
        (Status.FAILED, 0, 2, False),
        (Status.FAILED, 0, 3, True),
        (Status.PROCESSING, 2, 4, False),
    ],
)
def test_a_lease_ends_when_all_that_counts_no_more_is_cleared_away(
    status: Status, live: int, cleared: int, enough: bool
) -> None:
    old = replace(record(status, live_generation=live), lease_until=THEN)
    new = lifecycle.purged(old, cleared)
    assert (new is not None and not new.lease_until) is enough


@pytest.mark.parametrize("rule", RULES)
def test_what_has_to_move_on_by_itself_has_a_lease_and_nothing_else_has(rule: str) -> None:
    for state, old in STATES.items():
        _, new = outcome(rule, state)
        if new is None or rule == "purged":
            continue
        now = new.document
        under_way = not now.terminal or now.status is Status.DELETED
        as_before = old is not None and now.status is old.document.status
        idle = not under_way and (as_before or now.generation == 1)
        assert bool(new.lease_until) is not idle, state
        if idle or (old and new.document.status is old.document.status):
            continue
        awaited = new.document.status is Status.AWAITING_UPLOAD
        upload = timedelta(seconds=NEW.upload_seconds) + UPLOAD_GRACE
        assert new.lease_until == later(NOW, upload if awaited else WORK_LEASE), state
        assert new.repairs == 0, state


@pytest.mark.parametrize("rule", RULES)
def test_neither_generation_nor_sequencer_nor_time_ever_goes_back(rule: str) -> None:
    for state, old in STATES.items():
        _, new = outcome(rule, state)
        if new is None or old is None:
            continue
        assert new.document.generation >= old.document.generation, state
        assert new.document.sequencer >= old.document.sequencer, state
        assert new.document.created_at >= old.document.created_at, state
        assert new.document.updated_at >= old.document.updated_at, state


@pytest.mark.parametrize("rule", RULES)
def test_only_a_settled_generation_comes_live_and_only_a_deletion_ends_it(rule: str) -> None:
    for state, old in STATES.items():
        _, new = outcome(rule, state)
        if new is None:
            continue
        before, after = old.document.live_generation if old else 0, new.document.live_generation
        if after == before:
            continue
        if after:
            assert (after, rule.partition(",")[0]) == (GENERATION, "settled"), state
        else:
            assert new.document.status is Status.DELETED, state


def test_what_failed_while_it_was_split_is_split_again_however_far_that_came() -> None:
    """The counts may be those of a first plan; only its splitter knows what is missing."""
    failed = STATES["failed"]
    assert failed is not None
    for reason, status in (
        (BAD, Status.SPLITTING),
        (replace(BAD, stage="embed"), Status.PROCESSING),
        (None, Status.PROCESSING),
    ):
        document = replace(failed.document, reason=reason, progress=SPLIT)
        again = lifecycle.retried(replace(failed, document=document), GENERATION, None, NOW)
        assert again is not None
        assert again.document.status is status


def test_a_live_generation_stays_until_another_is_searchable() -> None:
    live = STATES["indexed"]
    replaced = lifecycle.begun(live, NEW, NEWER, "p1", NOW)
    assert replaced is not None
    assert replaced.document.shows(GENERATION)
    for progress, shown in (
        (FAILED, GENERATION),
        (PARTIAL, GENERATION + 1),
        (INDEXED, GENERATION + 1),
        (EMPTY, GENERATION + 1),
    ):
        counted = replace(replaced, document=replace(replaced.document, progress=progress))
        ended = lifecycle.settled(counted, GENERATION + 1, "", NOW)
        assert ended is not None
        assert ended.document.live_generation == shown


def test_an_upload_is_awaited_to_the_end_of_its_lease() -> None:
    awaits = lifecycle.created(None, NEW, THEN)
    end = awaits.lease_until
    assert lifecycle.expired(awaits, LATE, later(end, -timedelta(seconds=1))) is None
    assert lifecycle.expired(awaits, LATE, end) is not None
    assert lifecycle.overdue(awaits, end)
    assert not lifecycle.overdue(awaits, later(end, -timedelta(seconds=1)))


def test_a_lease_is_overdue_when_nothing_has_moved_as_long_either() -> None:
    started = lifecycle.begun(None, NEW, SAME, "p1", THEN)
    assert started is not None
    end = started.lease_until
    assert lifecycle.overdue(started, end)
    moved = replace(started, document=replace(started.document, updated_at=end))
    assert not lifecycle.overdue(moved, end)
    assert lifecycle.overdue(moved, later(end, WORK_LEASE))
    assert not lifecycle.overdue(replace(moved, lease_until=""), later(end, WORK_LEASE))


def test_a_document_of_another_collection_is_not_taken_over_while_it_lives() -> None:
    stranger = replace(NEW, partition=Partition("acme", "letters"))
    for state, old in STATES.items():
        if old is None or state in {"request", "dropped"}:
            continue
        if old.document.status is not Status.DELETED:
            with pytest.raises(MalformedMessage, match="papers"):
                lifecycle.begun(old, stranger, NEWER, "p1", NOW)
            continue
        moved = lifecycle.begun(old, stranger, NEWER, "p1", NOW)
        assert moved is not None
        assert moved.document.partition == stranger.partition


def test_the_buckets_word_of_a_removal_opens_a_dropped_document_and_no_registered_one() -> None:
    for state, revived in (("dropped", True), ("request", False)):
        closed = lifecycle.removed(STATES[state], NEWER, NOW)
        again = lifecycle.begun(closed, new_for(closed), "04", "p1", NOW)
        assert (again is not None) is revived


def test_the_work_of_a_deleted_generation_is_not_wanted_once_its_id_is_used_again() -> None:
    again = STATES["again"]
    assert again is not None
    assert not again.document.wants(GENERATION)
    expired = lifecycle.expired(again, LATE, NOW)
    assert expired is not None
    assert not expired.document.wants(GENERATION)
