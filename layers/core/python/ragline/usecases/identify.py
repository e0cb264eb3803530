"""Whose an object is: the document that an upload's key stands for."""

from __future__ import annotations

from dataclasses import replace

from ragline.domain.documents import Document, dropped_id
from ragline.domain.keys import Upload, parse_upload_key
from ragline.ports import Ledger


def identify(key: str, ledger: Ledger) -> tuple[Upload, Document | None]:
    """The document of an upload, and what the ledger knows of it if it was read for that.

    ``{document_id}/{filename}`` names a document only if that was registered for this very key: in
    ``2024/report.pdf``, dropped by an S3 client, 2024 is a folder, and two files in it are two
    documents.

    Raises:
        MalformedMessage: the key is not an upload's.
    """
    upload = parse_upload_key(key)
    if upload.document_id == dropped_id(key):
        return upload, None
    known = ledger.get(upload.partition.tenant, upload.document_id)
    if known is not None and known.upload_key == key:
        return upload, known
    return replace(upload, document_id=dropped_id(key)), None
