"""Bytes of text to characters, whatever their encoding."""

from __future__ import annotations

import codecs
import re

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MULTIBYTE = ("cp932", "cp949", "gbk", "gb2312", "gb18030", "big5", "big5hkscs", "johab", "hz")
_LITTLE_EVIDENCE = 32
_AS_CHAOTIC = 0.02


def decode(data: bytes, declared: str = "") -> str:
    """The text of ``data``, newlines as ``\\n``; undecodable bytes become U+FFFD.

    A byte order mark decides, then valid UTF-8, then the ``declared`` encoding if it fits, then
    what the bytes look like (judged by a bounded sample).
    """
    text = _decode(data, declared)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_text(data: bytes) -> bool:
    """Whether a sample of the bytes reads as text in some encoding."""
    sample = data[:_SAMPLE]
    if any(sample.startswith(bom) for bom, _ in _BOMS):
        return True
    if encoding := _wide(sample):
        sample = sample.decode(encoding, "replace").encode("utf-8", "replace")
    elif b"\0" in sample:
        return False
    controls = len(_CONTROL.findall(sample.decode("latin-1")))
    return controls * 50 <= len(sample)


def _decode(data: bytes, declared: str) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace")
    if wide := _wide(data[:_SAMPLE]):
        return data.decode(wide, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared and (text := _strict(data, declared)) is not None:
        return text
    lossy = data.decode("utf-8", "replace")
    if _nearly_utf8(lossy):
        return lossy
    return data.decode(_guess(data), "replace")


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        # Pages that say Latin-1 mean Windows-1252: https://encoding.spec.whatwg.org/#names-and-labels
        name = codecs.lookup(encoding).name
        return data.decode("cp1252" if name in ("iso8859-1", "ascii") else name)
    except (LookupError, UnicodeError):
        return None


def _nearly_utf8(lossy: str) -> bool:
    """A few broken bytes in UTF-8 text do not make it another encoding."""
    sample = lossy[: 4 * _SAMPLE]
    broken = sample.count("\ufffd")
    foreign = sum(1 for character in sample if character > "\x7f")
    return broken * 10 < foreign


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: in text of most scripts one byte of each pair is often zero."""
    pairs = len(sample) // 2
    if pairs < 2:
        return ""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > pairs * 0.4 and even < pairs * 0.05:
        return "utf-16-le"
    if even > pairs * 0.4 and odd < pairs * 0.05:
        return "utf-16-be"
    return ""


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = _around_first_foreign_byte(data)
    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return "cp1252"
    if best.encoding in ("utf_8", "ascii"):
        return "utf-8"
    # Few accented bytes are too little evidence for the rarer code pages it then proposes.
    foreign = sum(1 for byte in sample if byte > 0x7F)
    multibyte = best.encoding in _MULTIBYTE or best.encoding.startswith(("shift", "euc", "iso2022"))
    if multibyte or _strict(sample, "cp1252") is None:
        return best.encoding
    as_likely = any(
        match.encoding == "cp1252" and match.chaos <= best.chaos + _AS_CHAOTIC for match in matches
    )
    return "cp1252" if as_likely or foreign < _LITTLE_EVIDENCE else best.encoding


def _around_first_foreign_byte(data: bytes) -> bytes:
    """A sample that holds evidence: a long ASCII preamble has none. Cut at line ends."""
    found = re.search(rb"[\x80-\xff]", data)
    start = data.rfind(b"\n", 0, found.start()) + 1 if found else 0
    sample = data[start : start + _SAMPLE]
    if start + _SAMPLE < len(data) and (end := sample.rfind(b"\n")) > 0:
        sample = sample[:end]
    return sample
