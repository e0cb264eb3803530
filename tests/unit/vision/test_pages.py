"""Pages become pictures that every model takes, in a process of its own."""

from __future__ import annotations

import io
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    EncryptedDocument,
    ParsingTimeout,
    PermanentError,
    TooManyPages,
    UnsupportedType,
)
from ragline.ports import Painted
from ragline.vision import pages
from ragline.vision.pages import LONG_SIDE, MAX_BYTES, paint
from ragline.vision.painter import ChildPainter
from tests import samples


def painted(data: bytes, folder: Path, wanted: Sequence[int] = (), most: int = 9) -> Painted:
    file = folder / "upload"
    file.write_bytes(data)
    return paint(file, wanted, folder, most=most)


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


def tiff(frames: int) -> bytes:
    out = io.BytesIO()
    some = [Image.new("L", (60, 40), 40 * n) for n in range(frames)]
    some[0].save(out, "TIFF", save_all=True, append_images=some[1:])
    return out.getvalue()


def test_a_pdfs_pages_are_rendered_as_large_as_models_look_at_them(tmp_path: Path) -> None:
    found = painted(samples.pdf(), tmp_path)
    assert found.total == 2 and set(found.images) == {1, 2} and not found.troubles
    for one in found.images.values():
        assert max(one.width, one.height) == LONG_SIDE
        with Image.open(one.path) as image:
            assert image.size == (one.width, one.height) and image.format == "PNG"
            assert min(image.convert("L").tobytes()) < 100  # there is something on it


def test_only_the_pages_that_are_wanted_and_there_are_rendered(tmp_path: Path) -> None:
    found = painted(samples.pdf(), tmp_path, [2, 7])
    assert found.total == 2 and set(found.images) == {2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.png", "upload"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"])
def test_a_picture_is_a_page(tmp_path: Path, kind: str) -> None:
    found = painted(picture(kind=kind), tmp_path)
    assert found.total == 1 and (found.images[1].width, found.images[1].height) == (60, 40)


def test_the_frames_of_a_tiff_are_pages(tmp_path: Path) -> None:
    found = painted(tiff(3), tmp_path, [1, 3])
    assert found.total == 3
    shades = {}
    for page, one in found.images.items():
        with Image.open(one.path) as image:
            shades[page] = image.getpixel((5, 5))
    assert shades == {1: (0, 0, 0), 3: (80, 80, 80)}


def test_what_is_transparent_is_shown_on_white(tmp_path: Path) -> None:
    found = painted(picture("RGBA"), tmp_path)
    with Image.open(found.images[1].path) as image:
        assert image.getpixel((5, 5)) == (255, 255, 255)


def test_a_picture_on_its_side_is_turned(tmp_path: Path) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(out, "JPEG", exif=exif)
    one = painted(out.getvalue(), tmp_path).images[1]
    assert (one.width, one.height) == (40, 60)


def test_a_large_picture_is_scaled_down_and_one_that_packs_badly_becomes_a_jpeg(
    tmp_path: Path,
) -> None:
    noise = Image.frombytes("RGB", (2_000, 1_500), random.Random(0).randbytes(9_000_000))
    out = io.BytesIO()
    noise.save(out, "BMP")
    one = painted(out.getvalue(), tmp_path).images[1]
    assert (one.width, one.height) == (LONG_SIDE, 1_176)
    with Image.open(one.path) as image:
        assert str(image.format).lower() == one.format
    assert one.path.stat().st_size <= MAX_BYTES


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", CorruptDocument),
        (b"just words", UnsupportedType),
        (samples.docx(), UnsupportedType),
        (b"%PDF-1.7 and nothing more", CorruptDocument),
        (samples.encrypted_pdf(), EncryptedDocument),
    ],
)
def test_what_has_no_pages_is_refused_by_name(
    tmp_path: Path, data: bytes, kind: type[PermanentError]
) -> None:
    with pytest.raises(kind):
        painted(data, tmp_path)


