"""What to do about a document that failed, by the code of its reason."""

from __future__ import annotations

from collections.abc import Mapping

from ragline.domain.documents import Document

ADVICE: Mapping[str, str] = {
    "encrypted": "If a password opens it, retry it with that (`ragline retry {id} --password`); "
    "else upload a copy that is not encrypted.",
    "no_text": "No text could be read in it, not by OCR either: upload a version that has text, or "
    "a better scan.",
    "corrupt": "Open it in the program that it came from, save or export it anew, and upload that.",
    "too_large": "Split the file and upload its pieces, or have the limit raised.",
    "too_many_pages": "Split the file and upload its pieces, or have the limit raised.",
    "bomb": "It unpacks as only an attack or a damaged file does: save or print it anew, and upload"
    " that.",
    "unsupported_type": "Upload it in a format that is read, such as PDF or DOCX.",
    "timeout": "Split the file into smaller ones: each part of it has its own time.",
    "empty_file": "Upload it again: it arrived without a byte.",
    "limit_exceeded": "Split the file and upload its pieces.",
}
"""``{id}`` stands for the document's. Codes that are not here have nothing that a caller could do,
but to retry."""


def advice_for(document: Document) -> str:
    """What to do about what went wrong with it, and what the ledger says of that; '' for nothing.

    It is looked up when somebody asks: better advice reaches what failed before it was known.
    """
    by_code = ADVICE.get(document.reason.code, "") if document.reason else ""
    by_code = by_code.format(id=document.document_id)
    return " ".join(said for said in (by_code, document.advice) if said)
