"""Reading documents, their chunks and failures, and deleting them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ragline.domain.chunks import CHUNKS_PER_PART, Chunk, Part
from ragline.domain.documents import Document, Reason, Status, is_document_id
from ragline.domain.errors import InvalidRequest, NotFound, StoredDataLost
from ragline.domain.keys import part_first, part_key, parts_prefix
from ragline.domain.ledger import DocumentPage, Failure
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.parts import read_part
from ragline.usecases.remove import remove

_CURSOR = re.compile(r"(\d{1,9}):(\d{1,12})", re.ASCII)

MAX_RUNS = 1_000
"""Runs of failed chunks that are shown of one document."""


@dataclass(frozen=True, slots=True)
class FailedRun:
    """``count`` chunks from ordinal ``first`` on that failed with ``code`` ('' if not known)."""

    first: int
    count: int
    code: str


@dataclass(frozen=True, slots=True)
class FailedChunks:
    """By ordinal; ``cut`` if there are more runs than these."""

    runs: Sequence[FailedRun] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """A page of a document's chunks by ordinal; ``cursor`` is None on the last one.

    ``generation`` is the live one; 0, with no chunks, while queries see none of the document.
    """

    generation: int
    chunks: Sequence[Chunk]
    cursor: str | None = None


def get(tenant: str, document_id: str, *, ledger: Ledger) -> Document:
    """A document of this tenant, deleted ones too.

    Raises:
        NotFound: the tenant has no such document; another tenant's is no different.
    """
    document = ledger.get(tenant, document_id) if is_document_id(document_id) else None
    if document is None:
        raise NotFound(f"there is no document {document_id[:128]!r}.")
    return document


def delete(
    tenant: str, document_id: str, *, ledger: Ledger, objects: Objects, queues: Queues
) -> None:
    """Delete a document: gone from answers at once, then from the index and the bucket.

    Deleting it again does the same again, so a caller may repeat a call that failed half way.

    Raises:
        NotFound: the tenant has no such document.
    """
    get(tenant, document_id, ledger=ledger)
    remove(tenant, document_id, ledger=ledger, objects=objects, queues=queues)


def failures(tenant: str, document_id: str, *, ledger: Ledger) -> Sequence[Failure]:
    """What went wrong with a document, all generations; and which files in it, as it is now, are
    no documents of their own, and why. Raises as ``get``."""
    document = get(tenant, document_id, ledger=ledger)
    return [*_left_inside(document, ledger), *ledger.failures(tenant, document_id)]


def children(
    tenant: str, document_id: str, *, ledger: Ledger, limit: int, cursor: str | None = None
) -> DocumentPage:
    """A page of the documents that came in this one, by path, deleted ones left out.

    A page may hold fewer than ``limit`` and still go on.

    Raises:
        NotFound: the tenant has no such document.
        InvalidRequest: the cursor is not one that this method gave.
    """
    get(tenant, document_id, ledger=ledger)
    after = _text_of(cursor) if cursor is not None else ""
    found = ledger.children(tenant, document_id, after=after, limit=limit + 1)
    known = ledger.get_many(tenant, [one.document_id for one in found[:limit]])
    living = [
        known[one.document_id]
        for one in found[:limit]
        if one.document_id in known
        and known[one.document_id].parent == document_id
        and known[one.document_id].status is not Status.DELETED
    ]
    more = len(found) > limit
    return DocumentPage(living, _encoded(found[limit - 1].place) if more else None)


def _left_inside(document: Document, ledger: Ledger) -> list[Failure]:
    if not document.children:
        return []
    return [
        Failure(
            one.generation,
            replace(one.reason, message=f"{one.path}: {one.reason.message}"),
            first=one.at,
            last=one.at,
        )
        for one in ledger.children(document.partition.tenant, document.document_id)
        if one.reason and one.generation == document.generation
    ]


def failed_chunks(
    tenant: str, document_id: str, *, ledger: Ledger, limit: int = MAX_RUNS
) -> FailedChunks:
    """Which chunks of the current generation failed, at most ``limit`` runs. Raises as ``get``."""
    document = get(tenant, document_id, ledger=ledger)
    if not document.progress.failed:
        return FailedChunks()
    runs = list(islice(_runs(ledger.failed(document)), limit + 1))
    return FailedChunks(runs[:limit], cut=len(runs) > limit)


def _runs(failed: Mapping[int, Reason | None]) -> Iterator[FailedRun]:
    first, count, code = 0, 0, ""
    for ordinal, reason in sorted(failed.items()):
        why = reason.code if reason else ""
        if count and (ordinal, why) != (first + count, code):
            yield FailedRun(first, count, code)
            count = 0
        if not count:
            first, code = ordinal, why
        count += 1
    if count:
        yield FailedRun(first, count, code)


def chunks(
    tenant: str,
    document_id: str,
    *,
    ledger: Ledger,
    objects: Objects,
    limit: int,
    cursor: str | None = None,
) -> ChunkPage:
    """The passages that a document was cut into, as queries see it.

    Raises:
        NotFound: the tenant has no such document, or it is deleted.
        InvalidRequest: the cursor is not one of this document as it is now.
    """
    document = get(tenant, document_id, ledger=ledger)
    if document.status is Status.DELETED:
        raise NotFound(f"document {document_id!r} is deleted.")
    generation = document.live_generation
    start = _start(cursor, generation) if cursor is not None else 0
    if not generation:
        return ChunkPage(0, ())
    page: list[Chunk] = []
    for chunk in _from(start, document, objects):
        if len(page) == limit:
            return ChunkPage(generation, page, _cursor(generation, chunk.ordinal))
        page.append(chunk)
    return ChunkPage(generation, page)


def _from(start: int, document: Document, objects: Objects) -> Iterator[Chunk]:
    """The live generation's chunks from ordinal ``start`` on, reading a part when it is reached."""
    where = document.partition, document.document_id, document.live_generation
    # Keys are listed from the first part that can hold it: a huge document has many thousands.
    lowest = Part(*where, max(0, start - CHUNKS_PER_PART + 1), CHUNKS_PER_PART)
    for key in objects.list(parts_prefix(*where), since=part_key(lowest)):
        part = Part(*where, part_first(key), CHUNKS_PER_PART)
        try:
            found = read_part(objects, part)
        except StoredDataLost as error:  # it was listed a moment ago
            name = document.document_id
            raise NotFound(f"document {name!r} is being deleted or replaced.") from error
        yield from (chunk for chunk in found if chunk.ordinal >= start)


def _cursor(generation: int, ordinal: int) -> str:
    return _encoded(f"{generation}:{ordinal}")


def _encoded(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _text_of(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text:
        raise InvalidRequest("cursor is not one that this listing gave; start without a cursor.")
    return text


def _start(cursor: str, generation: int) -> int:
    found = _CURSOR.fullmatch(_text_of(cursor))
    if found is None:
        raise InvalidRequest("cursor is not one that this listing gave; start without a cursor.")
    if int(found[1]) != generation:
        raise InvalidRequest("the document was replaced meanwhile; start without a cursor.")
    return int(found[2])
