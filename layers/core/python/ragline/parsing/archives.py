"""Zip containers, opened only within bounds."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    EncryptedDocument,
    FileTooLarge,
    LimitExceeded,
)
from ragline.parsing.limits import (
    MAX_ELEMENTS,
    MAX_MEMBERS,
    MAX_PACKING_RATIO,
    MAX_UNPACKED,
    MAX_XML_MEMBER,
    RATIO_FREE,
    check_elements,
)

_MIB = 1024 * 1024
_ENCRYPTED_FLAG = 0x1
_SHORTEST_ELEMENT = len("<a/>")
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_MACROS = re.compile(
    rb"application/vnd\.ms-(word|excel|powerpoint)\.(\w+)\.macroEnabled\.main\+xml"
)
_FAMILY = {
    b"word": b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    b"excel": b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
    b"powerpoint": b"application/vnd.openxmlformats-officedocument.presentationml."
    b"presentation.main+xml",
}


def open_archive(data: bytes) -> zipfile.ZipFile:
    """An office file's or a book's container, once its directory says that it is small enough.

    Raises:
        CorruptDocument: no readable zip.
        EncryptedDocument: members are password protected.
        LimitExceeded: it would unpack to more than the limits allow.
    """
    archive = open_directory(data)
    members = archive.infolist()
    if any(encrypted(member) for member in members):
        raise EncryptedDocument("The file is encrypted in a way that is not read.")
    check_document(members, len(data))
    return archive


def open_directory(file: bytes | Path) -> zipfile.ZipFile:
    """A zip container of which nothing is known yet but its directory.

    Raises:
        CorruptDocument: no readable zip.
    """
    try:
        return zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CorruptDocument(
            "The file is damaged or was cut off: its zip container cannot be opened."
        ) from error


def encrypted(member: zipfile.ZipInfo) -> bool:
    return bool(member.flag_bits & _ENCRYPTED_FLAG)


def check_document(members: Sequence[zipfile.ZipInfo], packed: int) -> None:
    """``check_unpacked`` with the limits of office files and books."""
    check_unpacked(members, packed, most=MAX_UNPACKED, most_members=MAX_MEMBERS)


def check_unpacked(
    members: Sequence[zipfile.ZipInfo], packed: int, *, most: int, most_members: int
) -> None:
    """Whether a container of so many bytes may be unpacked, by what its directory says.

    The directory can be trusted for that: zipfile never yields more bytes than it declares.

    Raises:
        LimitExceeded: too many members, or bytes.
        Bomb: packed better than any honest file, or members share their bytes.
    """
    if len(members) > most_members:
        raise LimitExceeded(
            f"The container holds {len(members):,} files, more than the limit of {most_members:,}."
        )
    unpacked = sum(member.file_size for member in members)
    if sum(member.compress_size for member in members) > max(packed, RATIO_FREE):
        raise Bomb("The container's files share their bytes, as only decompression bombs' do.")
    if unpacked > RATIO_FREE and unpacked > MAX_PACKING_RATIO * packed:
        raise Bomb(
            f"The file unpacks to {unpacked // max(1, packed):,} times its size, more than the "
            f"limit of {MAX_PACKING_RATIO} times, as decompression bombs do."
        )
    if unpacked > most:
        raise FileTooLarge(
            f"The file unpacks to {unpacked // _MIB:,} MiB, more than the limit of "
            f"{most // _MIB:,} MiB."
        )


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member's bytes.

    Raises:
        CorruptDocument: it is missing or damaged; names it.
        LimitExceeded: it is larger than a tree may be built from.
    """
    try:
        if archive.getinfo(name).file_size > MAX_XML_MEMBER:
            raise _member_too_large(name)
        return archive.read(name)
    except KeyError as error:
        raise CorruptDocument(f"The file is incomplete: its part {name!r} is missing.") from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise CorruptDocument(f"The file is damaged: its part {name!r} cannot be read.") from error


def office_package(data: bytes, *, trees: bool = True) -> bytes:
    """Checked OOXML bytes that the readers understand.

    "Strict" OOXML differs from the transitional kind by its namespaces, and macro-enabled or
    template files by their content type; both are rewritten to the plain kind. ``trees`` says that
    the reader builds a tree of each XML part, so each is bounded too.
    """
    with open_archive(data) as archive:
        if trees:
            for member in archive.infolist():
                if member.filename.endswith(".xml"):
                    _check_tree(archive, member)
        types = read_member(archive, "[Content_Types].xml")
        strict = b"purl.oclc.org/ooxml" in _opening(archive)
        if not strict and not _MACROS.search(types) and b".template.main+xml" not in types:
            return data
        return _rewritten(archive)


def _check_tree(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse an XML part whose tree would not fit into memory."""
    if member.file_size > MAX_XML_MEMBER:
        raise _member_too_large(member.filename)
    if member.file_size > MAX_ELEMENTS * _SHORTEST_ELEMENT:
        content = read_member(archive, member.filename)
        tags = content.count(b"<") - content.count(b"</")
        check_elements(tags, f"The file's part {member.filename!r}")


def _opening(archive: zipfile.ZipFile) -> bytes:
    """The package relationships, whose namespaces tell a strict file."""
    name = "_rels/.rels"
    return read_member(archive, name) if name in archive.namelist() else b""


def _rewritten(archive: zipfile.ZipFile) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for member in archive.infolist():
            if not member.filename.endswith((".xml", ".rels")):
                copy.writestr(member.filename, b"")  # referred to, but never read: a picture
                continue
            content = read_member(archive, member.filename)
            content = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", content)
            if member.filename == "[Content_Types].xml":
                content = _MACROS.sub(lambda found: _FAMILY[found.group(1)], content)
                content = content.replace(b".template.main+xml", b".document.main+xml")
            copy.writestr(member.filename, content)
    return target.getvalue()


def _member_too_large(name: str) -> FileTooLarge:
    return FileTooLarge(
        f"The file's part {name!r} unpacks to more than the limit of "
        f"{MAX_XML_MEMBER // _MIB} MiB; split it into smaller files."
    )
