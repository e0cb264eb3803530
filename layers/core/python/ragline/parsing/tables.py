"""Rows of cells to a Markdown table: what people and embedding models both read well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ragline.domain.chunks import Block


def table(
    rows: Iterable[Sequence[str]], *, page: int | None = None, heads: int = 1
) -> Block | None:
    """A table block; None if no cell has text.

    Its first ``heads`` rows are its header. Empty rows and columns are left out; short rows are
    filled up.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    heads = max(1, sum(any(row) for row in cells[:heads]))
    cells = [row for row in cells if any(row)]
    if not cells:
        return None
    width = max(map(len, cells))
    used = sorted({column for row in cells for column, cell in enumerate(row) if cell})
    if len(used) < width:
        cells = [[row[column] if column < len(row) else "" for column in used] for row in cells]
    head, *body = [_line(row, len(used)) for row in cells]
    if not body:
        return Block("table", head, page=page)
    # Markdown has headers of one row: further ones stand below the rule, and are repeated too.
    header = "\n".join([head, f"|{' --- |' * len(used)}", *body[: heads - 1]]) + "\n"
    return Block("table", header + "\n".join(body[heads - 1 :]), page=page, header=header)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") if text else ""


def _line(cells: Sequence[str], width: int) -> str:
    filled = [*cells, *[""] * (width - len(cells))]
    return f"| {' | '.join(filled)} |"
