"""A range of a document that cannot be read: the others go on without it."""

from __future__ import annotations

from dataclasses import replace

from ragline.domain.documents import Document, Reason
from ragline.domain.errors import (
    EmptyFile,
    EncryptedDocument,
    PermanentError,
    TooManyPages,
    UnsupportedType,
)
from ragline.domain.messages import PageRange
from ragline.ports import Ledger, Queues
from ragline.usecases.failures import note
from ragline.usecases.settle import settle

_OF_THE_FILE = (EmptyFile, EncryptedDocument, TooManyPages, UnsupportedType)


def concerns_file(error: PermanentError) -> bool:
    """Whether no range of the file can be read for it, whichever was tried."""
    return isinstance(error, _OF_THE_FILE)


def lose_range(
    document: Document, message: PageRange, reason: Reason, *, ledger: Ledger, queues: Queues
) -> None:
    """Count the pages of a range as failed, and end the document if nothing else is left to do.

    It ends as partial, or as failed if nothing of it was read; a retry tries the range alone.
    """
    note(document, reason, ledger)
    ledger.lose_range(document, message.number, message.pages, reason)
    settle(document, ledger=ledger, queues=queues)


def reason_of(error: PermanentError, message: PageRange, stage: str) -> Reason:
    """Why the range could not be read, and which one it is."""
    reason = Reason.of(error, stage)
    page = reason.page or (message.first_page if message.pages else None)
    return replace(reason, message=f"{message.what}: {reason.message}", page=page)
