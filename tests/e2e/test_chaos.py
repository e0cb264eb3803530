"""Workers that die, hang or are replaced in the middle of their work, on a cloud of their own.

The first tests choose the point; the last one leaves that to a seed. ``make chaos`` is the long
form of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ragline.embedding.prepare import ensure
from ragline.embedding.tokenizer import WordPieceTokenizer
from tests.chaos import drive, load, project, rest, verdict
from tests.chaos.load import Script
from tests.chaos.monkey import workers
from tests.chaos.project import Chaos
from tests.chaos.run import DUPLICATES, Size, play
from tests.chaos.worker import BEFORE, HANG, Fault
from tests.e2e.stack import until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

POINTS = {
    "the splitter announced its parts": Fault("splitter", "SendMessageBatch"),
    "the embedder stored its vectors": Fault("embedder", "PutObject"),
    "the indexer read its vectors": Fault("indexer", "index.upsert", BEFORE),
    "the indexer committed the rows": Fault("indexer", "index.upsert"),
    "the embedder hung past its time": Fault("embedder", "GetObject", BEFORE, HANG),
}
SECONDS = 60
"""A killed worker's messages come back after 12; only a failing test waits longer than 40."""


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    with project.started(tmp_path_factory.mktemp("chaos"), duplicates=DUPLICATES) as one:
        yield one


@pytest.fixture(scope="module")
def struck(chaos: Chaos) -> Mapping[str, tuple[Script, Path]]:
    """Per point a document of its own, all at once: the waits for what comes back are shared."""
    scripts = [
        replace(script, number=900 + n, registered=True, actions=script.actions[:1])
        for n, script in enumerate(load.scripts(len(POINTS), seed=1, sections=4))
    ]
    fired = [
        replace(fault, about=script.document_id).arm(chaos.faults)
        for fault, script in zip(POINTS.values(), scripts, strict=True)
    ]
    drive.perform(chaos.stack, scripts)
    return dict(zip(POINTS, zip(scripts, fired, strict=True), strict=True))


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_or_twice_when_a_worker_ends_after(
    point: str, chaos: Chaos, struck: Mapping[str, tuple[Script, Path]]
) -> None:
    script, fired = struck[point]
    until(fired.exists, f"{point}, and the worker to end", SECONDS)
    _all_well(chaos, script)


def test_a_redeploy_in_the_middle_of_an_ingest_loses_nothing(chaos: Chaos) -> None:
    """The local cloud kills what is running, where AWS would let it come to its end."""
    scripts = [
        replace(script, number=950 + n, actions=script.actions[:1])
        for n, script in enumerate(load.scripts(12, seed=2, sections=16))
    ]
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(drive.perform, chaos.stack, scripts)
        until(lambda: _some_chunks_are_done(chaos, scripts), "the ingest to be in its middle")
        before = workers(chaos, "embedder")
        chaos.redeploy()
        pushing.result()
    _all_well(chaos, *scripts)
    assert before and not set(before) & set(workers(chaos, "embedder"))


def _some_chunks_are_done(chaos: Chaos, scripts: Sequence[Script]) -> bool:
    found = rest.documents(chaos, scripts).values()
    return any(document.progress.embedded or document.progress.indexed for document in found)


def test_a_load_with_replacements_and_deletions_survives_random_kills(chaos: Chaos) -> None:
    size = Size(documents=20, sections=15, every=1.5, patience=120)
    outcome = play(chaos, size, seed=3, faults=True, say=print)
    assert not outcome.wrong(), "\n".join(outcome.wrong()[:20])
    assert outcome.kills and outcome.redeliveries


def _all_well(chaos: Chaos, *scripts: Script) -> None:
    calm = rest.come_to_rest(chaos, scripts, SECONDS)
    assert not calm.waiting, calm.waiting
    found = verdict.examine(chaos, scripts, WordPieceTokenizer(ensure("int8")))
    assert not list(found.all()), "\n".join(found.all())
