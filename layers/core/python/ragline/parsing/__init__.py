"""Documents to text blocks: bytes in, ``Extraction`` out.

Nothing here reads a file, the network or the environment. Each format's module, and the library
that it stands on, is imported when the first document of that format is read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import TypeVar, cast

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import (
    CorruptDocument,
    FileTooLarge,
    MalformedMessage,
    RaglineError,
)
from ragline.parsing.formats import Format, format_of, sniff
from ragline.parsing.limits import MAX_DEPTH, Source, too_deep
from ragline.parsing.office import unlocked
from ragline.parsing.slices import REACH, can_slice, read_slice, spans
from ragline.ports import Member, Survey

__all__ = [
    "PARSER_FINGERPRINT",
    "Format",
    "Source",
    "extract",
    "extract_slice",
    "members",
    "slice_spans",
    "sniff",
    "survey",
]

PARSER_FINGERPRINT = "ragline-parsing-2"
"""Raised whenever the same bytes would yield other blocks; stored on each generation."""

R = TypeVar("R")

_log = logging.getLogger(__name__)

_EXTRACTORS = {
    Format.PDF: "pdf:extract",
    Format.DOCX: "word:extract",
    Format.PPTX: "slides:extract",
    Format.XLSX: "sheets:extract",
    Format.HTML: "web:extract",
    Format.MARKDOWN: "markdown:extract",
    Format.TEXT: "plain:extract",
    Format.CSV: "delimited:extract",
    Format.JSON: "records:extract_json",
    Format.JSONL: "records:extract_lines",
    Format.EPUB: "epub:extract",
    Format.EML: "mail:extract",
    Format.XML: "markup:extract",
    Format.ZIP: "containers:extract",
    Format.IMAGE: "images:extract",
}
_PAGE_COUNTERS = {
    Format.PDF: "pdf:page_count",
    Format.PPTX: "slides:page_count",
    Format.IMAGE: "images:page_count",
}
_CONTAINERS = frozenset({Format.ZIP, Format.EML})
_MEMBERS = "containers:members"
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def survey(source: Source) -> Survey:
    """What the document is, before any of its text is read.

    Raises as ``extract`` and ``sniff``.
    """
    source, format = _known(source)
    counter = _PAGE_COUNTERS.get(format)
    if counter is None:
        return Survey(format, sliced=can_slice(source, format), members=_count(source, format))
    count = cast("Callable[[Source], int]", _function(counter))
    pages = _guarded(lambda: count(source))
    return Survey(format, pages=pages, scanned=_guarded(lambda: _scanned(source, format)))


def extract(source: Source, format: Format | None = None) -> Extraction:
    """The text of a document, or of the pages that the source names; ``format`` as ``sniff`` says.

    A document without text is no error: it has no blocks, and its pages' kinds say why.

    Raises:
        EncryptedDocument: a password is needed, or is wrong.
        CorruptDocument: the bytes are not readable as this format.
        LimitExceeded: it unpacks, nests or grows too far, or the deadline passed.
        EmptyFile, UnsupportedType: as ``sniff``.
    """
    source.check_time()
    if format is None:
        source, format = _known(source)
    parse = cast("Callable[[Source], Extraction]", _function(_EXTRACTORS[format]))
    return _fit(_guarded(lambda: parse(source)))


def extract_slice(source: Source, start: int, end: int) -> Extraction:
    """The text that begins in these bytes (``end`` exclusive) of a file whose survey says sliced.

    Raises as ``extract``.
    """
    source.check_time()
    format = format_of(source)
    return _fit(_guarded(lambda: read_slice(source, format, start, end)))


def slice_spans(format: str, start: int, end: int) -> list[tuple[int, int]]:
    """Which bytes of a file of this format ``extract_slice`` looks at, their ends exclusive.

    Raises:
        MalformedMessage: there is no such format, or it is not read in slices.
    """
    if format not in REACH:
        raise MalformedMessage(f"format {format[:40]!r} is not read in slices.")
    return spans(Format(format), start, end)


def members(source: Source) -> Iterator[Member]:
    """The files in an archive or a mail, see ``containers.members``; none in other formats."""
    format = _guarded(lambda: format_of(source))
    if format in _CONTAINERS:
        listed = cast("Callable[[Source, Format], Iterator[Member]]", _function(_MEMBERS))
        held = listed(source, format)
        while (member := _guarded(lambda: next(held, None))) is not None:
            yield member


def _scanned(source: Source, format: Format) -> bool:
    if format is Format.PDF:
        return cast("Callable[[Source], bool]", _function("pdf:is_scanned"))(source)
    return format is Format.IMAGE


def _known(source: Source) -> tuple[Source, Format]:
    """The source, decrypted if it is an office file under a password, and its format."""
    opened = _guarded(lambda: unlocked(source))
    return opened, _guarded(lambda: format_of(opened))


def _count(source: Source, format: Format) -> int:
    if format not in _CONTAINERS:
        return 0
    count = cast("Callable[[Source, Format], int]", _function("containers:count"))
    return _guarded(lambda: count(source, format))


def _fit(extraction: Extraction) -> Extraction:
    return replace(
        extraction,
        blocks=[_clean(block) for block in extraction.blocks if block.text.strip()],
        title=_UNFIT.sub(" ", extraction.title).strip(),
    )


def _function(name: str) -> object:
    module, _, function = name.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), function)


def _guarded(parse: Callable[[], R]) -> R:
    """Readers of other people's formats raise anything at all on damaged bytes."""
    try:
        return parse()
    except RaglineError:
        raise
    except RecursionError as error:
        raise too_deep(MAX_DEPTH) from error
    except MemoryError as error:
        raise FileTooLarge("Reading this document needs more memory than there is.") from error
    except Exception as error:
        # Below warning: where no handler is set up, Python would print the traceback to users.
        _log.info("a reader failed on a damaged document", exc_info=True)
        raise CorruptDocument(
            f"The file is damaged and cannot be read ({type(error).__name__})."
        ) from error


def _clean(block: Block) -> Block:
    """Characters that JSON, UTF-8 or a tokenizer would choke on become spaces."""
    if not _UNFIT.search(block.text):
        return block
    return replace(block, text=_UNFIT.sub(" ", block.text), header=_UNFIT.sub(" ", block.header))
