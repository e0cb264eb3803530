"""EPUB books: the chapters of the spine, in its order."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from lxml import etree

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import CorruptDocument, EncryptedDocument
from ragline.parsing import web
from ragline.parsing.archives import open_archive, read_member
from ragline.parsing.limits import Source

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_MARKUP = frozenset({"application/xhtml+xml", "text/html", "application/xml"})
_FONT_OBFUSCATION = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")


def extract(source: Source) -> Extraction:
    with open_archive(source.data) as archive:
        _refuse_drm(archive)
        package_name = _package_name(archive)
        package = parse_xml(read_member(archive, package_name), package_name)
        blocks: list[Block] = []
        held = set(archive.namelist())
        for name in dict.fromkeys(_spine(package, posixpath.dirname(package_name))):
            source.check_time()
            if name in held:  # a chapter that is listed but absent is left out
                markup = web.markup_text(read_member(archive, name))
                blocks += web.read(markup, source)[0]
    return Extraction(blocks, title=(package.findtext(".//{*}title") or "").strip())


def parse_xml(data: bytes, what: str) -> etree._Element:
    """Safe XML: no DTD is loaded, no entity expanded, nothing fetched.

    Raises:
        CorruptDocument: not well formed; names ``what``.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise CorruptDocument(
            f"The file is damaged: its part {what!r} is not valid XML."
        ) from error


def _package_name(archive: zipfile.ZipFile) -> str:
    container = parse_xml(read_member(archive, _CONTAINER), _CONTAINER)
    rootfile = container.find(".//{*}rootfile")
    name = rootfile.get("full-path") if rootfile is not None else None
    if not name:
        raise CorruptDocument("The book is damaged: its container does not name its contents.")
    return unquote(name)


def _spine(package: etree._Element, folder: str) -> Iterator[str]:
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _MARKUP:
            continue
        if "nav" in (item.get("properties") or "").split():
            continue  # the table of contents would repeat every heading
        yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))


def _refuse_drm(archive: zipfile.ZipFile) -> None:
    if _ENCRYPTION not in archive.namelist():
        return
    content = parse_xml(read_member(archive, _ENCRYPTION), _ENCRYPTION)
    methods = [
        (method.get("Algorithm") or "").encode()
        for method in content.iterfind(".//{*}EncryptedData/{*}EncryptionMethod")
    ]
    if any(method not in _FONT_OBFUSCATION for method in methods):
        raise EncryptedDocument("The book is copy protected (DRM); upload an unprotected copy.")
