"""Pictures: each frame a page, upright, small enough, and its text that of the OCR engine."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pytest
from PIL import Image, ImageDraw

from ragline.domain.errors import CorruptDocument, FileTooLarge, UnsupportedType
from ragline.domain.pages import PageKind
from ragline.parsing import Format, Source, extract, survey
from ragline.ports import OcrLine


class Told:
    """An engine that says the same of every picture, and keeps what it was shown."""

    fingerprint = "told"

    def __init__(self, *lines: OcrLine, error: Exception | None = None) -> None:
        self.lines = lines
        self.seen: list[Image.Image] = []
        self.error = error

    def read(self, image: bytes) -> Sequence[OcrLine]:
        self.seen.append(Image.open(io.BytesIO(image), formats=["PNG"]))
        if self.error and len(self.seen) == 1:
            raise self.error
        return self.lines


def picture(size: tuple[int, int] = (60, 30), mode: str = "RGB") -> Image.Image:
    drawn = Image.new("L", size, 255)
    ImageDraw.Draw(drawn).rectangle((2, 2, size[0] // 3, size[1] // 3), fill=0)
    return drawn.convert(mode)


def saved(image: Image.Image, format: str, **how: object) -> bytes:
    target = io.BytesIO()
    image.save(target, format, **how)
    return target.getvalue()


LINES = (
    OcrLine("Station handbook", 10, 10, 300, 50),
    OcrLine("The mercury column must be", 10, 80, 400, 100),
    OcrLine("read at eye level.", 10, 104, 300, 124),
)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("name", ["scan.txt", "scan", "scan.pdf"])
def test_a_picture_is_a_page_whose_text_ocr_reads(format: str, name: str) -> None:
    source = Source(saved(picture((600, 300)), format), name, ocr=Told(*LINES))
    told = survey(source)
    assert (told.format, told.pages, told.scanned) == (Format.IMAGE, 1, True)
    found = extract(source)
    assert found.kinds == {1: PageKind.OCR}
    text = "\n".join(block.text for block in found.blocks)
    assert "Station handbook" in text
    assert "The mercury column must be read at eye level." in text
    assert {block.page for block in found.blocks} == {1}


def test_each_frame_of_a_tiff_is_a_page_and_a_range_reads_only_its_own() -> None:
    frames = [picture((60 + 10 * number, 30), "1") for number in range(4)]
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    told = Told(*LINES)
    source = Source(data, "fax.tif", first_page=2, last_page=3, ocr=told)
    assert survey(source).pages == 4
    assert extract(source).kinds == {2: PageKind.OCR, 3: PageKind.OCR}
    assert [image.width for image in told.seen] == [70, 80]


def test_an_animation_is_one_page() -> None:
    frames = [picture(), picture((60, 30), "L").rotate(180)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert survey(Source(data)).pages == 1


def test_without_an_engine_or_without_text_a_picture_is_only_a_picture() -> None:
    data = saved(picture(), "PNG")
    unsure = Told(OcrLine("lllI|", 1, 1, 20, 9, confidence=0.2))
    for ocr in (None, Told(), unsure):
        found = extract(Source(data, ocr=ocr))
        assert (found.kinds, list(found.blocks)) == ({1: PageKind.IMAGE}, [])
    assert extract(Source(saved(Image.new("L", (9, 9), 7), "PNG"))).kinds == {1: PageKind.BLANK}


def test_columns_are_read_one_after_the_other() -> None:
    words = re.findall(r"\w+", "The mercury column must be read at eye level by one of us two")
    rows = [
        OcrLine(f"{side} {' '.join(words[row : row + 5])}", left, top, left + 360, top + 20)
        for row, top in enumerate(range(100, 400, 30))
        for side, left in (("West", 20), ("East", 420))
    ]
    found = extract(Source(saved(picture((800, 1000), "L"), "PNG"), ocr=Told(*rows)))
    west, east = (block.text for block in found.blocks)
    assert (west.count("West"), east.count("East")) == (10, 10)


def test_a_photograph_taken_sideways_is_shown_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    told = Told()
    extract(Source(saved(picture((60, 30)), "JPEG", exif=exif), ocr=told))
    assert told.seen[0].size == (30, 60)
    assert told.seen[0].convert("1").getpixel((25, 5)) == 0  # the dark corner is top right now


def test_transparent_ground_is_white() -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    clear.putpixel((3, 3), (0, 0, 0, 255))
    told = Told()
    extract(Source(saved(clear, "PNG"), ocr=told))
    assert told.seen[0].convert("L").getextrema() == (0, 255)
    assert told.seen[0].convert("L").getpixel((10, 10)) == 255


def test_deep_grey_is_not_cut_to_white() -> None:
    deep = Image.new("I;16", (20, 20), 40_000)
    deep.paste(0, (0, 0, 4, 4))
    told = Told()
    extract(Source(saved(deep, "PNG"), ocr=told))
    assert told.seen[0].getpixel((5, 5)) == 156


def test_a_large_picture_is_made_smaller_and_a_huge_one_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragline.parsing.images._SHOWN_PIXELS", 1_000_000)
    monkeypatch.setattr("ragline.parsing.images.MAX_PICTURE_PIXELS", 5_000_000)
    told = Told()
    extract(Source(saved(picture((2000, 1000), "L"), "PNG"), ocr=told))
    width, height = told.seen[0].size
    assert 900_000 < width * height <= 1_000_000 and abs(width - 2 * height) <= 2
    with pytest.raises(FileTooLarge, match="3,000 x 2,000 pixels"):
        extract(Source(saved(picture((3000, 2000), "1"), "PNG"), ocr=told))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_large_picture_is_not_copied_at_its_full_size(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    data = saved(picture((600, 400), mode), "TIFF")
    copied: list[tuple[int, int]] = []
    convert = Image.Image.convert

    def counted(image: Image.Image, *args: object, **kwargs: object) -> Image.Image:
        copied.append(image.size)
        return convert(image, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("ragline.parsing.images._SHOWN_PIXELS", 60_000)
    monkeypatch.setattr(Image.Image, "convert", counted)
    engine = Told(*LINES)
    extract(Source(data, "scan.tif", ocr=engine))
    assert engine.seen[0].size == (300, 200)
    assert engine.seen[0].convert("L").getpixel((30, 20)) == 0
    assert (600, 400) not in copied


def test_a_large_picture_on_its_side_keeps_its_proportions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragline.parsing.images._SHOWN_PIXELS", 60_000)
    for format in ("TIFF", "JPEG", "PNG"):
        exif = Image.Exif()
        exif[0x0112] = 6
        engine = Told(*LINES)
        data = saved(picture((600, 400)), format, exif=exif)
        extract(Source(data, "scan", ocr=engine))
        assert engine.seen[0].size == (200, 300), format


def test_a_frame_that_cannot_be_read_does_not_hide_the_others() -> None:
    frames = [picture(), picture()]
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    refused = UnsupportedType("The engine refuses this picture.")
    found = extract(Source(data, ocr=Told(*LINES, error=refused)))
    assert found.kinds == {1: PageKind.FAILED, 2: PageKind.OCR}
    (trouble,) = found.trouble
    assert (trouble.page, trouble.code) == (1, "unsupported_type")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "GIF", "WEBP"])
def test_a_picture_that_was_cut_off_is_corrupt(format: str) -> None:
    data = saved(Image.effect_noise((200, 200), 90).convert("RGB"), format)
    with pytest.raises(CorruptDocument):
        extract(Source(data[: len(data) // 2], "scan", ocr=Told()))
