"""A store rebuilt from the vectors in the bucket, by the real adapters: nothing is embedded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ragline.adapters.lance.index import LanceIndexes
from ragline.embedding.hashing import HashEmbedder
from ragline.ports import Indexes
from ragline.usecases.delivery import Directly
from ragline.usecases.doctor import examine_rows
from ragline.usecases.migrate import Means, migrate, plan
from ragline.usecases.search import SearchRequest, search
from tests.contract.pinecone import pinecone, serving
from tests.unit.pipeline import HANDBOOK, Pipeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Counting(HashEmbedder):
    texts = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        return super().embed(texts)


@pytest.fixture(params=["lancedb", "pinecone"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Indexes]:
    if request.param == "lancedb":
        yield LanceIndexes(str(tmp_path))
        return
    with serving(HashEmbedder().dimensions) as server, pinecone(server) as indexes:
        yield indexes


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline(embedder=Counting())
    pipeline.drop("# Lamps\n\nThe lighthouse keeper trims the lamp.", "lamps")
    pipeline.drop("\n\n".join(f"Tide {n} turns at {n} o'clock sharp." for n in range(40)), "tides")
    pipeline.run()
    return pipeline


def rebuild(pipeline: Pipeline, target: Indexes) -> int:
    """How many chunks were missing."""
    fingerprint = pipeline.embedder.fingerprint
    index = target.of(fingerprint)
    found = plan(ledger=pipeline.ledger, target=index)
    delivery = Directly(index, ledger=pipeline.ledger, objects=pipeline.objects)
    means = Means(pipeline.ledger, pipeline.objects, fingerprint, None, delivery)
    troubles = [one for done in migrate(found.tasks, means, threads=2) for one in done.troubles]
    assert troubles == []
    return found.missing


def test_a_store_is_rebuilt_from_vectors_verified_and_answers(
    pipeline: Pipeline, target: Indexes
) -> None:
    embedder = pipeline.embedder
    assert isinstance(embedder, Counting)
    before, chunks = embedder.texts, pipeline.index.count(HANDBOOK)
    assert rebuild(pipeline, target) == chunks
    assert rebuild(pipeline, target) == 0
    assert embedder.texts == before
    report = examine_rows(
        ledger=pipeline.ledger,
        indexes=target,
        fingerprint=embedder.fingerprint,
        now=pipeline.clock(),
    )
    assert report.healthy, report.findings
    assert report.totals["rows"] == chunks
    asked = SearchRequest(HANDBOOK, "lighthouse lamp")
    index = target.of(embedder.fingerprint)
    (hit, *_) = search(asked, embedder=embedder, index=index, ledger=pipeline.ledger).hits
    assert hit.passage.document_id == "lamps"


def test_what_was_deleted_since_is_cleared_from_it(pipeline: Pipeline, target: Indexes) -> None:
    rebuild(pipeline, target)
    pipeline.delete("tides")
    pipeline.run()
    fingerprint = pipeline.embedder.fingerprint
    left = examine_rows(
        ledger=pipeline.ledger, indexes=target, fingerprint=fingerprint, now=pipeline.clock()
    )
    assert {one.subject for one in left.findings} == {"tides"}
    index = target.of(fingerprint)
    Directly(index, ledger=pipeline.ledger, objects=pipeline.objects).clear(left.findings)
    assert {name for name, *_ in index.entries(HANDBOOK)} == {"lamps"}
    target.drop(HANDBOOK, fingerprint)
    assert target.fingerprints(HANDBOOK) == []
