"""Which format some bytes are: by what they hold first, by the file's name second."""

from __future__ import annotations

import re
import zipfile
from enum import StrEnum
from pathlib import PurePosixPath

from ragline.domain.errors import CorruptDocument, EmptyFile
from ragline.parsing import marks
from ragline.parsing.archives import check_document, encrypted, open_directory, read_member
from ragline.parsing.decoding import decode, is_text
from ragline.parsing.limits import Source
from ragline.parsing.refusals import (
    OLE2,
    is_picture,
    ole2_refusal,
    refused,
    refused_package,
    unsupported,
)


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
    XML = "xml"
    ZIP = "zip"
    IMAGE = "image"


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
    ".xml": Format.XML,
}
_CODE_NAMES = """
    .bash .bat .c .cc .cfg .cmake .conf .cpp .cs .css .cxx .diff .env .go .gradle .groovy .h .hpp
    .ini .java .jl .js .jsx .kt .less .lua .m .mjs .patch .php .pl .pm .properties .ps1 .py .pyi .r
    .rb .rs .scala .scss .sh .sql .swift .tex .tf .toml .ts .tsx .vb .yaml .yml .zsh
"""
CODE = frozenset(_CODE_NAMES.split())
"""Of source code and settings: their comments look like headings, their brackets like elements."""

_BINARY = frozenset({".pdf", ".docx", ".pptx", ".xlsx", ".epub", ".zip", ".png", ".jpg", ".jpeg"})
_OFFICE_TYPES = (
    (b"wordprocessingml.", Format.DOCX),
    (b"ms-word.", Format.DOCX),
    (b"presentationml.", Format.PPTX),
    (b"ms-powerpoint.", Format.PPTX),
    (b"spreadsheetml.", Format.XLSX),
    (b"ms-excel.sheet.macroEnabled", Format.XLSX),
)
_MAIN_TYPE = re.compile(rb'ContentType="([^"]+\.main\+xml)"')
_MEMBERS = {
    "word/document.xml": Format.DOCX,
    "ppt/presentation.xml": Format.PPTX,
    "xl/workbook.xml": Format.XLSX,
    "META-INF/container.xml": Format.EPUB,
}
_OF_DOCUMENTS = ("[Content_Types].xml", "mimetype", *_MEMBERS)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04")
_MAGIC_WINDOW = 1024
_PDF_OBJECT = re.compile(rb"\d+ \d+ obj\b")


def sniff(data: bytes, filename: str) -> Format:
    """As ``format_of``, of bytes."""
    return format_of(Source(data, filename))


def format_of(source: Source) -> Format:
    """The format of a file: by its content where that shows it, else by its name.

    Raises:
        EmptyFile: zero bytes.
        EncryptedDocument: an office file under a password; see ``parsing.office.unlocked``.
        CorruptDocument: it is named like a format that it does not begin like, or a broken zip.
        UnsupportedType: none of the formats read; names it, if it is known.
    """
    head = source.head
    if not head:
        raise EmptyFile("The file is empty (0 bytes).")
    if head.startswith(_ZIP):
        return _zip_format(source)
    if head.startswith(OLE2):
        raise ole2_refusal(source)
    if is_picture(head):
        return Format.IMAGE
    text = is_text(head)
    if _is_pdf(head, text):
        return Format.PDF
    if known := refused(head, text=text):
        raise unsupported(known)
    extension = PurePosixPath(source.filename.replace("\\", "/")).suffix.lower()
    whole = len(head) == source.size
    shown = _shown(decode(head), whole=whole, code=extension in CODE) if text else None
    if shown is None and extension in _BINARY:
        raise CorruptDocument(f"The file is named {extension} but does not begin like one.")
    if not text:
        raise unsupported("a file of no known type")
    named = _TEXTUAL.get(extension, Format.TEXT)
    if shown is Format.HTML and named is Format.MARKDOWN and not marks.is_page(decode(head)):
        return named  # which may begin with a piece of HTML
    return shown or named


def _shown(head: str, *, whole: bool, code: bool) -> Format | None:
    """The format of a text that shows it; None for one that needs its name.

    ``code``: its name says that it is a program, in which the weaker marks mean nothing.
    """
    if marks.is_page(head):
        return Format.HTML
    if marks.is_xml(head):
        return Format.XML
    if marks.is_mail(head):
        return Format.EML
    if marks.is_json_lines(head):
        return Format.JSONL
    if marks.is_json(head, whole=whole):
        return Format.JSON
    if code:
        return None
    if marks.is_markdown(head):
        return Format.MARKDOWN
    if marks.is_table(head, whole=whole):
        return Format.CSV
    return Format.HTML if marks.is_fragment(head) else None


def _is_pdf(head: bytes, text: bool) -> bool:
    """Readers take a PDF that has other bytes before its header; a text may only mention one."""
    at = head[:_MAGIC_WINDOW].find(b"%PDF-")
    if at <= 0 or not text:
        return at >= 0
    return head[at - 1 : at] in (b"\n", b"\r") and bool(_PDF_OBJECT.search(head))


def _zip_format(source: Source) -> Format:
    with open_directory(source.file) as archive:
        names = set(archive.namelist())
        if names.intersection(_OF_DOCUMENTS):
            check_document(archive.infolist(), source.size)
        if "[Content_Types].xml" in names and not _locked(archive, "[Content_Types].xml"):
            types = read_member(archive, "[Content_Types].xml")
            for main in _MAIN_TYPE.findall(types):
                for marker, found in _OFFICE_TYPES:
                    if marker in main:
                        return found
        for name, found in _MEMBERS.items():
            if name in names:
                return found
        if other := refused_package(names, archive):
            raise unsupported(other)
    return Format.ZIP


def _locked(archive: zipfile.ZipFile, name: str) -> bool:
    return encrypted(archive.getinfo(name))
