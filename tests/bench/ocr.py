"""How well and how fast the local OCR engine reads: ``python -m tests.bench.ocr [FOLDER]``.

Pages with a known text are rendered at several resolutions and read. They are made here; with a
folder of PDFs that have a text layer, some of theirs are read too. Seconds are of one core's time,
the first page and what loading takes left out; memory is this process's largest.
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from pypdfium2 import PdfDocument, PdfiumError

from ragline.ocr.rapid import RapidOcr
from ragline.parsing.recognised import legible
from tests.bench.parsers.measures import score
from tests.samples import OPENING
from tests.scans import LETTER

RESOLUTIONS = (100, 150, 200, 300)
PAGES_PER_FILE = 2
_LEAST_WORDS = 120
_MOST_FILES = 6
_LOOKED_AT = 40

Page = tuple[str, Any]
"""What it is called, and PDFium's page."""


def made() -> Iterator[Page]:
    """Pages of prose at 11, 9 and 7 points."""
    from fpdf import FPDF

    text = " ".join(LETTER * 9)
    for size in (11, 9, 7):
        document = FPDF()
        document.add_page()
        document.set_font("Times", size=size)
        document.multi_cell(0, size / 2, f"{OPENING}. {text}")
        yield f"made, {size} pt", PdfDocument(bytes(document.output()))[0]


def found(folder: Path) -> Iterator[Page]:
    """Pages full of Latin text, two of a file, of the first files that have some."""
    files = 0
    for path in sorted(folder.rglob("*.pdf")):
        pages: list[Any] = []
        with suppress(PdfiumError):  # damaged: it is not this bench's to judge them
            document = PdfDocument(path)
            some = map(document.__getitem__, range(min(len(document), _LOOKED_AT)))
            pages += islice(filter(_full, some), PAGES_PER_FILE)
        yield from ((path.name[:32], page) for page in pages)
        files += bool(pages)
        if files == _MOST_FILES:
            return


def _full(page: Any) -> bool:
    text = page.get_textpage().get_text_bounded()
    return text.isascii() and len(text.split()) > _LEAST_WORDS


def read(engine: RapidOcr, page: Any, dpi: int) -> tuple[str, float]:
    """What is read, and the seconds of a core that it took."""
    target = io.BytesIO()
    page.render(scale=dpi / 72).to_pil().convert("RGB").save(target, "PNG", compress_level=1)
    began = time.process_time()
    lines = legible(engine.read(target.getvalue()))
    return "\n".join(line.text for line in lines), time.process_time() - began


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.ocr", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="of PDFs with a text layer")
    folder = parser.parse_args(arguments).folder
    pages = [*made(), *(found(folder) if folder else ())]
    engine = RapidOcr()
    read(engine, pages[0][1], RESOLUTIONS[0])  # loads the models
    say(f"{'page':<34}{'dpi':>5}{'token F1':>10}{'order':>8}{'s a page':>10}")
    for dpi in RESOLUTIONS:
        sums = [0.0, 0.0, 0.0]
        for name, page in pages:
            text, seconds = read(engine, page, dpi)
            result = score(text, page.get_textpage().get_text_bounded())
            figures = (result.f1, result.order, seconds)
            sums = [total + one for total, one in zip(sums, figures, strict=True)]
            say(_row(name, dpi, figures))
        say(_row("mean", dpi, [total / len(pages) for total in sums]) + "\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{engine.fingerprint}: at most {peak:,.0f} MiB of memory")
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _row(name: str, dpi: int, figures: Sequence[float]) -> str:
    f1, order, seconds = figures
    return f"{name:<34}{dpi:>5}{f1:>10.3f}{order:>8.3f}{seconds:>10.2f}"


if __name__ == "__main__":
    sys.exit(main())
