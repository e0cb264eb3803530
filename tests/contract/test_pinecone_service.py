"""Pinecone as a service: limits, pace, outages, keys; the real SDK against a small server of ours.

What of this holds of the real Pinecone, ``test_pinecone_live`` tells where a key is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragline.adapters.pinecone import connection as pinecone_connection
from ragline.adapters.pinecone import writes as pinecone_writes
from ragline.adapters.pinecone.index import PineconeIndexes
from ragline.batches import MARGIN_SECONDS
from ragline.domain.chunks import Filter
from ragline.domain.documents import Partition
from ragline.domain.errors import (
    LimitExceeded,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
)
from ragline.local.template import load
from ragline.ports import VectorIndex
from tests.contract.pinecone import pinecone, serving
from tests.contract.test_vector_index import ACME, ALL, BETA, OTHER, X, row, seen
from tests.pinecone_server import API_KEY, Fault, PineconeServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[PineconeServer]:
    with serving() as one:
        yield one


@pytest.fixture
def indexes(server: PineconeServer) -> Iterator[PineconeIndexes]:
    with pinecone(server) as made:
        yield made


@pytest.fixture
def index(indexes: PineconeIndexes) -> VectorIndex:
    return indexes.of("mini-1")


CALLS: dict[str, Callable[[VectorIndex], Any]] = {
    "upsert": lambda index: index.upsert(ACME, [row()]),
    "delete": lambda index: index.delete(ACME, "doc"),
    "dense": lambda index: index.dense(ACME, X, 5, ALL),
    "bm25": lambda index: index.bm25(ACME, "fox", 5, ALL),
    "count": lambda index: index.count(ACME),
    "count of a document": lambda index: index.count(ACME, "doc"),
    "entries": lambda index: list(index.entries(ACME)),
}

every_call = pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))


class TestRequests:
    def test_many_rows_are_sent_in_requests_that_pinecone_takes(self) -> None:
        vectors = np.random.default_rng(1).normal(size=(500, 384)).astype(np.float32)
        rows = [row(ordinal=n, text=f"fox {n} " * 60, vector=v) for n, v in enumerate(vectors)]
        with serving(384) as server, pinecone(server) as indexes:
            indexes.of("mini-1").upsert(ACME, rows)
            assert indexes.of("mini-1").count(ACME) == 500
        assert server.requests["upsert"] == 2
        assert 1_000_000 < server.largest_request < 1_900_000

    def test_no_request_holds_more_than_a_thousand_rows(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        index.upsert(ACME, [row(ordinal=n) for n in range(1_001)])
        assert server.requests["upsert"] == 2
        assert index.count(ACME) == 1_001

    def test_a_request_that_is_too_large_all_the_same_is_halved(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.max_request_bytes = 2_000
        index.upsert(ACME, [row(ordinal=n) for n in range(20)])
        assert index.count(ACME) == 20
        with pytest.raises(LimitExceeded, match="chunk 7 of long: ") as caught:
            index.upsert(ACME, [row("doc"), row("long", 7, text="a" * 3_000)])
        assert caught.value.chunk == 7

    def test_rows_that_were_taken_in_part_are_sent_again(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.store.takes = [1, 2]
        index.upsert(ACME, [row(ordinal=n) for n in range(3)])
        assert (index.count(ACME), server.requests["upsert"]) == (3, 3)
        server.store.takes = [1] * 9
        with pytest.raises(ServiceUnavailable, match="took 1 of 2 rows of acme/letters"):
            index.upsert(OTHER, [row(), row("b")])

    def test_a_namespace_is_made_once_with_the_fields_that_are_filtered_by(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        for n in range(3):
            index.upsert(ACME, [row(ordinal=n)])
        with pinecone(server) as another:
            another.of("mini-1").upsert(ACME, [row("b")])
        assert server.requests["create"] == 2, "once by each process"
        held = server.store.namespaces["acme.handbook.mini-1"].filterable or ()
        assert sorted(held) == ["document_id", "generation", "page_first", "page_last", "tags"]

    def test_a_query_of_both_legs_is_two_requests_with_its_passages(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        index.upsert(ACME, [row()])
        server.requests.clear()
        found = index.dense(ACME, X, 100, ALL) + index.bm25(ACME, "fox", 100, ALL)
        assert list(index.passages(ACME, found)) == ["doc:1:0"]
        assert server.requests == {"search": 2}

    def test_a_filter_of_no_documents_asks_nobody(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        assert index.dense(ACME, X, 5, Filter(document_ids=[])) == []
        assert not server.requests

    def test_a_query_without_words_asks_nobody(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        assert index.bm25(ACME, "the of and ?!", 5, ALL) == []
        assert not server.requests

    def test_a_long_query_is_cut_to_what_pinecone_takes(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(text="北京 fox")])
        question = "fox " + "".join(chr(0x4E00 + n) for n in range(1_900))
        assert len(index.bm25(ACME, question, 5, ALL)) == 1

    def test_more_hits_than_pinecone_gives_are_not_asked_for(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row()])
        assert len(index.dense(ACME, X, 50_000, ALL)) == 1

    def test_hits_too_large_for_one_answer_come_in_pieces(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        notes = {f"note{n}": "x" * 1_000 for n in range(36)}
        index.upsert(ACME, [row(ordinal=n, metadata=notes) for n in range(120)])
        hits = index.dense(ACME, X, 200, ALL)
        assert sorted(hit.ordinal for hit in hits) == list(range(120))
        passages = index.passages(ACME, hits)
        assert {one.metadata["note35"] for one in passages.values()} == {"x" * 1_000}
        assert server.requests["fetch"] == 3

    def test_lists_longer_than_a_page_are_read_to_their_end(
        self, indexes: PineconeIndexes, index: VectorIndex
    ) -> None:
        index.upsert(ACME, [row("a", n) for n in range(250)] + [row("ab"), row("a", generation=2)])
        assert (index.count(ACME), index.count(ACME, "a")) == (252, 251)
        assert len(set(index.entries(ACME))) == 252
        for n in range(103):
            index.upsert(Partition(f"t{n}", "c"), [row()])
        assert len(indexes.partitions()) == 104

    def test_namespaces_of_others_are_left_alone(
        self, server: PineconeServer, indexes: PineconeIndexes
    ) -> None:
        for name in ("__default__", "acme", "acme.handbook", "acme.handbook.a.b", "Acme.Hand.Book"):
            server.store.create(name, None)
        assert (indexes.partitions(), indexes.fingerprints(ACME)) == ([], [])

    def test_a_partition_whose_name_begins_another_s_is_told_apart(
        self, indexes: PineconeIndexes
    ) -> None:
        longer = Partition("acme", "handbook-2")
        indexes.of("mini-10").upsert(ACME, [row(), row("b")])
        indexes.of("mini-1").upsert(longer, [row()])
        assert indexes.fingerprints(ACME) == ["mini-10"]
        assert indexes.of("mini-1").count(ACME) == 0


class TestRowsThatDoNotFit:
    def test_metadata_beyond_pinecone_s_limit_is_refused_by_chunk_before_anything_is_written(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        notes = {f"note{n}": "é" * 1_024 for n in range(20)}
        with pytest.raises(
            LimitExceeded, match=r"chunk 3 of doc: .* 42,\d\d\d bytes.* 40,000"
        ) as e:
            index.upsert(ACME, [row(), row(ordinal=3, metadata=notes)])
        assert e.value.chunk == 3
        assert not server.requests

    def test_all_metadata_that_passes_our_check_passes_pinecone_s(self, index: VectorIndex) -> None:
        notes = {f"note{n:02}": "é" * 1_000 for n in range(19)}
        index.upsert(ACME, [row(metadata=notes)])
        (hit,) = index.bm25(ACME, "fox", 5, Filter(metadata=notes))
        assert index.passages(ACME, [hit])[hit.chunk_id].metadata == notes

    def test_a_text_of_too_many_words_is_refused_by_chunk(self, index: VectorIndex) -> None:
        with pytest.raises(LimitExceeded, match=r"chunk 0 of doc: its words are 10,002 words"):
            index.upsert(ACME, [row(text="a1 " * 10_002)])


class TestPace:
    def test_being_asked_to_slow_down_once_is_heeded_and_not_told(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.fail(429, retry_after="0.01", action="upsert")
        index.upsert(ACME, [row()])
        assert (index.count(ACME), server.requests["upsert"]) == (1, 2)

    @every_call
    def test_being_asked_again_and_again_is_throttled(
        self, server: PineconeServer, index: VectorIndex, call: Callable[[VectorIndex], Any]
    ) -> None:
        server.fail(429, times=3)
        with pytest.raises(Throttled, match="slow down"):
            call(index)
        assert sum(server.requests.values()) == 3

    def test_a_long_wait_that_is_asked_for_is_not_waited_out_here(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.fail(429, times=3, retry_after="60")
        start = time.monotonic()
        with pytest.raises(Throttled, match="for 60 s"):
            index.dense(ACME, X, 5, ALL)
        assert time.monotonic() - start < 5

    def test_an_outage_of_a_moment_is_not_told(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.fail(503, times=2, action="upsert")
        index.upsert(ACME, [row()])
        server.fail(0, times=2, action="search")
        assert len(index.dense(ACME, X, 5, ALL)) == 1

    @every_call
    @pytest.mark.parametrize("status", [500, 503, 0])
    def test_a_longer_outage_is_told_as_such(
        self,
        server: PineconeServer,
        index: VectorIndex,
        call: Callable[[VectorIndex], Any],
        status: int,
    ) -> None:
        server.fail(status, times=3)
        with pytest.raises(ServiceUnavailable, match=r"Pinecone index at http://127"):
            call(index)

    def test_a_service_that_does_not_answer_is_given_up(
        self, server: PineconeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pinecone_connection, "READ_SECONDS", 0.05)
        server.faults.extend([Fault(500, seconds=0.3)] * 3)
        with (
            pinecone(server) as indexes,
            pytest.raises(ServiceUnavailable, match="could not be reached"),
        ):
            indexes.of("mini-1").dense(ACME, X, 5, ALL)

    def test_a_read_ends_before_the_gateway_gives_it_up(self) -> None:
        attempts = pinecone_connection.RETRIES + 1
        longest_wait = 2.0 * 1.5  # the SDK waits up to half as long again
        waits = pinecone_connection.RETRIES * longest_wait
        assert attempts * pinecone_connection.READ_SECONDS + waits < 29

    def test_a_write_that_hangs_is_given_up_while_the_indexer_still_can(self) -> None:
        attempts = pinecone_connection.RETRIES + 1
        waits = pinecone_connection.RETRIES * 2.0 * 1.5
        indexer = load(ROOT / "template.yaml")["Resources"]["Indexer"]["Properties"]
        left = indexer["Timeout"] - MARGIN_SECONDS
        # Half of it, since others may have gone before.
        assert attempts * pinecone_writes.WRITE_SECONDS + waits < left / 2

    def test_once_a_write_hangs_no_other_is_begun(
        self, server: PineconeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pinecone_writes, "WRITE_SECONDS", 0.05)
        batches = 4 * pinecone_writes.WRITERS
        monkeypatch.setattr(pinecone_writes, "batches", lambda rows: [[one] for one in rows])
        with pinecone(server) as indexes:
            index = indexes.of("mini-1")
            index.upsert(ACME, [row(ordinal=batches)])
            server.faults.extend([Fault(500, seconds=0.3)] * 100)
            before = server.requests["upsert"]
            with pytest.raises(ServiceUnavailable, match="could not be reached"):
                index.upsert(ACME, [row(ordinal=n) for n in range(batches)])
            attempts = pinecone_connection.RETRIES + 1
            assert server.requests["upsert"] - before <= pinecone_writes.WRITERS * attempts

    def test_writes_of_one_call_are_bounded(self) -> None:
        assert pinecone_writes.WRITERS <= 8


class TestSetup:
    @every_call
    @pytest.mark.parametrize(
        ("status", "says"),
        [
            (401, r"does not accept the API key in the-secret"),
            (402, r"refuses the API key in the-secret \(status 402\).*billing"),
            (403, r"refuses the API key in the-secret \(status 403\).*right to read and write"),
            (404, r"no Pinecone index at http://127\.0\.0\.1.*docs/pinecone\.md"),
            (400, r"refuses the request \(400\).*docs/pinecone\.md"),
        ],
    )
    def test_what_only_a_person_can_mend_says_how(
        self,
        server: PineconeServer,
        index: VectorIndex,
        call: Callable[[VectorIndex], Any],
        status: int,
        says: str,
    ) -> None:
        server.fail(status, times=3)
        with pytest.raises(SetupError, match=says) as caught:
            call(index)
        assert API_KEY not in str(caught.value)

    @every_call
    def test_an_index_that_does_not_exist_is_no_empty_one(
        self, server: PineconeServer, index: VectorIndex, call: Callable[[VectorIndex], Any]
    ) -> None:
        server.missing = True
        with pytest.raises(SetupError, match="there is no Pinecone index"):
            call(index)

    def test_a_key_that_was_rotated_is_taken_up(self, server: PineconeServer) -> None:
        keys = [API_KEY]
        indexes = PineconeIndexes(server.host, lambda: keys[-1], secret="s", longest_wait=0.02)
        indexes.of("mini-1").upsert(ACME, [row()])
        server.api_key = "pcsk_new"
        with pytest.raises(SetupError, match="does not accept"):
            indexes.of("mini-1").count(ACME)
        keys.append("pcsk_new")
        assert indexes.of("mini-1").count(ACME) == 1
        indexes.close()

    def test_a_key_is_read_when_it_is_needed_and_once(self, server: PineconeServer) -> None:
        asked: list[int] = []
        indexes = PineconeIndexes(server.host, lambda: asked.append(1) or API_KEY, secret="s")  # type: ignore[func-returns-value]
        assert not asked
        indexes.of("mini-1").count(ACME)
        indexes.of("mini-2").count(ACME)
        indexes.close()
        assert asked == [1]

    def test_an_index_made_with_other_fields_is_told_from_a_passing_fault(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.store.fields = {"embedding": {"type": "dense_vector", "dimension": 8}}
        with pytest.raises(SetupError, match="not made with the fields"):
            index.upsert(ACME, [row()])

    def test_an_answer_that_is_not_pinecone_s_is_no_crash(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.fail(200, times=1)
        with pytest.raises(RaglineError, match="not as a Pinecone index does"):
            index.dense(ACME, X, 5, ALL)


class TestDelay:
    """Writes show up late; what is acknowledged is not lost."""

    def test_rows_are_found_once_they_are_shown(
        self, server: PineconeServer, indexes: PineconeIndexes, index: VectorIndex
    ) -> None:
        server.store.delay = 60
        index.upsert(ACME, [row()])
        assert (seen(index, ALL), index.count(ACME), index.count(ACME, "doc")) == (set(), 0, 0)
        assert indexes.partitions() == [ACME]
        server.store.delay = 0
        assert (seen(index, ALL), index.count(ACME)) == ({"doc"}, 1)

    def test_a_deletion_takes_the_rows_that_did_not_show_yet(
        self, server: PineconeServer, index: VectorIndex
    ) -> None:
        server.store.delay = 60
        index.upsert(ACME, [row(generation=g) for g in (1, 2)])
        index.delete(ACME, "doc", below=2)
        index.upsert(ACME, [row("other")])
        server.store.delay = 0
        assert sorted(index.entries(ACME)) == [("doc", 2, 0), ("other", 1, 0)]

    def test_a_partition_dropped_and_written_anew_holds_only_what_is_new(
        self, server: PineconeServer, indexes: PineconeIndexes
    ) -> None:
        index = indexes.of("mini-1")
        index.upsert(BETA, [row("old")])
        indexes.drop(BETA, "mini-1")
        server.store.delay = 60
        index.upsert(BETA, [row("new")])
        server.store.delay = 0
        assert seen(index, ALL, BETA) == {"new"}
