"""Pages of PDFs and pictures as PNG or JPEG files that every model takes. Runs in the child.

Limits of Amazon Bedrock: an image has at most 3.75 MB and 8,000 pixels a side.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragline.domain.analyses import check_pages
from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    EncryptedDocument,
    PermanentError,
    UnsupportedType,
)
from ragline.ports import PageImage, Painted

if TYPE_CHECKING:
    from PIL.Image import Image

LONG_SIDE = 1_568
"""Pixels. Larger pictures are scaled down by Claude's models before they are looked at, and cost
every model more. https://docs.anthropic.com/en/docs/build-with-claude/vision"""

LARGEST_SCALE = 300 / 72
"""Small pages are not blown up beyond 300 dots an inch."""

MAX_BYTES = 3_500_000
"""Of a picture; under Bedrock's 3.75 MB."""

MAX_PICTURE_PIXELS = 100_000_000
"""Of a picture as it is uploaded: 300 MB in memory."""

_QUALITIES = (90, 75, 50, 25)
_PICTURES = ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP")


def paint(file: Path, pages: Sequence[int], folder: Path, *, most: int) -> Painted:
    """As ``ports.Painter.paint``, without a deadline."""
    with file.open("rb") as stream:
        head = stream.read(1_024)
    if not head.strip():
        raise CorruptDocument("the file is empty.")
    opened = _pdf(file) if b"%PDF-" in head else _picture(file)
    with opened as (total, render):
        check_pages(len(pages) or total, most)
        images: dict[int, PageImage] = {}
        troubles: dict[int, PermanentError] = {}
        for page in [one for one in (pages or range(1, total + 1)) if one <= total]:
            try:
                images[page] = _saved(render(page), folder / f"{page}")
            except PermanentError as error:
                troubles[page] = error
        return Painted(total, images, troubles)


Render = Callable[[int], "Image"]


@contextmanager
def _pdf(file: Path) -> Iterator[tuple[int, Render]]:
    from pypdfium2 import PdfDocument, PdfiumError
    from pypdfium2.raw import FPDF_ERR_PASSWORD

    try:
        document = PdfDocument(file)
    except PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD:
            raise EncryptedDocument("a password is needed to open the PDF.") from error
        raise CorruptDocument("PDFium cannot open it: it is damaged.") from error

    def render(page: int) -> Image:
        try:
            return _rendered(document[page - 1])
        except PdfiumError as error:
            raise CorruptDocument("PDFium cannot render the page.", page=page) from error

    try:
        yield len(document), render
    finally:
        document.close()


def _rendered(page: Any) -> Image:
    width, height = page.get_size()
    longest = max(width, height)
    if not 0 < longest < 1e6 or min(width, height) <= 0:
        raise CorruptDocument("the page has no size.")
    scale = min(LONG_SIDE / longest, LARGEST_SCALE)
    image: Image = page.render(scale=scale).to_pil()
    return image


@contextmanager
def _picture(file: Path) -> Iterator[tuple[int, Render]]:
    from PIL import Image, UnidentifiedImageError

    with _checked():
        try:
            picture = Image.open(file, formats=_PICTURES)
        except UnidentifiedImageError as error:
            raise UnsupportedType(
                "it is neither a PDF nor a picture: it has no pages to show."
            ) from error
        frames = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1

    def render(page: int) -> Image.Image:
        with _checked(page):
            picture.seek(page - 1)
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise Bomb(f"the picture has more than {MAX_PICTURE_PIXELS:,} pixels.")
            return _upright(picture)

    with picture:  # the frames of a GIF are no pages
        yield frames, render


@contextmanager
def _checked(page: int | None = None) -> Iterator[None]:
    """What Pillow says of a bad picture, in our words; we count its pixels ourselves."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError as error:
            raise Bomb(f"the picture has more than {MAX_PICTURE_PIXELS:,} pixels.") from error
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise CorruptDocument("the picture is damaged.", page=page) from error


def _upright(picture: Image) -> Image:
    """As a person would see it, on white."""
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(picture)
    turned.thumbnail((LONG_SIDE, LONG_SIDE))
    if turned.mode in {"RGBA", "LA", "PA"} or "transparency" in turned.info:
        clear = turned.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return turned.convert("RGB")


def _saved(image: Image, path: Path) -> PageImage:
    """As PNG, which blurs no letters; as JPEG if that is too big."""
    png = path.with_suffix(".png")
    image.save(png, "PNG")
    if png.stat().st_size <= MAX_BYTES:
        return PageImage(png, "png", *image.size)
    png.unlink()
    jpeg = path.with_suffix(".jpg")
    for quality in _QUALITIES:
        image.convert("RGB").save(jpeg, "JPEG", quality=quality)
        if jpeg.stat().st_size <= MAX_BYTES:
            return PageImage(jpeg, "jpeg", *image.size)
    raise Bomb("the page's picture does not become small enough to be sent.")
