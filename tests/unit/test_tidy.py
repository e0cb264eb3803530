"""What is left untidy when the writing stops is found by the names of the files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ragline.adapters.memory.index import MemoryIndex, MemoryIndexes
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.documents import Partition, Status
from ragline.domain.keys import parse_index_data_key
from ragline.domain.messages import Optimize, read_index_op
from ragline.usecases import index as indexer
from ragline.usecases.index import apply_ops
from ragline.usecases.tidy import MANY_FILES, tidy
from tests.contract.test_vector_index import ACME, BETA, OTHER, row
from tests.unit.pipeline import Pipeline

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def stored(objects: MemoryObjects, table: str, files: int, folder: str = "data") -> None:
    for n in range(files):
        objects.put(f"index/{table}.lance/{folder}/{n:03d}.lance", b"x")


def test_tables_of_many_files_are_ordered_to_be_folded_once_a_partition() -> None:
    objects, queues = MemoryObjects(), MemoryQueues()
    stored(objects, "acme.handbook.mini-1", MANY_FILES)
    stored(objects, "acme.handbook.mini-2", MANY_FILES + 5)
    stored(objects, "beta.handbook.mini-1", MANY_FILES)
    stored(objects, "acme.letters.mini-1", MANY_FILES - 1)
    stored(objects, "acme.letters.mini-1", 50, "_transactions")
    assert tidy(objects=objects, queues=queues, now=NOON) == [ACME, BETA]
    assert [op.partition for op in queues.ops] == [ACME, BETA]
    assert {type(op) for op in queues.ops} == {Optimize}


class SlowObjects(MemoryObjects):
    """A key a second; ``now`` is the clock."""

    now = 100.0

    def list(self, prefix: str, *, since: str = "") -> Iterator[str]:
        for key in super().list(prefix, since=since):
            self.now += 1
            yield key

    def folders(self, prefix: str) -> Iterator[str]:
        yield from dict.fromkeys(f"index/{key.split('/')[1]}/" for key in sorted(self._objects))


def test_at_the_deadline_the_listing_ends_and_what_was_found_is_ordered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects, queues = SlowObjects(), MemoryQueues()
    monkeypatch.setattr("ragline.usecases.tidy.time.monotonic", lambda: objects.now)
    stored(objects, "acme.handbook.mini-1", MANY_FILES)
    stored(objects, "beta.handbook.mini-1", 1_000)
    begin = datetime.fromtimestamp(0, UTC)  # with the first table
    assert tidy(objects=objects, queues=queues, now=begin, deadline=100.0 + MANY_FILES) == [ACME]
    assert [op.partition for op in queues.ops] == [ACME]
    assert objects.now == 100.0 + MANY_FILES + 1


def test_nothing_is_listed_where_the_time_is_over_before(monkeypatch: pytest.MonkeyPatch) -> None:
    objects, queues = SlowObjects(), MemoryQueues()
    monkeypatch.setattr("ragline.usecases.tidy.time.monotonic", lambda: objects.now)
    stored(objects, "acme.handbook.mini-1", MANY_FILES)
    assert tidy(objects=objects, queues=queues, now=NOON, deadline=99.0) == []
    assert (objects.now, queues.ops) == (100.0, [])


def test_where_the_time_never_suffices_every_table_gets_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the order of their keys, the last ones would wait for ever."""
    objects, queues = SlowObjects(), MemoryQueues()
    monkeypatch.setattr("ragline.usecases.tidy.time.monotonic", lambda: objects.now)
    tenants = [f"tenant-{n:02}" for n in range(20)]
    for tenant in tenants:
        stored(objects, f"{tenant}.handbook.mini-1", MANY_FILES)
    for run in range(20):
        deadline = objects.now + 2.5 * MANY_FILES  # two of twenty, whole
        tidy(
            objects=objects,
            queues=queues,
            now=NOON + timedelta(minutes=5 * run),
            deadline=deadline,
        )
    assert sorted({op.tenant for op in queues.ops}) == tenants


def test_an_index_that_is_elsewhere_or_empty_needs_nothing() -> None:
    objects, queues = MemoryObjects(), MemoryQueues()
    objects.put("uploads/acme/handbook/doc/a.txt", b"x")
    assert tidy(objects=objects, queues=queues, now=NOON) == []
    assert queues.ops == []


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("index/acme.letters.mini-1.lance/data/0.lance", (OTHER, "mini-1")),
        ("index/acme.letters.mini-1.lance/_versions/1.manifest", None),
        ("index/acme.letters.lance/data/0.lance", None),
        ("index/acme.letters.mini-1.lance/data", None),
        ("other/acme.letters.mini-1.lance/data/0.lance", None),
        ("index/", None),
    ],
)
def test_keys_of_the_index_tell_the_table(key: str, table: tuple[Partition, str] | None) -> None:
    assert parse_index_data_key(key) == table


def test_the_order_survives_the_queue() -> None:
    order = Optimize(tenant="acme", collection="handbook")
    assert read_index_op(order.model_dump_json()) == order


def test_an_order_that_every_indexer_gave_up_on_fails_no_document() -> None:
    pipeline = Pipeline()
    pipeline.drop("A few words.")
    order = Optimize(tenant="default", collection="handbook")
    pipeline.letter("index_ops", order.model_dump_json())
    assert pipeline.document().status is not Status.FAILED
    assert list(pipeline.ledger.failures("default", pipeline.document().document_id)) == []


class _Watched(MemoryIndex):
    def __init__(self) -> None:
        super().__init__()
        self.optimized: list[Partition] = []

    def optimize(self, partition: Partition) -> None:
        self.optimized.append(partition)


def apply(indexes: MemoryIndexes, deadline: float) -> int:
    """How many operations are done; nothing but the index is asked for anything."""
    nothing: dict[str, object] = {"ledger": None, "objects": None, "queues": None}
    order = Optimize(tenant="acme", collection="handbook")
    done, error = apply_ops(ACME, [order], indexes=indexes, deadline=deadline, **nothing)  # type: ignore[arg-type]
    assert error is None
    return done


def test_the_indexer_looks_after_every_model_of_the_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragline.adapters.memory.index.MemoryIndex", _Watched)
    indexes = MemoryIndexes()
    for model in ("mini-1", "mini-2"):
        indexes.of(model).upsert(ACME, [row()])
    assert apply(indexes, deadline=float("inf")) == 1
    watched = [indexes.of(model) for model in ("mini-1", "mini-2")]
    assert [one.optimized for one in watched if isinstance(one, _Watched)] == [[ACME], [ACME]]


def test_an_indexer_whose_time_is_nearly_over_leaves_it_to_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragline.adapters.memory.index.MemoryIndex", _Watched)
    monkeypatch.setattr("ragline.usecases.index.time.monotonic", lambda: 100.0)
    indexes = MemoryIndexes()
    indexes.of("mini-1").upsert(ACME, [row()])
    assert apply(indexes, deadline=100.0 + indexer.UPKEEP_SECONDS) == 1
    watched = indexes.of("mini-1")
    assert isinstance(watched, _Watched)
    assert watched.optimized == []
