"""What is cited is where it is said to be: every chunk of real PDFs, looked for in the original.

Needs the folder named by ``RAGLINE_DATA``, with ``docs/pdf``.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pypdfium2 import PdfDocument

from ragline.chunking import chunk
from ragline.domain.errors import PermanentError
from ragline.parsing import Format, Source, extract
from tests.unit.test_chunking import Words

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("RAGLINE_DATA" not in os.environ, reason="RAGLINE_DATA is not set"),
]
MAX_PAGES = 40
"""Of each document: every one of them begins on page 1, and goes on like that."""

FOUND = 0.95
"""The share of a passage's words that must stand on the pages it cites, as PDFium itself has them:
words that a hyphen or a column's edge cut are put together in another way here and there."""

_HAN = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(f"[{_HAN}]{{2}}|[^\\W\\d_{_HAN}]{{4,}}")
_LAM_ALEF = str.maketrans("", "", "\u0644\u0622\u0623\u0625\u0627")
"""PDFium has the letters of this ligature the wrong way round."""

_HYPHEN = re.compile("(?:[-\u2010\u00ad\x02\ufffe])\\s*")


def words(text: str) -> list[str]:
    """Words of four letters and more, pairs of Chinese or Japanese characters.

    They are in their compatibility forms, and what a hyphen parts is joined.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_LAM_ALEF)
    return _WORD.findall(_HYPHEN.sub("", plain))


def on_page(document: PdfDocument, number: int) -> str:
    return letters(document[number - 1].get_textpage().get_text_range())


def letters(text: str) -> str:
    """Nothing but letters, without what stands between them."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_LAM_ALEF)
    return "".join(one for one in plain if one.isalpha())


def not_found(path: Path) -> Iterator[str]:
    extraction = extract(Source(path, path.name, last_page=MAX_PAGES), Format.PDF)
    headers = {block.header: block.page for block in reversed(extraction.blocks) if block.header}
    chunks = list(chunk(extraction, tokenizer=Words()))
    document = PdfDocument(path)
    page_text = cache(lambda number: on_page(document, number))
    bookmarks = letters(" ".join(one.get_title() for one in document.get_toc()))
    for one in chunks:
        assert one.page and one.page_end and one.page <= one.page_end
        # The header of a table is repeated overleaf, where it need not be printed.
        begun = [page for header, page in headers.items() if header in one.text and page]
        cited = "".join(map(page_text, [*begun, *range(one.page, one.page_end + 1)])) + bookmarks
        wanted = words(one.text)
        lost = Counter(word for word in wanted if word not in cited)
        if lost.total() > max(1, (1 - FOUND) * len(wanted)):
            yield f"{path.name} p. {one.page}-{one.page_end}: {lost.most_common(5)}"


def test_every_passage_of_a_real_pdf_stands_on_the_pages_that_it_cites() -> None:
    root = Path(os.environ["RAGLINE_DATA"]) / "docs" / "pdf"
    wrong: list[str] = []
    read = 0
    for path in sorted(root.glob("*.pdf")):
        try:
            lost = list(not_found(path))
        except PermanentError:
            continue
        read += 1
        wrong += lost
    assert read > 70
    assert not wrong
