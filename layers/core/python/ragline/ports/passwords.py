"""Passwords of documents, kept from the upload until the document is split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptPassword:
    """Whose it is, and since when; never the password itself."""

    tenant: str
    document_id: str
    since: datetime


class Passwords(Protocol):
    """One for a document, encrypted where it lies."""

    def put(self, tenant: str, document_id: str, password: str) -> None:
        """Keep it, over what was kept."""

    def get(self, tenant: str, document_id: str) -> str:
        """What was put last; '' if there is none."""

    def remove(self, tenant: str, document_id: str) -> None:
        """An absent one is no error."""

    def kept(self) -> Sequence[KeptPassword]:
        """Every one that is there, of all tenants."""
