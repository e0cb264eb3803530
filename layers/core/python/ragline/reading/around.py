"""Reading a document around the page that kills the parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ragline.domain.chunks import Extraction
from ragline.domain.errors import CorruptDocument
from ragline.domain.pages import PageKind, PageTrouble
from ragline.reading.process import Death

MAX_DEATHS = 40
"""Children that one range of pages may cost; what is not read by then counts as failed."""


class Died(Exception):
    """The child died while it read."""

    def __init__(self, death: Death, reason: tuple[str, str]) -> None:
        super().__init__(reason[1])
        self.death = death
        self.code, self.what = reason


def extract_around(
    read: Callable[[int, int], Extraction], first: int, last: int, died: Died
) -> Extraction:
    """Read pages ``first``..``last``, of which some killed the child: those come out as failed.

    Raises:
        CorruptDocument: there is no other page in the range.
    """
    deaths = [died]
    pieces = list(_pieces(read, first, last, deaths))
    if all(_lost(piece) for piece in pieces):
        raise CorruptDocument(f"{deaths[0].what} on every page.")
    return Extraction(
        blocks=[block for piece in pieces for block in piece.blocks],
        kinds={page: kind for piece in pieces for page, kind in piece.kinds.items()},
        title=next((piece.title for piece in pieces if piece.title), ""),
        trouble=[trouble for piece in pieces for trouble in piece.trouble],
    )


def _pieces(
    read: Callable[[int, int], Extraction], first: int, last: int, deaths: list[Died]
) -> Iterator[Extraction]:
    """``first``..``last`` has just killed: in halves, down to a page."""
    if first == last or len(deaths) >= MAX_DEATHS:
        yield _failed(range(first, last + 1), deaths[-1])
        return
    middle = (first + last) // 2
    for start, end in ((first, middle), (middle + 1, last)):
        try:
            piece = read(start, end)
        except Died as died:
            deaths.append(died)
            yield from _pieces(read, start, end, deaths)
        except CorruptDocument as error:  # none of these few pages can be read
            yield _corrupt(range(start, end + 1), error)
        else:
            yield piece


def _failed(pages: range, died: Died) -> Extraction:
    trouble = [PageTrouble(page, died.code, f"{died.what} on page {page:,}.") for page in pages]
    return Extraction([], dict.fromkeys(pages, PageKind.FAILED), trouble=trouble)


def _corrupt(pages: range, error: CorruptDocument) -> Extraction:
    trouble = [PageTrouble(page, error.code, str(error)) for page in pages]
    return Extraction([], dict.fromkeys(pages, PageKind.FAILED), trouble=trouble)


def _lost(piece: Extraction) -> bool:
    return all(kind is PageKind.FAILED for kind in piece.kinds.values())
