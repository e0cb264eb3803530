"""The page about formats names every one, every refusal and every limit."""

from __future__ import annotations

import re
from pathlib import Path

from ragline.parsing import Format, limits, refusals, slices

PAGE = (Path(__file__).parents[3] / "docs/formats.md").read_text()
OF_MANY = {"a", "an", "or", "file", "archive", "picture", "book", "recording"}
FLAT = " ".join(PAGE.split())


def test_the_page_names_every_format() -> None:
    rows = re.findall(r"^\| (.+?) \| .+? \|$", PAGE.partition("## Encodings")[0], re.M)
    named = {name for row in rows for name in re.findall(r"`([a-z]+)`", row)}
    assert named == {format.value for format in Format}


def test_the_page_names_what_is_refused() -> None:
    kinds = [name for _, name in (*refusals._SIGNATURES, *refusals._TEXT_SIGNATURES)]
    for kind in kinds:
        words = set(re.findall(r"\w+", kind.partition(":")[0])) - OF_MANY
        assert any(word in PAGE for word in words), kind


def test_the_page_has_the_limits_that_hold() -> None:
    mib = 2**20
    for said in (
        f"{limits.MAX_UNPACKED // mib} MiB; {limits.MAX_MEMBERS:,};",
        f"; {limits.MAX_XML_MEMBER // mib} MiB",
        f"ratio above {limits.RATIO_FREE // mib} MiB | {limits.MAX_PACKING_RATIO} |",
        f"files in it | {limits.MAX_FILES_INSIDE:,} |",
        f"{limits.MAX_BYTES_INSIDE // 2**30} GiB; {limits.MAX_FILE_INSIDE // mib} MiB",
        f"{limits.MAX_PICTURE_PIXELS:,} pixels",
        f"slices | {slices.REACH[Format.JSONL] // mib} MiB",
        f"within {slices.REACH[Format.TEXT] // 1024} KiB",
    ):
        assert said in FLAT, said
