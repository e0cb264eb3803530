"""Text recognised in a document's pictures: kept as soon as it is read, so that none is read twice.

A redelivery, a retry, another chunking or a turn that ran out of time finds what was there before.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple

from ragline.domain.documents import Document, Status
from ragline.domain.errors import OutOfTime, ParsingTimeout
from ragline.domain.keys import recognised_key, recognised_prefix
from ragline.ports import Objects, Ocr, OcrLine
from ragline.usecases.splitting import Splitting


class KeptOcr:
    """``ports.Ocr`` for one document. ``fresh`` counts the pictures that were not known before.

    A picture is known by its bytes: whatever page it is, in whatever generation.
    """

    def __init__(self, ocr: Ocr, objects: Objects, document: Document) -> None:
        self._ocr = ocr
        self._objects = objects
        self._document = document
        self.fingerprint = ocr.fingerprint
        self.fresh = 0

    def read(self, image: bytes) -> Sequence[OcrLine]:
        digest = hashlib.sha256(image).hexdigest()[:32]
        key = recognised_key(
            self._document.partition, self._document.document_id, self.fingerprint, digest
        )
        kept = self._objects.get(key)
        if kept is not None and (lines := _unpacked(kept)) is not None:
            return lines
        found = self._ocr.read(image)
        self._objects.put(key, _packed(found))
        self.fresh += 1
        return found


@contextmanager
def recognising(document: Document, splitting: Splitting) -> Iterator[KeptOcr | None]:
    """OCR for a turn of work on the document; None if there is none.

    However the turn ends: what was read of a document that was deleted meanwhile is not left
    behind, since what clears the document away may have come before it was kept.

    Raises:
        OutOfTime: instead of ParsingTimeout, if any picture was read: the next turn gets further.
    """
    kept = KeptOcr(splitting.ocr, splitting.objects, document) if splitting.ocr else None
    try:
        yield kept
    except ParsingTimeout as error:
        if kept is None or not kept.fresh:
            raise
        raise OutOfTime(f"{kept.fresh:,} pictures were read, and there are more.") from error
    finally:
        if kept is not None and kept.fresh:
            _clear_if_deleted(document, splitting)


def _clear_if_deleted(document: Document, splitting: Splitting) -> None:
    now = splitting.ledger.get(document.partition.tenant, document.document_id)
    if now is None or now.status is Status.DELETED:
        read = recognised_prefix(document.partition, document.document_id)
        splitting.objects.delete(splitting.objects.list(read))


def _packed(lines: Sequence[OcrLine]) -> bytes:
    text = json.dumps([astuple(line) for line in lines], ensure_ascii=False)
    return gzip.compress(text.encode(), mtime=0)


def _unpacked(data: bytes) -> list[OcrLine] | None:
    """None for what is damaged: it is read anew."""
    try:
        return [OcrLine(*fields) for fields in json.loads(gzip.decompress(data))]
    except (OSError, EOFError, ValueError, TypeError):
        return None
