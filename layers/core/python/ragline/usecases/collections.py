"""A tenant's collections: what is in them, how they are cut, and deleting them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ragline.domain.chunking import Choice, Chunking, chosen
from ragline.domain.collections import Census, CollectionSettings, Walk, WalkKind
from ragline.domain.documents import Document, Partition, check_name
from ragline.domain.errors import Conflict, InvalidRequest, NotFound, WriteConflict
from ragline.domain.messages import new_nonce
from ragline.domain.tenants import held_by
from ragline.domain.times import iso, utc_now
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.walk import next_step

MOST_COUNTED = 5_000
"""Documents that one request counts: some milliseconds for a hundred."""

_PAGE = 100
_ATTEMPTS = 5


def names(tenant: str, *, ledger: Ledger, objects: Objects) -> Sequence[str]:
    """Of the collections that something was uploaded to, or that have settings; sorted."""
    prefix = f"uploads/{tenant}/"
    folders = {folder.removeprefix(prefix).rstrip("/") for folder in objects.folders(prefix)}
    return sorted({name for name in folders if _is_name(name)} | set(ledger.collections(tenant)))


def census(
    partition: Partition, chunking: Chunking, *, ledger: Ledger, most: int = MOST_COUNTED
) -> Census:
    """What the collection holds; of more documents than ``most``, the newest are counted."""
    found: list[Document] = []
    cursor: str | None = None
    while len(found) < most:
        page = ledger.list(partition, limit=_PAGE, cursor=cursor)
        found, cursor = [*found, *page.documents], page.cursor
        if cursor is None:
            break
    return Census(
        documents=len(found),
        by_status=dict(sorted(Counter(document.status for document in found).items())),
        chunks=sum(held_by(document).chunks for document in found),
        behind=sum(_behind(document, chunking) for document in found),
        complete=cursor is None,
    )


def _behind(document: Document, chunking: Chunking) -> bool:
    """Whether the passages that queries see of it are cut otherwise.

    Those of an older generation are, as far as is known: what they were cut by is not.
    """
    if not document.live_generation:
        return False
    another = not document.fingerprint.endswith(f"/{chunking}")
    return another or document.live_generation != document.generation


def show(partition: Partition, *, ledger: Ledger) -> CollectionSettings:
    """A collection that has documents or settings.

    Raises:
        NotFound: it has neither.
    """
    found = ledger.collection(partition)
    if found.blank and not ledger.list(partition, limit=1).documents:
        raise NotFound(f"there is no collection {partition.collection!r}: it holds nothing.")
    return found


def configure(
    partition: Partition,
    choice: Choice | None,
    default: Chunking,
    *,
    ledger: Ledger,
    queues: Queues,
    again: bool = False,
) -> CollectionSettings:
    """Have a collection cut as chosen; None: as the deployment does.

    Where that is a change, or ``again`` asks for it, a walk has every document cut anew that was
    cut otherwise. Asked the same once more, a walk that goes on is only helped along.

    Raises:
        InvalidRequest: the choice is not possible; names the field.
        Conflict: the collection is being deleted.
    """
    wanted = chosen(choice, default) if choice else None
    for _ in range(_ATTEMPTS):
        old = ledger.collection(partition)
        if old.under_way is WalkKind.DELETE:
            raise Conflict(f"collection {partition.collection!r} is being deleted; wait for that.")
        same = (old.chunking or default) == (wanted or default)
        if same and old.under_way and old.walk:
            next_step(partition, old.walk, queues)
        if same and old.chunking == wanted and (old.under_way or not again):
            return old
        if same and (old.under_way or not again):
            new = replace(old, chunking=wanted)
        else:
            new = replace(old, chunking=wanted, walk=_walk(WalkKind.RECUT))
        if kept := ledger.keep_collection(new):
            if kept.walk and kept.walk != old.walk:
                next_step(partition, kept.walk, queues)
            return kept
    raise WriteConflict(f"the settings of collection {partition.collection!r} keep changing.")


def delete(partition: Partition, *, ledger: Ledger, queues: Queues) -> CollectionSettings:
    """Have a walk delete every document, and with the last one the settings.

    Raises:
        NotFound: there is no such collection.
    """
    for _ in range(_ATTEMPTS):
        old = show(partition, ledger=ledger)
        if old.under_way is WalkKind.DELETE and old.walk:
            next_step(partition, old.walk, queues)
            return old
        new = replace(old, chunking=None, walk=_walk(WalkKind.DELETE))
        if kept := ledger.keep_collection(new):
            assert kept.walk  # noqa: S101 - just given
            next_step(partition, kept.walk, queues)
            return kept
    raise WriteConflict(f"the settings of collection {partition.collection!r} keep changing.")


def _walk(kind: WalkKind) -> Walk:
    return Walk(walk_id=new_nonce(), kind=kind, started_at=iso(utc_now()))


def _is_name(name: str) -> bool:
    try:
        check_name(name, "collection")
    except InvalidRequest:
        return False
    return True
