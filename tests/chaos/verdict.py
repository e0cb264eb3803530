"""What is true at the end, found by other means than the pipeline's own doctor, and by it too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ragline.domain.documents import Document
from ragline.ports import Tokenizer
from ragline.usecases import doctor
from tests.chaos.drive import ask
from tests.chaos.load import Script, chunk_texts, foreign_marks, stale_marks
from tests.chaos.project import Chaos
from tests.chaos.rest import documents
from tests.e2e.stack import Stack

DERIVED = ("chunks/", "vectors/")


@dataclass(slots=True)
class Verdict:
    """Each is a list of what was found; all must be empty.

    ``lost``: text that must be there and is not. ``duplicated``: text or rows that are there twice.
    ``resurrected``: text, rows or objects of what was deleted or replaced. ``miscounted``: the
    ledger's counts are not those of the text. ``doctor``: what the doctor says besides.
    """

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    doctor: list[str] = field(default_factory=list)

    def all(self) -> Iterator[str]:
        for kind in ("lost", "duplicated", "resurrected", "miscounted", "doctor"):
            yield from (f"{kind}: {each}" for each in getattr(self, kind))


def examine(chaos: Chaos, scripts: Sequence[Script], tokenizer: Tokenizer) -> Verdict:
    verdict = Verdict()
    found = documents(chaos, scripts)
    for script in scripts:
        _text(chaos.stack, script, found.get(script.document_id), tokenizer, verdict)
        _search(chaos.stack, script, verdict)
    _rows(chaos, scripts, found, verdict)
    _objects(chaos, scripts, found, verdict)
    report = doctor.examine(
        ledger=chaos.ledger,
        objects=chaos.objects,
        indexes=chaos.indexes,
        fingerprint=chaos.fingerprint,
        now=datetime.now(UTC),
    )
    verdict.doctor = [f"{one.kind}: {one.subject}: {one.detail}" for one in report.findings]
    return verdict


def _text(
    stack: Stack, script: Script, document: Document | None, tokenizer: Tokenizer, verdict: Verdict
) -> None:
    """The chunks that the API shows are those of the final version, each once, and counted so."""
    name, shown = script.document_id, _shown(stack, script)
    if script.final is None:
        verdict.resurrected += [f"{name}: {len(shown)} chunks are shown"] if shown else []
        return
    expected = chunk_texts(script, script.final, tokenizer)
    if shown != expected:
        missing, more = Counter(expected) - Counter(shown), Counter(shown) - Counter(expected)
        verdict.lost += [f"{name}: {text[:60]!r} is not shown" for text in missing]
        for text in more:
            stale = foreign_marks(text, script)
            kind = verdict.resurrected if stale else verdict.duplicated
            kind.append(f"{name}: {text[:60]!r} is shown")
        if not missing and not more:
            verdict.lost.append(f"{name}: its chunks are in another order")
    if document is not None:
        counts = (document.progress.chunks_total, document.progress.indexed)
        if counts != (len(expected), len(expected)) or document.progress.failed:
            verdict.miscounted.append(f"{name}: {document.progress} for {len(expected)} chunks")


def _shown(stack: Stack, script: Script) -> list[str]:
    texts: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        path = f"/api/v2/documents/{script.document_id}/chunks"
        answer = ask(stack, "GET", path, params={"limit": 200, **cursor})
        if answer.status_code == 404:
            return []
        assert answer.status_code == 200, answer.text
        texts += [chunk["text"] for chunk in answer.json()["chunks"]]
        if not answer.json()["cursor"]:
            return texts
        cursor = {"cursor": answer.json()["cursor"]}


def _search(stack: Stack, script: Script, verdict: Verdict) -> None:
    """The mark of the final version is found where it stands, those of all others nowhere."""
    for mark in stale_marks(script):
        hits = _hits(stack, script, mark)
        if hits:
            verdict.resurrected.append(f"{script.document_id}: {mark} is found in {hits} chunks")
    if script.final is not None:
        mark = script.mark(script.final)
        if not _hits(stack, script, mark):
            verdict.lost.append(f"{script.document_id}: {mark} is not found")


def _hits(stack: Stack, script: Script, mark: str) -> int:
    body = {"question": mark, "collection": script.collection, "mode": "bm25", "top_k": 20}
    answer = ask(stack, "POST", "/api/v2/query", json=body)
    assert answer.status_code == 200, answer.text
    return sum(mark in hit["text"] for hit in answer.json()["hits"])


def _rows(
    chaos: Chaos, scripts: Sequence[Script], found: Mapping[str, Document], verdict: Verdict
) -> None:
    """The index holds the live generations' rows, each once, and no others."""
    ids = {script.document_id for script in scripts}
    rows: Counter[str] = Counter()
    for partition in chaos.indexes.partitions():
        for entry, times in Counter(chaos.index.entries(partition)).items():
            document_id, generation, ordinal = entry
            if document_id not in ids:
                continue
            document = found.get(document_id)
            if times > 1:
                verdict.duplicated.append(f"{document_id}: row {ordinal} is there {times} times")
            if document is None or not document.shows(generation):
                verdict.resurrected.append(f"{document_id}: row {ordinal} of {generation}")
            else:
                rows[document_id] += 1
    for script in scripts:
        document = found.get(script.document_id)
        if script.final is None or document is None:
            continue
        if rows[script.document_id] != document.progress.chunks_total:
            verdict.lost.append(f"{script.document_id}: {rows[script.document_id]} rows")


def _objects(
    chaos: Chaos, scripts: Sequence[Script], found: Mapping[str, Document], verdict: Verdict
) -> None:
    """Chunks and vectors are of live generations, and what is deleted left no upload."""
    ids = {script.document_id for script in scripts}
    for prefix in DERIVED:
        for key in chaos.objects.list(prefix):
            _, _, _, document_id, generation, _ = key.split("/", 5)
            document = found.get(document_id)
            live = document is not None and document.shows(int(generation))
            if document_id in ids and not live:
                verdict.resurrected.append(f"{key} is there")
    uploads = set(chaos.objects.list("uploads/"))
    for script in scripts:
        if script.final is None and script.key in uploads:
            verdict.resurrected.append(f"{script.key} is there")
        if script.final is not None and script.key not in uploads:
            verdict.lost.append(f"{script.key} is not there")
