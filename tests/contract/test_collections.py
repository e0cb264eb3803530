"""What every ledger promises of collections' settings: written by one, read by all at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragline.domain.chunking import Chunking, Strategy, Tables
from ragline.domain.collections import CollectionSettings, Walk, WalkKind
from ragline.ports import Ledger
from tests.contract.ledgers import AWAY, HOME, RIVAL, new

pytestmark = pytest.mark.disable_socket

SMALL = Chunking(Strategy.PARENT_CHILD, 64, 8, Tables.ROWS, 512)
WALK = Walk("walk-1", WalkKind.RECUT, "2026-01-01T00:00:00.000Z", "a cursor", True, 3, 2, 1)


def kept(ledger: Ledger, settings: CollectionSettings) -> CollectionSettings:
    written = ledger.keep_collection(settings)
    assert written is not None
    return written


def test_a_collection_that_nobody_configured_is_blank(ledger: Ledger) -> None:
    assert ledger.collection(HOME) == CollectionSettings(HOME)
    assert ledger.collection(HOME).blank
    assert list(ledger.collections("acme")) == []


def test_settings_are_read_as_they_were_written(ledger: Ledger) -> None:
    written = kept(ledger, CollectionSettings(HOME, SMALL, WALK))
    assert written.stamp and written.updated_at
    assert ledger.collection(HOME) == written
    assert (written.chunking, written.walk) == (SMALL, WALK)
    read = ledger.collection(HOME).chunking
    assert read and (type(read.strategy), type(read.tables)) == (Strategy, Tables)
    assert ledger.collection(AWAY).blank and ledger.collection(RIVAL).blank


def test_of_two_who_read_the_same_settings_one_may_write(ledger: Ledger) -> None:
    first = ledger.collection(HOME)
    written = kept(ledger, replace(first, chunking=SMALL))
    assert ledger.keep_collection(replace(first, walk=WALK)) is None
    assert ledger.collection(HOME) == written
    again = kept(ledger, replace(written, walk=WALK))
    assert ledger.keep_collection(replace(written, walk=None)) is None
    assert ledger.collection(HOME) == again != written


def test_a_tenants_collections_are_those_with_settings(ledger: Ledger) -> None:
    for partition in (HOME, AWAY, RIVAL):
        kept(ledger, CollectionSettings(partition, SMALL))
    assert list(ledger.collections("acme")) == ["letters", "papers"]
    assert list(ledger.collections("rival")) == ["papers"]


def test_blank_settings_are_listed_no_more_and_what_was_read_before_is_refused(
    ledger: Ledger,
) -> None:
    written = kept(ledger, CollectionSettings(HOME, SMALL, WALK))
    blank = kept(ledger, replace(written, chunking=None, walk=None))
    assert list(ledger.collections("acme")) == []
    assert ledger.collection(HOME).blank
    assert ledger.keep_collection(written) is None
    assert kept(ledger, replace(blank, chunking=SMALL)).chunking == SMALL


def test_settings_are_no_document(ledger: Ledger) -> None:
    ledger.create(new(metadata={"year": 2025}))
    kept(ledger, CollectionSettings(HOME, SMALL, WALK))
    assert [one.document_id for one in ledger.list(HOME).documents] == ["d1"]
    assert [one.document.document_id for one in ledger.audit()] == ["d1"]
    assert ledger.metadata_fields(HOME) == {"year"}
