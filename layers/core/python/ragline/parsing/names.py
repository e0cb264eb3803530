"""Names of files within files: decoded, and made safe to keep and to show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from ragline.parsing.decoding import encoding_of

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Control characters, and those that turn the direction of what is shown after them."""

_DRIVE = re.compile(r"\A[A-Za-z]:")
_MAX_PART = 200
_MAX_PATH = 600
"""Bytes of a name, and of a whole path, in UTF-8; a key in a bucket may have 1,024."""

_OF_DOS = "cp437"
_OF_EAST_ASIA = ("cp932", "gbk", "gb18030", "big5", "cp949", "euc_jp", "euc_kr", "shift_jis")


def decoded(names: Sequence[bytes]) -> list[str]:
    """Names of one archive that does not say their encoding: UTF-8, as they look, or that of DOS.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, appendix D
    """
    together = b"\n".join(names)
    encoding = encoding_of(together)
    if encoding != "utf-8" and not encoding.startswith(_OF_EAST_ASIA):
        encoding = _OF_DOS
    return [name.decode(encoding, "replace") for name in names]


def clean_path(name: str) -> str:
    """A path below its archive: no drive, root, ``..`` or control character is left in it."""
    parts = [
        _shortened(" ".join(_UNFIT.sub(" ", part).split()))
        for part in _DRIVE.sub("", name).replace("\\", "/").split("/")
    ]
    kept = [part for part in parts if part.strip(". ")]
    while len(kept) > 1 and len("/".join(kept).encode()) > _MAX_PATH:
        kept.pop(0)
    return "/".join(kept) or "unnamed"


def numbered(paths: Iterable[str]) -> list[str]:
    """The same paths, those that came before told apart by a number: ``a (2).txt``."""
    seen: set[str] = set()
    numbers: dict[str, int] = {}
    told: list[str] = []
    for path in paths:
        one, plain = path, PurePosixPath(path)
        while one in seen:
            numbers[path] = numbers.get(path, 1) + 1
            one = str(plain.with_name(f"{plain.stem} ({numbers[path]}){plain.suffix}"))
        seen.add(one)
        told.append(one)
    return told


def _shortened(part: str) -> str:
    """At most so many bytes, its extension kept."""
    data = part.encode("utf-8", "replace")
    if len(data) <= _MAX_PART:
        return data.decode()
    suffix = PurePosixPath(part).suffix.encode("utf-8", "replace")[:20]
    return data[: _MAX_PART - len(suffix)].decode("utf-8", "ignore") + suffix.decode(
        "utf-8", "ignore"
    )
