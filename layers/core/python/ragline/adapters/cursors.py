"""Cursors of listings: opaque, and good only for the listing that gave them.

A cursor is the sort key of the last document seen, after a checksum over it and its partition. It
guards against mix-ups, not against forgery: a forged one can only move within the same listing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from ragline.domain.documents import Document, Partition, Status
from ragline.domain.errors import InvalidRequest

EARLIEST, LATEST = "0", "9"
"""Before and after every sort key: they begin with a year."""

_CHECK_BYTES = 6
_SORT_KEY = re.compile(r"[0-9T:.-]{23}Z#([A-Za-z0-9][A-Za-z0-9_-]{0,127})")


def sort_key(document: Document) -> str:
    """Where a document stands in its collection's listing; sorts by time of creation."""
    return f"{document.created_at}#{document.document_id}"


def trouble_key(document: Document) -> str:
    """Where a failed or partial document stands among its tenant's; sorts by when it became so.

    That is not ``updated_at``: a late chunk moves it, and a place that moves is missed by pages.
    """
    mark = "indexed" if document.status is Status.PARTIAL else Status.FAILED.value
    return f"{document.timings.get(mark, document.updated_at)}#{document.document_id}"


def encode_cursor(partition: Partition, key: str) -> str:
    raw = _check(partition, key) + key.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(partition: Partition, cursor: str) -> tuple[str, str]:
    """The sort key and the document id in it.

    Raises:
        InvalidRequest: no listing of this partition gave this cursor.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = raw[_CHECK_BYTES:].decode("ascii")
    except (binascii.Error, ValueError):
        raise _refusal() from None
    found = _SORT_KEY.fullmatch(key)
    if found is None or encode_cursor(partition, key) != cursor:
        raise _refusal()
    return key, found[1]


def _check(partition: Partition, key: str) -> bytes:
    return hashlib.sha256(f"{partition}\n{key}".encode()).digest()[:_CHECK_BYTES]


def _refusal() -> InvalidRequest:
    return InvalidRequest("cursor is not one that this listing gave; start without a cursor.")
