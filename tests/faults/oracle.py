"""What must hold at every moment, and once the world is at rest; what does not, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ragline import wiring
from ragline.domain.documents import Document, Status
from ragline.domain.keys import document_prefixes, recognised_prefix
from ragline.domain.lifecycle import TROUBLED
from ragline.usecases.doctor import Finding, Kind, examine
from tests.faults.world import SHELF, Version, World


def at_any_time(world: World) -> Iterator[str]:
    """A query shows a version whole or not at all, one of each document, and none that is gone."""
    for document_id, versions in world.uploaded.items():
        shown = {one.marker: world.shown(document_id, one.marker) for one in versions}
        if sum(map(bool, shown.values())) > 1:
            yield f"{document_id}: shows two versions at once"
        for version in versions:
            texts = shown[version.marker]
            if texts and version.marker in world.gone[document_id]:
                yield f"{document_id}: {version.marker} is shown though it is gone"
            if texts and texts != version.texts and not _openly_partial(world, document_id):
                yield f"{document_id}: {len(texts)} of {len(version.texts)} chunks are shown"


def _openly_partial(world: World, document_id: str) -> bool:
    """Whether it says, or said before it was tried again, that some chunks failed."""
    document = wiring.ledger().get(SHELF.tenant, document_id)
    if document is not None and document.status is Status.PARTIAL:
        world.partial.add(document_id)
    return document_id in world.partial


def at_rest(world: World) -> Iterator[str]:
    """Whatever happened: it is over, it is told as it is, and every store agrees."""
    yield from (f"still under way: {one}" for one in world.under_way())
    yield from at_any_time(world)
    report = examine(
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        indexes=wiring.indexes(),
        fingerprint=wiring.embedder().fingerprint,
        now=world.cloud.clock.now(),
    )
    for one in report.findings:
        if not _openly_failed(one):
            yield f"doctor: {one.kind} {one.subject}: {one.detail}"
    for document_id in world.holds:
        document = wiring.ledger().get(SHELF.tenant, document_id)
        if document is not None and document.status in TROUBLED and document.reason is None:
            yield f"{document_id}: {document.status} without a reason"


def _openly_failed(finding: Finding) -> bool:
    """Rows that were committed, and whose message died before it could say so: the document calls
    these chunks failed until it is retried. It must be well then.
    """
    document = finding.document
    told = document is not None and document.status in TROUBLED
    return told and finding.kind is Kind.EXTRA_ROWS and bool(finding.ordinals)


def mended(world: World) -> Iterator[str]:
    """All that was uploaded last is there, all that was deleted is not."""
    yield from at_rest(world)
    rows = _rows(world)
    for document_id, version in world.holds.items():
        document = world.document(document_id)
        if world.a_twin_holds(document):
            version = None
            yield from _nothing_left(document, rows)
        elif version is None:
            yield from _deleted(document, rows)
        else:
            yield from _indexed(world, document, version, rows)
    strangers = {name for name, _ in rows} - world.holds.keys()
    yield from (f"rows of {name}, which nobody uploaded" for name in strangers)


def _rows(world: World) -> Counter[tuple[str, int]]:
    entries = wiring.index().entries(SHELF)
    return Counter((document_id, generation) for document_id, generation, _ in entries)


def _indexed(
    world: World, document: Document, version: Version, rows: Counter[tuple[str, int]]
) -> Iterator[str]:
    name, progress = document.document_id, document.progress
    wanted = Status.INDEXED if version.texts else Status.EMPTY
    if document.status is not wanted:
        yield f"{name} is {document.status}, not {wanted}: {document.reason}"
        return
    counts = (progress.chunks_total, progress.indexed, progress.failed, progress.embedded)
    if counts != (len(version.texts), len(version.texts), 0, 0):
        yield f"{name}: counts {counts} for {len(version.texts)} chunks"
    if world.shown(name, version.marker) != version.texts:
        yield f"{name}: {version.marker} is not shown as it was uploaded"
    found = {generation: count for (one, generation), count in rows.items() if one == name}
    if found != ({document.live_generation: len(version.texts)} if version.texts else {}):
        yield f"{name}: rows by generation {found}, live is {document.live_generation}"
    chunks, vectors = document_prefixes(document.partition, name)
    for key in [*wiring.objects().list(chunks), *wiring.objects().list(vectors)]:
        if key.split("/")[4] != str(document.live_generation):
            yield f"{name}: {key} is left of a dead generation"


def _deleted(document: Document, rows: Counter[tuple[str, int]]) -> Iterator[str]:
    if document.status is not Status.DELETED:
        yield f"{document.document_id} is {document.status}, not deleted"
    if list(wiring.objects().list(document.upload_key)):
        yield f"{document.document_id}: its upload is left"
    yield from _nothing_left(document, rows)


def _nothing_left(document: Document, rows: Counter[tuple[str, int]]) -> Iterator[str]:
    name = document.document_id
    if any(one == name for one, _ in rows):
        yield f"{name}: rows are left"
    recognised = recognised_prefix(document.partition, name)
    for prefix in (*document_prefixes(document.partition, name), recognised):
        yield from (f"{name}: {key} is left" for key in wiring.objects().list(prefix))
