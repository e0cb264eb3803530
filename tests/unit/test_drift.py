"""A sample of the ledger is compared with the index, in the order of the index's writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragline.domain.documents import Partition
from ragline.domain.messages import Optimize, read_index_op
from ragline.usecases.drift import DOCUMENTS, Drift, compare, order_comparison
from tests.unit.api.world import World


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


class Counting:
    """An index of one model that says how many rows documents have."""

    def __init__(self, rows: dict[str, int], **others: dict[str, int]) -> None:
        self.rows = {"model": rows, **others}

    def fingerprints(self, partition: Partition) -> list[str]:
        return sorted(self.rows)

    def of(self, fingerprint: str) -> Any:
        rows = self.rows[fingerprint]

        class One:
            def count(self, partition: Partition, document_id: str) -> int:
                return rows.get(document_id, 0)

        return One()


@pytest.fixture
def world() -> World:
    return World()


def test_rows_that_are_missing_and_rows_too_many_are_told_apart(world: World) -> None:
    first, second, third = (world.indexed(f"Text {n}.", document_id=f"d{n}") for n in range(3))
    names = [one.document_id for one in (first, second, third)]
    indexes: Any = Counting({names[0]: 1, names[1]: 0, names[2]: 4})
    drift = compare(first.partition, names, ledger=world.ledger(), indexes=indexes)
    assert drift == Drift(compared=3, missing=1, surplus=3)


def test_another_model_whose_rows_are_being_written_is_no_drift(world: World) -> None:
    made = world.indexed("Text.")
    indexes: Any = Counting({made.document_id: 1}, new={made.document_id: 0})
    drift = compare(made.partition, [made.document_id], ledger=world.ledger(), indexes=indexes)
    assert drift == Drift(compared=1)


def test_what_is_under_way_or_deleted_or_unknown_is_not_compared(world: World) -> None:
    made = world.indexed("Text.")
    world.ledger().delete(made.partition.tenant, made.document_id)
    indexes: Any = Counting({made.document_id: 9})
    names = [made.document_id, "nobody"]
    drift = compare(made.partition, names, ledger=world.ledger(), indexes=indexes)
    assert drift == Drift()


def test_a_document_that_changes_while_it_is_counted_tells_nothing(world: World) -> None:
    made = world.indexed("Text.")

    class Changing:
        """The document was replaced between the two looks."""

        def __init__(self) -> None:
            self.looks: Iterator[Any] = iter([made, replace(made, generation=2)])

        def get_many(self, tenant: str, names: Any) -> Any:
            return {made.document_id: next(self.looks)}

    ledger, indexes = Changing(), Counting({made.document_id: 0})
    drift = compare(made.partition, [made.document_id], ledger=ledger, indexes=indexes)  # type: ignore[arg-type]
    assert drift == Drift()


def order(world: World, now: datetime) -> list[Optimize]:
    world.objects().put("index/default.handbook.model.lance/data/1.lance", b"")
    asked = order_comparison(
        ledger=world.ledger(), objects=world.objects(), queues=world.queues(), now=now
    )
    return list(asked)


def test_some_documents_are_asked_about_and_travel_through_the_queue(world: World) -> None:
    made = [world.indexed(f"Text {n}.", document_id=f"d{n}") for n in range(2 * DOCUMENTS)]
    (asked,) = order(world, later())
    assert len(asked.compare) == DOCUMENTS
    assert set(asked.compare) <= {one.document_id for one in made}
    assert asked.partition == made[0].partition
    assert read_index_op(asked.model_dump_json()) == asked


def test_what_ended_a_moment_ago_is_left_for_the_next_hour(world: World) -> None:
    world.indexed("Text.")
    assert order(world, datetime.now(UTC)) == []


@pytest.mark.parametrize(("hour", "asked"), [(0, 1), (1, 0), (23, 0)])
def test_what_ended_long_ago_is_compared_once_a_day(world: World, hour: int, asked: int) -> None:
    world.indexed("Text.")
    next_day = (datetime.now(UTC) + timedelta(days=1)).replace(hour=hour, minute=0)
    next_day += timedelta(days=1)
    assert len(order(world, next_day)) == asked


def test_a_bucket_without_index_files_is_asked_about_nothing(world: World) -> None:
    world.indexed("Text.")
    ports = {"ledger": world.ledger(), "objects": world.objects(), "queues": world.queues()}
    assert order_comparison(**ports, now=later()) == []  # type: ignore[arg-type]
