"""Taking one file out of an archive or a mail: its bytes are put as an upload of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from ragline import parsing
from ragline.domain.children import Child, ChildState, origin_in
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import EmptyFile, UnsupportedType
from ragline.ports import Member
from ragline.usecases.remove import remove_children
from ragline.usecases.split_again import start_over
from ragline.usecases.splitting import STAGE, Outcome, Splitting
from ragline.usecases.upload import DEFAULT_TYPE, Limits, UploadRequest, enter

UPLOAD_SECONDS = 3_600
"""How long a crash may leave a child without its bytes before it is given up."""

_ZIP = b"PK"


class Stopped(Exception):
    """Not to go on here, for what the outcome says."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Holder:
    """The document that files are taken out of; ``sizes``, in bytes, are those of all of them."""

    document: Document
    sizes: Sequence[int]
    splitting: Splitting


def take_out(child: Child, member: Member, there: Document | None, holder: Holder) -> Child:
    """Put the file's bytes as an upload, unless they are there; what became of it.

    ``there`` is the document of its id, as it was when this version of the holder was begun.

    Raises:
        Stopped: the holder was deleted or replaced meanwhile.
        PermanentError, RequestError: it cannot become a document.
    """
    data = member.read()
    filename = PurePosixPath(child.path).name
    _check_type(data, filename)
    child = replace(child, checksum=hashlib.sha256(data).hexdigest())
    stored = replace(child, state=ChildState.STORED)
    if there is not None and _unchanged(stored, there, holder.document):
        return stored
    limits = Limits(holder.splitting.limits.file_bytes, UPLOAD_SECONDS)
    entry = enter(_request(child, filename, len(data), holder), holder.splitting.ledger, limits)
    owner = entry.document.document_id
    if entry.open:
        check_wanted(holder)
        holder.splitting.objects.put(entry.document.upload_key, data, DEFAULT_TYPE)
    if owner == child.document_id:
        # What it held before it holds no more, as of now: another file may have those bytes, as one
        # that was renamed. (After the put: what is known of bytes is taken to be there.)
        holder.splitting.ledger.identify(entry.document, child.checksum)
        return stored
    why = f"it has the same bytes as document {owner!r} of this collection."
    reason = Reason("duplicate", why, STAGE)
    return replace(child, state=ChildState.DUPLICATE, owner=owner, reason=reason)


def check_wanted(holder: Holder, *, mend: bool = False) -> None:
    """Raises Stopped if the holder was deleted, or replaced, since this began.

    ``mend``: what was put a moment ago may have come after what its next version put there.
    """
    splitting, document = holder.splitting, holder.document
    now = splitting.ledger.get(document.partition.tenant, document.document_id)
    if now is not None and now.wants(document.generation):
        return
    if now is not None and now.status is Status.DELETED:
        remove_children(
            now, ledger=splitting.ledger, objects=splitting.objects, queues=splitting.queues
        )
    elif now is not None and mend:
        start_over(now, splitting.queues)
    raise Stopped(Outcome.STALE)


def _request(child: Child, filename: str, size: int, holder: Holder) -> UploadRequest:
    document = holder.document
    return UploadRequest(
        partition=document.partition,
        filename=filename,
        size=size,
        metadata=document.metadata,
        checksum=child.checksum,
        document_id=child.document_id,
        allow_duplicate=document.allow_duplicate,
        trace_id=document.trace_id,
        webhook=document.webhook,
        origin=origin_in(document, child.path, size, holder.sizes),
    )


def _unchanged(child: Child, there: Document, holder: Document) -> bool:
    """Whether it was taken out before with these very bytes, and nothing is wrong with it."""
    unfit = {Status.DELETED, Status.FAILED, Status.AWAITING_UPLOAD}
    fit = there.parent == holder.document_id and there.status not in unfit
    return fit and there.checksum == child.checksum


def _check_type(data: bytes, filename: str) -> None:
    """Raises UnsupportedType or EmptyFile for what can be no document.

    What is damaged or locked is one, and says so itself. Archives are left to the reader of that
    document: nothing is opened here.
    """
    if data.startswith(_ZIP):
        return
    try:
        parsing.sniff(data, filename)
    except (UnsupportedType, EmptyFile):
        raise
    except Exception:  # as of damaged bytes: whoever reads them says what is wrong
        return
