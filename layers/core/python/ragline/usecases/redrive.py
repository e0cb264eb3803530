"""Redriving: retrying every document of a tenant that something failed of, or some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragline.domain.documents import Document
from ragline.domain.errors import Conflict
from ragline.domain.times import check_time
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases import documents
from ragline.usecases.retry import Retried, retry


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents; every condition given must hold.

    ``since``: those that failed at that time or later (ISO 8601). ``code``: only what failed with
    that code is tried again.
    """

    document_id: str = ""
    collection: str = ""
    code: str = ""
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Redriven:
    """One document: what was (or, in a dry run, would be) tried again; or why it was left."""

    document: Document
    chunks: int = 0
    split_again: bool = False
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class RedrivePage:
    """``cursor`` is None on the last page."""

    documents: Sequence[Redriven]
    cursor: str | None = None


def redrive(
    tenant: str,
    selection: Selection,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    force: bool = False,
    dry_run: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> RedrivePage:
    """Retry one page of the documents that are selected.

    Raises:
        NotFound: the one document that is named is not the tenant's.
        InvalidRequest: the cursor is not one that this gave, or ``since`` is no time.
    """
    if selection.document_id:
        named = documents.get(tenant, selection.document_id, ledger=ledger)
        early = selection.since and named.updated_at < check_time(selection.since, "since")
        found: Sequence[Document] = [] if early else [named]
        following = None
    else:
        page = ledger.troubled(tenant, since=selection.since, limit=limit, cursor=cursor)
        found, following = page.documents, page.cursor

    def each() -> Iterator[Redriven]:
        for document in found:
            if _selected(document, selection, ledger):
                yield _one(document, selection, ledger, objects, queues, force, dry_run)

    return RedrivePage(list(each()), following)


def _selected(document: Document, selection: Selection, ledger: Ledger) -> bool:
    if selection.collection not in ("", document.partition.collection):
        return False
    if not selection.code or (document.reason and document.reason.code == selection.code):
        return True
    reasons = [*ledger.failed(document).values()]
    if document.progress.unread:
        reasons += [one.reason for one in ledger.ranges(document).values()]
    return any(reason and reason.code == selection.code for reason in reasons)


def _one(
    document: Document,
    selection: Selection,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    force: bool,
    dry_run: bool,
) -> Redriven:
    try:
        done: Retried = retry(
            document.partition.tenant,
            document.document_id,
            ledger=ledger,
            objects=objects,
            queues=queues,
            code=selection.code,
            force=force,
            dry_run=dry_run,
        )
    except Conflict as error:
        return Redriven(document, skipped=str(error))
    return Redriven(done.document, done.chunks, done.split_again)
