"""The index in a bucket that takes its time: what a query asks for, and what it then answers."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from ragline.adapters.lance import replica as lance_replica
from ragline.adapters.lance import upkeep as lance_upkeep
from ragline.adapters.lance.files import S3Files
from ragline.adapters.lance.index import LanceIndex, LanceIndexes, storage_options
from ragline.adapters.lance.replica import Replica
from ragline.domain.chunks import Candidate
from ragline.ports import VectorIndex
from tests.contract.test_vector_index import ACME, ALL, VectorIndexContract, X, row, seen
from tests.slow_s3 import BUCKET, Meter, slow_s3

REGION = "us-east-1"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Meter]]:
    with slow_s3(delay_ms=0) as found:
        yield found


@pytest.fixture
def meter(server: tuple[str, Meter]) -> Iterator[Meter]:
    yield server[1]
    server[1].reset(delay_ms=0)


Open = Callable[..., LanceIndex]


@pytest.fixture
def opened(server: tuple[str, Meter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the index of this test, with a replica if it is told to."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(lance_replica, "ASKED_OFTEN", 1)
    prefix = uuid.uuid4().hex
    paths = Config(s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=server[0], region_name=REGION, config=paths)

    def open_index(*, replica: bool = False) -> LanceIndex:
        copies = Replica(S3Files(client, BUCKET, prefix), tmp_path, 2**30) if replica else None
        options = storage_options(server[0], REGION)
        uri = f"s3://{BUCKET}/{prefix}"
        return LanceIndexes(uri, storage_options=options, replica=copies).of("m")

    return open_index


class TestLanceIndexWithCopiesOfABucket(VectorIndexContract):
    @pytest.fixture
    def index(self, opened: Open) -> VectorIndex:
        return opened(replica=True)


def requests(meter: Meter, ask: Callable[[], object]) -> Counter[str]:
    meter.reset()
    ask()
    found = meter.read()
    del found["BYTES"]
    return +found


def test_a_leg_asks_once_whether_there_is_a_newer_version(opened: Open, meter: Meter) -> None:
    writer, reader = opened(), opened(replica=True)
    for n in range(3):
        writer.upsert(ACME, [row(f"d{n}")])
    assert requests(meter, lambda: writer.dense(ACME, X, 9, ALL))["LIST"] == 1
    assert requests(meter, lambda: writer.bm25(ACME, "fox", 9, ALL))["LIST"] == 1
    seen(reader, ALL)
    assert requests(meter, lambda: seen(reader, ALL)) == {"LIST": 2}


def test_texts_are_read_of_the_passages_that_are_asked_for_only(opened: Open, meter: Meter) -> None:
    writer, reader = opened(), opened(replica=True)
    chance, size = random.Random(1), 20_000  # what cannot be packed small lies far apart
    rows = [row(ordinal=n, text=f"fox {chance.randbytes(size).hex()}") for n in range(100)]
    writer.upsert(ACME, rows)
    writer._tables.run(ACME, lance_upkeep.fold)
    found = seen_once(writer)

    def read(ask: Callable[[], object]) -> Counter[str]:
        meter.reset()
        ask()
        return meter.read()

    assert read(lambda: seen_once(writer))["BYTES"] < size
    some = read(lambda: writer.passages(ACME, found[:5]))
    every = read(lambda: writer.passages(ACME, found))
    assert 5 * size < some["BYTES"] < 20 * size < 100 * size < every["BYTES"]
    assert some["LIST"] == every["LIST"] == 0
    seen_once(reader)
    assert requests(meter, lambda: reader.passages(ACME, found)) == {}


def seen_once(index: LanceIndex) -> list[Candidate]:
    """What either leg finds, each row once."""
    found = index.dense(ACME, X, 100, ALL) + index.bm25(ACME, "fox", 100, ALL)
    return list({one.chunk_id: one for one in found}.values())


def test_a_commit_is_seen_by_the_next_query_of_another_reader(opened: Open) -> None:
    writer, reader = opened(), opened(replica=True)
    for n in range(4):
        writer.upsert(ACME, [row(f"d{n}")])
        assert seen(reader, ALL) == {f"d{i}" for i in range(n + 1)}
    writer._tables.run(ACME, lance_upkeep.fold)
    writer.delete(ACME, "d0")
    assert seen(reader, ALL) == {"d1", "d2", "d3"}
    assert reader._tables._handles == {}, "it was the copies that answered"


def test_an_upsert_asks_for_little(opened: Open, meter: Meter) -> None:
    writer = opened()
    for n in range(2):
        writer.upsert(ACME, [row(f"d{n}")])
    asked = requests(meter, lambda: writer.upsert(ACME, [row("d2")]))
    assert asked["LIST"] <= 2
    assert asked["PUT"] == 3
