"""Which format some bytes are: by what they hold first, by the file's name second."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import PurePosixPath

from ragline.domain.errors import CorruptDocument, EmptyFile, EncryptedDocument, UnsupportedType
from ragline.parsing.archives import open_archive, read_member
from ragline.parsing.decoding import decode, is_text


class Format(StrEnum):
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    EPUB = "epub"
    EML = "eml"
    ZIP = "zip"
    IMAGE = "image"


_SUPPORTED = "PDF, DOCX, PPTX, XLSX, HTML, Markdown, plain text, CSV, JSON, JSON Lines, EPUB, EML"

_TEXTUAL = {
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".txt": Format.TEXT,
    ".rst": Format.TEXT,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".eml": Format.EML,
}
_BINARY = frozenset({".pdf", ".docx", ".pptx", ".xlsx", ".epub"})
_OFFICE_TYPES = (
    (b"wordprocessingml.", Format.DOCX),
    (b"ms-word.", Format.DOCX),
    (b"presentationml.", Format.PPTX),
    (b"ms-powerpoint.", Format.PPTX),
    (b"spreadsheetml.", Format.XLSX),
    (b"ms-excel.sheet.macroEnabled", Format.XLSX),
)
_MAIN_TYPE = re.compile(rb'ContentType="([^"]+\.main\+xml)"')
_OLE2 = bytes.fromhex("D0CF11E0A1B11AE1")
_MAGIC_WINDOW = 1024
_HTML = re.compile(
    # A comment ends at its first "-->": one that could go on would be tried in 2^n ways.
    r"\A\s*(<\?xml[^>]*>\s*)?(<!--((?!-->).)*-->\s*)*<(!doctype\s+html|html[\s>])",
    re.I | re.S,
)


def sniff(data: bytes, filename: str) -> Format:
    """The format of a file; a wrong extension on recognisable content is no error.

    Raises:
        EmptyFile: zero bytes.
        EncryptedDocument: an office file under a password.
        CorruptDocument, LimitExceeded: a zip container that cannot, or must not, be opened.
        UnsupportedType: none of the formats read; names them.
    """
    if not data:
        raise EmptyFile("The file is empty (0 bytes); upload it again.")
    extension = PurePosixPath(filename.replace("\\", "/")).suffix.lower()
    if data.startswith(b"%PDF-") or (
        b"%PDF-" in data[:_MAGIC_WINDOW] and extension not in _TEXTUAL
    ):
        return Format.PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_format(data)
    if data.startswith(_OLE2):
        raise _ole2(data)
    textual = is_text(data) and not data.startswith((b"{\\rtf", b"%!PS"))
    if extension in _BINARY and not (textual and _HTML.match(decode(data[:_MAGIC_WINDOW]))):
        raise CorruptDocument(
            f"The file is named {extension} but does not begin like one: it is damaged, cut off or "
            "misnamed; export it again and upload the new copy."
        )
    if not textual:
        raise UnsupportedType(f"This type of file is not supported. Supported are: {_SUPPORTED}.")
    return _textual(data, extension)


def _zip_format(data: bytes) -> Format:
    with open_archive(data) as archive:
        names = set(archive.namelist())
        if "[Content_Types].xml" in names:
            types = read_member(archive, "[Content_Types].xml")
            for main in _MAIN_TYPE.findall(types):
                for marker, found in _OFFICE_TYPES:
                    if marker in main:
                        return found
        for name, found in (
            ("word/document.xml", Format.DOCX),
            ("ppt/presentation.xml", Format.PPTX),
            ("xl/workbook.xml", Format.XLSX),
            ("META-INF/container.xml", Format.EPUB),
        ):
            if name in names:
                return found
    raise UnsupportedType(
        f"This zip file is none of the supported documents; upload the files in it one by one. "
        f"Supported are: {_SUPPORTED}."
    )


def _ole2(data: bytes) -> EncryptedDocument | UnsupportedType:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return EncryptedDocument(
            "The office file is password protected; remove the password and upload it again."
        )
    return UnsupportedType(
        "This is a legacy Microsoft Office file (.doc, .xls, .ppt or .msg); save it in the current "
        f"format and upload that. Supported are: {_SUPPORTED}."
    )


def _textual(data: bytes, extension: str) -> Format:
    known = _TEXTUAL.get(extension)
    if known in (Format.TEXT, Format.MARKDOWN, None) and _HTML.match(decode(data[:_MAGIC_WINDOW])):
        return Format.HTML
    if known is Format.JSON and _is_json_lines(data):
        return Format.JSONL
    return known or Format.TEXT


def _is_json_lines(data: bytes) -> bool:
    """JSON Lines under a ``.json`` name: the first line is a whole object and another follows."""
    first, _, rest = data.lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest.lstrip().startswith(b"{"):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True
