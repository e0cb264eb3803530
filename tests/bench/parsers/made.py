"""PDFs that are made for this: their text, and the order it is to be read in, is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.parsers.references import Case
from tests.layouts import LAYOUTS


def files(folder: Path) -> Iterator[Case]:
    """Written into the folder; what repeats at the head of a table's next pages counts too."""
    for name, make in LAYOUTS.items():
        layout = make()
        path = folder / f"{name}.pdf"
        path.write_bytes(layout.pdf)
        yield Case(path, "pdf", "made", layout.text, max(page for _, _, page in layout.blocks))
