"""Documents to text blocks: bytes in, ``Extraction`` out.

Nothing here reads a file, the network or the environment. Each format's module, and the library
that it stands on, is imported when the first document of that format is read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import TypeVar, cast

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import CorruptDocument, FileTooLarge, RaglineError
from ragline.parsing.formats import Format, sniff
from ragline.parsing.limits import MAX_DEPTH, Source, too_deep
from ragline.ports import Survey

__all__ = ["PARSER_FINGERPRINT", "Format", "Source", "extract", "sniff", "survey"]

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
}
_PAGE_COUNTERS = {Format.PDF: "pdf:page_count", Format.PPTX: "slides:page_count"}
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def survey(source: Source) -> Survey:
    """What the document is, before any of its text is read.

    Raises as ``extract`` and ``sniff``.
    """
    format = sniff(source.data, source.filename)
    counter = _PAGE_COUNTERS.get(format)
    if counter is None:
        return Survey(format)
    count = cast("Callable[[Source], int]", _function(counter))
    return Survey(format, pages=_guarded(lambda: count(source)))


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
    format = format or sniff(source.data, source.filename)
    parse = cast("Callable[[Source], Extraction]", _function(_EXTRACTORS[format]))
    extraction = _guarded(lambda: parse(source))
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
            f"The file is damaged and cannot be read ({type(error).__name__}); "
            "save or export it again and upload the new copy."
        ) from error


def _clean(block: Block) -> Block:
    """Characters that JSON, UTF-8 or a tokenizer would choke on become spaces."""
    if not _UNFIT.search(block.text):
        return block
    return replace(block, text=_UNFIT.sub(" ", block.text), header=_UNFIT.sub(" ", block.header))
