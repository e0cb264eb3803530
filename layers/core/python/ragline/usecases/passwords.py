"""Passwords of encrypted documents: looked for where one is needed, forgotten once it was used.

A document is read without one first. So documents that need none cost nothing, and nobody has to
keep whether one was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from ragline.domain.chunks import Extraction
from ragline.domain.documents import Document, Status
from ragline.domain.errors import EncryptedDocument
from ragline.ports import Ledger, Member, Ocr, Passwords, Reader, Reading, Survey
from ragline.usecases.splitting import Splitting

GRACE = timedelta(minutes=15)
"""Between a password's arrival and its document's being seen under way; clocks differ, too."""

T = TypeVar("T")


def keep(password: str, document: Document, passwords: Passwords | None) -> None:
    """Keep the password that came with a document, if one did, before anything reads that.

    Raises:
        ValueError: there is nowhere to keep it.
    """
    if not password:
        return
    if passwords is None:
        raise ValueError("a password was given, and nowhere to keep it")
    passwords.put(document.partition.tenant, document.document_id, password)


@contextmanager
def unlocked(document: Document, splitting: Splitting) -> Iterator[Splitting]:
    """The same, but its reader finds the document's password if that is encrypted.

    Afterwards the password is removed, unless there are parts of the document yet to be split, or
    the work is to be tried again (it raised).
    """
    reader = UnlockingReader(splitting.reader, splitting.passwords, document)
    yield replace(splitting, reader=reader)
    if reader.asked and _over(document, splitting.ledger):
        splitting.passwords.remove(document.partition.tenant, document.document_id)


def sweep(passwords: Passwords, ledger: Ledger, now: datetime, upload_seconds: int) -> int:
    """Remove those that nobody will come for: how many.

    A live document that is being replaced still stands as it was until the new bytes arrive, for
    which there are ``upload_seconds``.
    """
    removed = 0
    for one in passwords.kept():
        age = now - one.since
        if age < GRACE:
            continue
        document = ledger.get(one.tenant, one.document_id)
        gone = document is None or document.status is Status.DELETED
        replaceable = age < GRACE + timedelta(seconds=upload_seconds)
        if gone or not (replaceable or _wanted(document)):
            passwords.remove(one.tenant, one.document_id)
            removed += 1
    return removed


class UnlockingReader:
    """``ports.Reader``: with the password of its document once it is seen to need one."""

    def __init__(self, reader: Reader, passwords: Passwords, document: Document) -> None:
        self._reader, self._passwords, self._document = reader, passwords, document
        self._password = ""
        self.asked = False
        """Whether the document is encrypted, as far as it was read."""

    def survey(self, wanted: Reading) -> Survey:
        return self._tried(wanted, self._reader.survey)

    def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
        return self._tried(wanted, lambda opened: self._reader.extract(opened, ocr))

    def members(self, wanted: Reading) -> Iterator[Member]:
        if not self.asked:
            self.survey(wanted)
        yield from self._reader.members(replace(wanted, password=self._password))

    def _tried(self, wanted: Reading, read: Callable[[Reading], T]) -> T:
        try:
            return read(replace(wanted, password=self._password))
        except EncryptedDocument:
            if self.asked:
                raise
            self.asked = True
            tenant = self._document.partition.tenant
            self._password = self._passwords.get(tenant, self._document.document_id)
            if not self._password:
                raise
        return read(replace(wanted, password=self._password))


def _over(document: Document, ledger: Ledger) -> bool:
    now = ledger.get(document.partition.tenant, document.document_id)
    return not _wanted(now)


def _wanted(document: Document | None) -> bool:
    """Whether it is still to be read, as a whole or in part."""
    if document is None or document.terminal:
        return False
    return document.status is Status.AWAITING_UPLOAD or not document.progress.split
