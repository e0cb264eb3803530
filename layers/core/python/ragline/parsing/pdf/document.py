"""A PDF as PDFium opens it: its pages, its bookmarks, its title."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pypdfium2.raw as pdfium
from pypdfium2 import PdfDocument, PdfiumError

from ragline.domain.errors import CorruptDocument, EncryptedDocument
from ragline.parsing.limits import Source
from ragline.parsing.pdf.outline import Entry, Outline

_MAX_BOOKMARKS = 10_000

_lock = threading.Lock()
"""PDFium is not thread-safe: https://pypdfium2.readthedocs.io/en/stable/python_api.html"""


@contextmanager
def opened(source: Source) -> Iterator[Any]:
    """The document, for this thread alone.

    Raises:
        EncryptedDocument, CorruptDocument: it cannot be opened, or falls apart while it is read.
    """
    with _lock:
        try:
            document = PdfDocument(source.file, password=source.password or None)
        except PdfiumError as error:
            raise _translated(error, source.password) from error
        try:
            yield document
        except PdfiumError as error:
            raise _translated(error, source.password) from error
        finally:
            document.close()


def _translated(error: Any, password: str) -> CorruptDocument | EncryptedDocument:
    code = getattr(error, "err_code", None)
    if code == pdfium.FPDF_ERR_PASSWORD:
        wrong = "the password given is not its own" if password else "no password was given"
        return EncryptedDocument(f"The PDF is password protected, and {wrong}.")
    if code == pdfium.FPDF_ERR_SECURITY:
        return EncryptedDocument("The PDF is protected by a scheme that cannot be read.")
    return CorruptDocument("The PDF is damaged and cannot be read.")


def title_of(document: Any) -> str:
    return str(document.get_metadata_value("Title")).strip()


def outline_of(document: Any, wanted: range) -> Outline:
    """The bookmarks of the wanted pages, and those that the first wanted page stands under."""
    entries: list[Entry] = []
    try:
        for bookmark in islice(document.get_toc(max_depth=6), _MAX_BOOKMARKS):
            destination = bookmark.get_dest()
            index = destination.get_index() if destination else None
            title = " ".join(_shown(bookmark.get_title()).split())
            if index is not None and title:
                entries.append(Entry(title, bookmark.level + 1, index + 1, _height(destination)))
    except (PdfiumError, UnicodeDecodeError, ValueError):
        return Outline((), ())  # a damaged outline is no reason to refuse the text
    return Outline.of(entries, wanted)


def _height(destination: Any) -> float | None:
    """How far up the page a bookmark points, if it says so."""
    mode, view = destination.get_view()
    if mode == pdfium.PDFDEST_VIEW_XYZ and len(view) > 1:
        return float(view[1]) if view[1] else None
    if mode in (pdfium.PDFDEST_VIEW_FITH, pdfium.PDFDEST_VIEW_FITBH) and view:
        return float(view[0])
    return None


def _shown(title: object) -> str:
    return str(title or "").replace("\0", "")