def test_a_picture_that_is_cut_short_is_a_page_that_failed(tmp_path: Path) -> None:
    whole = picture(size=(600, 400), kind="BMP")
    found = painted(whole[: len(whole) // 2], tmp_path)
    assert found.troubles[1].code == "corrupt" and found.troubles[1].page == 1


def test_a_picture_of_too_many_pixels_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_PICTURE_PIXELS", 2_000)
    found = painted(picture(size=(60, 40)), tmp_path)
    assert isinstance(found.troubles[1], Bomb) and not found.images


def test_all_pages_are_only_rendered_if_they_are_not_too_many(tmp_path: Path) -> None:
    with pytest.raises(TooManyPages, match="max_analysis_pages"):
        painted(samples.pdf(), tmp_path, most=1)
    assert painted(samples.pdf(), tmp_path, [2], most=1).images


def in_a_child(
    data: bytes, folder: Path, command: Sequence[str] = (), seconds: float = 60
) -> Painted:
    file = folder / "upload"
    file.write_bytes(data)
    painter = ChildPainter(command) if command else ChildPainter()
    return painter.paint(file, [2, 1], folder, most=9, deadline=time.monotonic() + seconds)


def test_a_child_renders_and_tells_what_it_made(tmp_path: Path) -> None:
    found = in_a_child(samples.pdf(), tmp_path)
    assert found.total == 2 and set(found.images) == {1, 2}
    assert found.images[1].path.read_bytes().startswith(b"\x89PNG")


def test_a_childs_refusal_keeps_its_name_and_words(tmp_path: Path) -> None:
    with pytest.raises(EncryptedDocument, match="password"):
        in_a_child(samples.encrypted_pdf(), tmp_path)


def test_a_page_that_failed_in_the_child_keeps_its_reason(tmp_path: Path) -> None:
    whole = picture(size=(600, 400), kind="BMP")
    (trouble,) = in_a_child(whole[:10_000], tmp_path).troubles.values()
    assert (type(trouble), trouble.page) == (CorruptDocument, 1)


@pytest.mark.data
@pytest.mark.skipif("RAGLINE_DATA" not in os.environ, reason="RAGLINE_DATA is not set")
def test_no_hostile_file_crashes_or_hangs_the_child(tmp_path: Path) -> None:
    """Every tenth; all 131 of them end so, in at most 2 seconds each."""
    folder = Path(os.environ["RAGLINE_DATA"]) / "pdf_malformed"
    files = sorted(file for file in folder.glob("*/*") if file.is_file())
    assert files
    for file in files[::10]:
        began = time.monotonic()
        try:
            found = ChildPainter().paint(file, [1], tmp_path, most=9, deadline=began + 60)
        except (CorruptDocument, EncryptedDocument, UnsupportedType) as error:
            assert "ended the process" not in str(error), file
        else:
            assert found.images or found.troubles or not found.total, file


def test_a_child_that_dies_fails_the_file_and_nothing_else(tmp_path: Path) -> None:
    dying = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
    with pytest.raises(CorruptDocument, match="signal 11"):
        in_a_child(samples.pdf(), tmp_path, dying)


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
    began = time.monotonic()
    with pytest.raises(ParsingTimeout):
        in_a_child(samples.pdf(), tmp_path, hanging, seconds=1)
    assert time.monotonic() - began < 20


def test_a_child_that_takes_too_much_memory_is_refused_it(tmp_path: Path) -> None:
    """By its own word: what it may use is bounded before it opens the file."""
    greedy = (
        "import io, json, sys; from ragline.vision import child, pages;"
        "pages.paint = lambda *_, **__: bytearray(4 << 30);"
        "child.main(sys.stdin, sys.stdout)"
    )
    with pytest.raises(Bomb, match="more memory than allowed"):
        in_a_child(samples.pdf(), tmp_path, [sys.executable, "-c", greedy])


def test_a_child_may_reach_nobody(tmp_path: Path) -> None:
    calling = (
        "import json, socket, sys; from ragline.vision import child, pages;"
        "pages.paint = lambda *_, **__: socket.create_connection(('127.0.0.1', 9));"
        "child.main(sys.stdin, sys.stdout)"
    )
    with pytest.raises(CorruptDocument, match="ended the process"):
        in_a_child(samples.pdf(), tmp_path, [sys.executable, "-c", calling])


def test_a_child_is_given_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for it")
    monkeypatch.setenv("VISION_SECRET_ARN", "nor this")
    said = "{'error': {'code': 'corrupt', 'message': ' '.join(os.environ)}}"
    script = f"import json, os; print(json.dumps({said}))"
    with pytest.raises(CorruptDocument) as raised:
        in_a_child(b"x", tmp_path, [sys.executable, "-c", script])
    names = set(str(raised.value).split())
    assert "PYTHONPATH" in names
    assert not {name for name in names if "AWS" in name or "SECRET" in name}
    assert "AWS_SECRET_ACCESS_KEY" in os.environ
