"""One process that reads files with one parser: ``readers.py PARSER``, paths on standard input.

Writes a JSON object a line: ``ready`` once the parser is loaded, then one per file. It is run by
the parser's own interpreter, so it imports nothing of this repository but, for ``ours``, the
package.
"""

# mypy: disable-error-code="import-not-found,import-untyped,no-any-return,attr-defined"
from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[str], str]


def ours() -> Read:
    from ragline.parsing import Source, extract, survey

    def read(path: str) -> str:
        source = Source(Path(path), Path(path).name)
        survey(source)
        return "\n\n".join(block.text for block in extract(source).blocks)

    return read


def pypdfium2() -> Read:
    import pypdfium2 as pdfium

    def read(path: str) -> str:
        with pdfium.PdfDocument(path) as document:
            return "\n".join(page.get_textpage().get_text_range() for page in document)

    return read


def pypdf() -> Read:
    from pypdf import PdfReader

    return lambda path: "\n".join(page.extract_text() for page in PdfReader(path).pages)


def pdfminer() -> Read:
    from pdfminer.high_level import extract_text

    return extract_text


def pdfplumber() -> Read:
    import pdfplumber

    def read(path: str) -> str:
        with pdfplumber.open(path) as document:
            return "\n".join(page.extract_text() for page in document.pages)

    return read


def liteparse() -> Read:
    from liteparse import LiteParse

    parser = LiteParse(
        ocr_enabled=False, output_format="markdown", quiet=True, max_pages=100_000,
        image_mode="off", extract_links=False,
    )  # fmt: skip
    return lambda path: parser.parse(path).text


def docling_parse() -> Read:
    from docling_core.types.doc.page import TextCellUnit
    from docling_parse.pdf_parser import DoclingPdfParser

    def read(path: str) -> str:
        document = DoclingPdfParser().load(path)
        return "\n".join(
            cell.text
            for _, page in document.iterate_pages()
            for cell in page.iterate_cells(TextCellUnit.LINE)
        )

    return read


def kreuzberg() -> Read:
    from kreuzberg import ExtractionConfig, extract_file_sync

    config = ExtractionConfig(use_cache=False, disable_ocr=True)
    return lambda path: extract_file_sync(path, config=config).content


def markitdown() -> Read:
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)
    return lambda path: converter.convert(path).text_content


def mammoth() -> Read:
    import mammoth

    def read(path: str) -> str:
        with Path(path).open("rb") as file:
            return str(mammoth.convert_to_markdown(file).value)

    return read


def docx2txt() -> Read:
    import docx2txt

    return lambda path: str(docx2txt.process(path))


def trafilatura() -> Read:
    from trafilatura import extract

    return lambda path: extract(Path(path).read_bytes(), favor_recall=True) or ""


def html2text() -> Read:
    from html2text import HTML2Text

    def read(path: str) -> str:
        return HTML2Text(bodywidth=0).handle(Path(path).read_text("utf-8", "replace"))

    return read


def openpyxl() -> Read:
    from openpyxl import load_workbook

    def read(path: str) -> str:
        book = load_workbook(path, data_only=True)
        rows = (row for sheet in book.worksheets for row in sheet.iter_rows(values_only=True))
        return "\n".join(" ".join(str(one) for one in row if one is not None) for row in rows)

    return read


def python_pptx() -> Read:
    from pptx import Presentation

    def read(path: str) -> str:
        shapes = (shape for slide in Presentation(path).slides for shape in slide.shapes)
        return "\n".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)

    return read


def mailparser() -> Read:
    import mailparser

    def read(path: str) -> str:
        mail = mailparser.parse_from_file(path)
        return "\n".join([mail.subject, *(mail.text_plain or mail.text_html)])

    return read


def markdown_it() -> Read:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")

    def read(path: str) -> str:
        tokens = parser.parse(Path(path).read_text("utf-8", "replace"))
        return "\n".join(token.content for token in tokens)

    return read


PARSERS: dict[str, Callable[[], Read]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        ours, pypdfium2, pypdf, pdfminer, pdfplumber, liteparse, docling_parse, kreuzberg,
        markitdown, mammoth, docx2txt, trafilatura, html2text, openpyxl, python_pptx,
        mailparser, markdown_it,
    )
}  # fmt: skip


def peak_memory() -> float:
    """MiB. Linux's ru_maxrss would begin with the memory of the process that started this one."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")  # what a library prints must not get among the answers
    os.dup2(2, 1)

    def say(**said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    read = PARSERS[sys.argv[1]]()
    say(ready=True)
    for line in sys.stdin:
        path = line.rstrip("\n")
        began = time.process_time()
        try:
            text, error = read(path), ""
        except Exception as failure:
            text, error = "", f"{type(failure).__name__}: {failure}"[:200]
        seconds = time.process_time() - began
        say(path=path, text=text, error=error, seconds=seconds, peak=peak_memory())


if __name__ == "__main__":
    main()
