"""Deleting a tenant while its documents are under way: nothing is left, and nothing comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.dynamodb.records import DynamoRecords
from ragline.adapters.dynamodb.usage import DynamoUsageBook
from ragline.adapters.memory.keys import MemoryKeys, MemoryPlans
from ragline.adapters.memory.push import MemoryWebhooks
from ragline.domain.access import KeyRecord, Role
from ragline.domain.documents import Partition, Status
from ragline.domain.errors import QuotaExceeded
from ragline.domain.ledger import NewDocument
from ragline.usecases.erase import Places, close, delete_documents, drop_rows, erase, left
from ragline.usecases.splitting import Outcome
from tests.contract import aws
from tests.unit.pipeline import Pipeline

pytestmark = pytest.mark.disable_socket

TENANT = "default"
"""The one that ``Pipeline.drop`` brings documents for."""

OTHER = Partition("default-2", "handbook")
TEXT = "# Gate\n\nThe gate opens at nine.\n\n# Wall\n\nThe wall is old.\n\n# Tower\n\nIt is tall."


@dataclass
class NoSecrets:
    names: list[str] = field(default_factory=lambda: ["/stack/webhooks/default/one"])

    def of(self, tenant: str) -> Sequence[str]:
        return list(self.names)

    def remove(self, names: Sequence[str]) -> None:
        self.names = [name for name in self.names if name not in names]


@dataclass
class World:
    pipeline: Pipeline
    places: Places

    def bring_for_another(self) -> None:
        key = f"uploads/{OTHER}/other/other.md"
        self.pipeline.ledger.create(NewDocument(OTHER, "other", "other.md", key))
        self.pipeline.objects.put(key, TEXT.encode())
        self.pipeline.split(key, "1")
        self.pipeline.run()

    def finish(self) -> None:
        """What the command does once the queues are empty."""
        self.pipeline.run()
        drop_rows(TENANT, self.places)
        self.pipeline.run()
        erase(TENANT, self.places)


@pytest.fixture
def world() -> Iterator[World]:
    with aws.in_process_aws():
        dynamodb = aws.client("dynamodb")
        table = aws.make_table(dynamodb)
        ledger: Any = DynamoLedger(table, client=dynamodb)
        pipeline = Pipeline(ledger=ledger)
        keys = MemoryKeys()
        keys.add(KeyRecord("ab" * 32, TENANT, Role.ADMIN, "a key", "abcd", "2026-11-21"))
        book = DynamoUsageBook(table, client=dynamodb)
        book.add(TENANT, "2026-11", "embedder", {"chunks": 3})
        places = Places(
            ledger,
            DynamoRecords(table, client=dynamodb),
            pipeline.objects,
            pipeline.queues,
            pipeline.indexes,
            keys,
            MemoryPlans(),
            MemoryWebhooks(),
            NoSecrets(),
        )
        yield World(pipeline, places)


def nothing(found: dict[str, int]) -> bool:
    return not any(found.values())


def test_a_tenant_at_rest_is_deleted_whole_and_others_are_untouched(world: World) -> None:
    world.bring_for_another()
    world.pipeline.drop(TEXT, "one")
    world.pipeline.run()
    letter = b'{"body": "{\\"tenant\\": \\"default\\", \\"document_id\\": \\"one\\"}"}'
    world.pipeline.objects.start_parts("uploads/default/handbook/two/doc.md", "text/markdown")
    world.pipeline.objects.put("dead-letters/chunks/1.json", letter)
    world.pipeline.objects.put("dead-letters/chunks/2.json", letter.replace(b"default", b"else"))
    world.pipeline.objects.put("ocr/default/handbook/one/engine-1/0.json.gz", b"")
    there = left(TENANT, world.places)
    assert all(there.values()), there
    other = left(OTHER.tenant, world.places)

    assert close(TENANT, world.places) == 1
    assert delete_documents(TENANT, world.places) == 1
    world.finish()

    assert nothing(left(TENANT, world.places)), left(TENANT, world.places)
    assert left(OTHER.tenant, world.places) == {**other, "secrets": 0}
    document = world.pipeline.ledger.get(OTHER.tenant, "other")
    assert document is not None
    assert document.status is Status.INDEXED
    assert list(world.pipeline.objects.list("dead-letters/")) == ["dead-letters/chunks/2.json"]


def test_messages_that_were_in_hand_bring_nothing_back(world: World) -> None:
    pipeline = world.pipeline
    pipeline.drop(TEXT, "cut")
    parts = pipeline.waiting_parts()  # in an embedder's hands
    pipeline.drop(TEXT + "\n\nMore.", "embedded")
    pipeline.embed(pipeline.waiting_parts())
    ops = pipeline.waiting_ops()  # on their way to the indexer

    close(TENANT, world.places)
    delete_documents(TENANT, world.places)
    pipeline.embed(parts)
    pipeline.apply(ops)
    world.finish()
    assert nothing(left(TENANT, world.places)), left(TENANT, world.places)

    # and again, long after all was erased
    pipeline.embed(parts)
    pipeline.apply(ops)
    for name in ("cut", "embedded"):
        assert pipeline.split(f"uploads/default/handbook/{name}/doc.md", "1") is Outcome.GONE
    pipeline.run()
    assert nothing(left(TENANT, world.places)), left(TENANT, world.places)


def test_a_closed_tenant_takes_nothing_in_and_a_second_deletion_clears_what_came(
    world: World,
) -> None:
    close(TENANT, world.places)
    delete_documents(TENANT, world.places)
    world.finish()
    caps = world.places.ledger.tenant(TENANT).caps
    with pytest.raises(QuotaExceeded):
        world.pipeline.ledger.create(
            NewDocument(Partition(TENANT, "handbook"), "new", "a.md", "uploads/x", size=5), caps
        )
    # bytes that came by a URL which was given out before
    key = "uploads/default/handbook/late/doc.md"
    world.pipeline.objects.put(key, TEXT.encode())
    assert world.pipeline.split(key, "9") is Outcome.FAILED
    assert left(TENANT, world.places)["uploads"] == 1
    assert left(TENANT, world.places)["chunks"] == 0
    delete_documents(TENANT, world.places)
    world.finish()
    assert nothing(left(TENANT, world.places)), left(TENANT, world.places)


def test_an_unfinished_deletion_goes_on_where_it_stopped(world: World) -> None:
    world.pipeline.drop(TEXT, "one")
    world.pipeline.run()
    close(TENANT, world.places)
    delete_documents(TENANT, world.places)  # and then the command was interrupted
    close(TENANT, world.places)
    assert delete_documents(TENANT, world.places) == 1
    world.finish()
    assert nothing(left(TENANT, world.places))


def test_parts_of_uploads_that_were_never_completed_go_too(world: World) -> None:
    """Also those that no document tells of."""
    objects = world.pipeline.objects
    for key in ("uploads/default/handbook/one/a.md", f"uploads/{OTHER}/two/a.md"):
        objects.start_parts(key, "text/markdown")
    assert left(TENANT, world.places)["open uploads"] == 1
    close(TENANT, world.places)
    delete_documents(TENANT, world.places)
    world.finish()
    assert nothing(left(TENANT, world.places)), left(TENANT, world.places)
    assert left(OTHER.tenant, world.places)["open uploads"] == 1
