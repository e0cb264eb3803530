"""Records of the ledger table's stream → changes of documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragline.adapters.dynamodb import items
from ragline.domain.changes import Change
from ragline.domain.errors import MalformedMessage

_TOLD = ("status", "generation", *items.COUNTS)
"""What connections are told of; leases and checksums concern nobody outside."""


def read_change(record: Mapping[str, Any]) -> Change | None:
    """The change that a record tells of; None if it tells of nothing that others hear of.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html

    Raises:
        MalformedMessage: it cannot be read.
    """
    try:
        images = record["dynamodb"]
        new, old = images.get("NewImage") or {}, images.get("OldImage") or {}
        if "document_id" not in new or new["SK"]["S"] != items.META:
            return None
        document = items.read_record(new).document
        if all(new.get(name) == old.get(name) for name in _TOLD):
            return None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        # The error's words may quote an item: a filename, metadata.
        what = f"{type(error).__name__} in event {record.get('eventID', 'without an id')}"
        raise MalformedMessage(f"stream record not understood: {what}.") from error
    moved = any(new[name] != old.get(name) for name in ("status", "generation"))
    return Change(document, ended=moved and document.terminal)
