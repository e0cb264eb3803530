"""Types of files that are known and not read: told by their first bytes, to be refused by name."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection

from ragline.domain.errors import EncryptedDocument, UnsupportedType
from ragline.parsing.archives import read_member
from ragline.parsing.limits import Source

SUPPORTED = (
    "PDF, DOCX, PPTX, XLSX, HTML, Markdown, plain text, CSV, JSON, JSON Lines, EPUB, EML, XML, "
    "PNG, JPEG, TIFF, GIF, WebP, BMP, and ZIP archives of these"
)
OLE2 = bytes.fromhex("D0CF11E0A1B11AE1")

_PICTURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
)
_BITMAP = re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.S)
_WEBP = re.compile(rb"RIFF.{4}WEBP", re.S)

_TEXT_SIGNATURES = (
    (re.compile(rb"\s*\{\\rtf"), "rich text (RTF): save it as DOCX or PDF"),
    (re.compile(rb"\x04?%!PS"), "PostScript: convert it to PDF"),
)

# Pattern at the very beginning → what it is, with what to do. Sources: the formats' own
# specifications, and https://www.garykessler.net/library/file_sigs.html.
_SIGNATURES = tuple(
    (re.compile(pattern, re.S), name)
    for pattern, name in (
        (rb"\xc5\xd0\xd3\xc6", "PostScript: convert it to PDF"),
        (rb"\x1f\x8b", "a gzip archive: unpack it and upload what is in it, or a ZIP"),
        (rb"BZh[1-9]1AY&SY", "a bzip2 archive: unpack it and upload what is in it"),
        (rb"\xfd7zXZ\0", "an xz archive: unpack it and upload what is in it"),
        (
            rb"\x28\xb5\x2f\xfd",
            "a Zstandard archive: unpack it and upload what is in it",
        ),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive: pack it as ZIP"),
        (rb"Rar!\x1a\x07", "a RAR archive: pack it as ZIP"),
        (rb".{257}ustar", "a tar archive: pack it as ZIP"),
        (
            rb"....ftyp(heic|heix|hevc|mif1|msf1|avif)",
            "a HEIC or AVIF picture: save it as JPEG",
        ),
        (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a video"),
        (rb"ID3|OggS|fLaC|RIFF....WAVE", "a sound recording"),
        (rb"MZ.{58}|\x7fELF|\xcf\xfa\xed\xfe", "a program"),
        (rb"SQLite format 3\0", "an SQLite database: export its tables as CSV"),
        (rb"PAR1", "a Parquet file: export it as CSV or JSON Lines"),
        (rb"!BDN", "an Outlook mailbox (PST): export its mails as EML"),
        (rb"AT&TFORM", "a DjVu book: convert it to PDF"),
        (rb"ITSF", "a compiled help file (CHM): convert it to HTML or PDF"),
        (rb".{60}(BOOKMOBI|TEXtREAd)", "a Mobipocket book: convert it to EPUB"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture: save it as JPEG or PNG"),
        (rb"8BPS", "a Photoshop picture: save it as PNG"),
        (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile: save it as PNG"),
    )
)
_OLE2_KINDS = (
    ("WordDocument", "a Word 97-2003 document (.doc): save it as DOCX"),
    ("PowerPoint Document", "a PowerPoint 97-2003 presentation (.ppt): save it as PPTX"),
    ("Workbook", "an Excel 97-2003 workbook (.xls): save it as XLSX"),
    ("__properties_version1.0", "an Outlook message (.msg): save it as EML"),
    ("VisioDocument", "a Visio drawing: export it as PDF"),
)
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_PACKAGES = (
    ("FixedDocSeq.fdseq", "an XPS document: print it to PDF"),
    ("FixedDocumentSequence.fdseq", "an XPS document: print it to PDF"),
    ("Index/Document.iwa", "an Apple iWork document: export it as PDF"),
    ("xl/workbook.bin", "a binary Excel workbook (XLSB): save it as XLSX"),
    ("[Content_Types].xml", "an office document of another kind: export it as PDF"),
)


def is_picture(head: bytes) -> bool:
    """Whether it begins as a picture of a kind that is read."""
    return head.startswith(_PICTURES) or bool(_BITMAP.match(head) or _WEBP.match(head))


def refused(head: bytes, *, text: bool) -> str:
    """What it is, and what to do; '' if that is not known. ``text``: it reads as one."""
    signatures = _TEXT_SIGNATURES if text else _TEXT_SIGNATURES + _SIGNATURES
    return next((name for pattern, name in signatures if pattern.match(head)), "")


def refused_package(names: Collection[str], archive: zipfile.ZipFile) -> str:
    """As ``refused``, of a zip container with these members."""
    if "mimetype" in names and archive.getinfo("mimetype").file_size < 100:
        kind = read_member(archive, "mimetype").decode("latin-1")
        if kind.startswith(_OPEN_DOCUMENT):
            return "an OpenDocument file (ODT, ODS, ODP): save it as DOCX, XLSX or PPTX"
    return next((told for name, told in _PACKAGES if name in names), "")


def is_locked_office(data: bytes) -> bool:
    """Whether an OLE2 container holds an office file that a password encrypts."""
    return "EncryptedPackage".encode("utf-16-le") in data


def ole2_refusal(source: Source) -> EncryptedDocument | UnsupportedType:
    """Why an OLE2 container is not read."""
    data = source.data
    if is_locked_office(data):
        return EncryptedDocument("The office file is encrypted, and no password was given.")
    kinds = (kind for stream, kind in _OLE2_KINDS if stream.encode("utf-16-le") in data)
    return unsupported(next(kinds, "a legacy Microsoft Office file"))


def unsupported(kind: str) -> UnsupportedType:
    """``kind``: what it is, and behind a colon what to do about it, where there is something."""
    formats = "" if ": " in kind else f" Supported are {SUPPORTED}."
    return UnsupportedType(f"This is {kind}.{formats}")
