"""Pictures: each is a page, and what OCR reads in it is its text."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps

from ragline.domain.chunks import Extraction
from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    FileTooLarge,
    LimitExceeded,
    PermanentError,
)
from ragline.domain.pages import PageKind, PageTrouble
from ragline.parsing.limits import MAX_PICTURE_PIXELS, Source
from ragline.parsing.pdf.furniture import Sheet, without_furniture
from ragline.parsing.pdf.grids import Grid
from ragline.parsing.pdf.layout import blocks_of
from ragline.parsing.pdf.order import in_order
from ragline.parsing.pdf.outline import Outline
from ragline.parsing.pdf.runs import is_right_to_left, line_of
from ragline.parsing.recognised import is_blank, legible, runs_of
from ragline.ports import Ocr

_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP", "MPO")
_SHOWN_PIXELS = 20_000_000
"""What OCR is given at most: A4 at 450 dots per inch. Larger pictures are made smaller."""

_SMOOTH = frozenset({"L", "RGB", "CMYK"})
"""Modes of pictures that are made smaller as they are: a copy of a large one takes 600 MB."""

_SCALE = 200 / 72
"""Pixels to a point, as of a page scanned at 200 dots an inch: pictures seldom say, or lie."""

_DAMAGED = "The picture is damaged or was cut off."


def extract(source: Source) -> Extraction:
    """The frames of a TIFF are pages; of other formats there is one, the first.

    Raises:
        CorruptDocument: no frame can be read.
        FileTooLarge, Bomb: one has too many pixels.
    """
    kinds: dict[int, PageKind] = {}
    trouble: list[PageTrouble] = []
    sheets: list[Sheet] = []
    with _opened(source) as picture:
        for number in source.page_range(_frames(picture)):
            source.check_time(number)
            try:
                kinds[number], sheet = _read(_frame(picture, number), number, source.ocr)
            except LimitExceeded:
                raise
            except PermanentError as error:
                kinds[number], sheet = PageKind.FAILED, Sheet(number, (), 0.0, 0.0)
                trouble.append(PageTrouble(number, error.code, str(error)))
            sheets.append(sheet)
    if trouble and len(trouble) == len(kinds):
        raise CorruptDocument(trouble[0].message)
    shown = without_furniture(sheets)
    pages = list(zip((sheet.number for sheet in sheets), shown, strict=True))
    blocks = [block for page in blocks_of(pages, Outline((), ())) for block in page]
    return Extraction(blocks, kinds, trouble=trouble)


def _read(frame: Image.Image, number: int, ocr: Ocr | None) -> tuple[PageKind, Sheet]:
    """What a frame is, and its lines in reading order."""
    if is_blank(frame):
        return PageKind.BLANK, Sheet(number, (), 0.0, 0.0)
    found = legible(ocr.read(_png(frame))) if ocr else []
    # What was taken askew is given upright, so its foot may be elsewhere.
    height = max([frame.height, *(line.bottom for line in found)]) / _SCALE
    runs = runs_of(found, height, _SCALE)
    reversed_ = sum(is_right_to_left(run.text) for run in runs) * 2 > len(runs)
    rows = in_order(runs, right_to_left=reversed_)
    lines = [line_of(row) for row in rows if not isinstance(row, Grid)]
    return PageKind.OCR if lines else PageKind.IMAGE, Sheet(number, lines, height, 0.0)


def page_count(source: Source) -> int:
    with _opened(source) as picture:
        return _frames(picture)


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    file = io.BytesIO(source.file) if isinstance(source.file, bytes) else source.file
    with warnings.catch_warnings():
        # Pillow warns of large pictures, which have a limit here, and of odd metadata.
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(file, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise Bomb("The picture has more pixels than any that is not an attack.") from error
        except (OSError, ValueError, SyntaxError) as error:
            raise CorruptDocument(_DAMAGED) from error
        with picture:
            yield picture


def _frames(picture: Image.Image) -> int:
    """Those of an animation, and the two of a stereo photograph, are no pages."""
    return int(getattr(picture, "n_frames", 1)) if picture.format == "TIFF" else 1


def _frame(picture: Image.Image, number: int) -> Image.Image:
    """One frame, upright, in grey or colour, on white, of a size that OCR takes."""
    try:
        picture.seek(number - 1)
        _check_size(picture, number)
        picture.draft("RGB", _shown_size(picture))
        picture.load()  # which turns a TIFF upright
        return ImageOps.exif_transpose(_shrunk(_plain(_shrunk(picture, _SMOOTH)), None))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise CorruptDocument(_DAMAGED, page=number) from error


def _shown_size(picture: Image.Image) -> tuple[int, int]:
    shrink = max(1.0, (picture.width * picture.height / _SHOWN_PIXELS) ** 0.5)
    return max(1, int(picture.width / shrink)), max(1, int(picture.height / shrink))


def _shrunk(picture: Image.Image, modes: Collection[str] | None) -> Image.Image:
    """Of a size that OCR takes, if it is of one of these modes (None: any)."""
    size = _shown_size(picture)
    if size == picture.size or (modes is not None and picture.mode not in modes):
        return picture
    return picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _check_size(picture: Image.Image, number: int) -> None:
    if picture.width * picture.height > MAX_PICTURE_PIXELS:
        raise FileTooLarge(
            f"The picture has {picture.width:,} x {picture.height:,} pixels, more than the limit "
            f"of {MAX_PICTURE_PIXELS:,}.",
            page=number,
        )


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        flat = Image.alpha_composite(white, layered).convert("RGB")
        flat.info = dict(picture.info)
        return flat
    return picture.convert("L" if picture.mode in ("1", "L", "I", "F") else "RGB")


def _png(frame: Image.Image) -> bytes:
    target = io.BytesIO()
    frame.save(target, "PNG", compress_level=1)
    return target.getvalue()
