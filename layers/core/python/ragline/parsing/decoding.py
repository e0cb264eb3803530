"""Bytes of text to characters, whatever their encoding."""

from __future__ import annotations

import codecs
import re

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 * 1024
_SEVEN_BIT = frozenset({"hz", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3"}) | {
    "iso2022_jp_2004",
    "iso2022_jp_ext",
    "iso2022_kr",
    "utf-7",
}
"""Encodings, as Python names them, whose bytes are ASCII and mean something else."""

_JAPANESE = "iso2022_jp_ext"
_TO_JAPANESE = re.compile(rb"\x1b\$[@B]")
"""How two-byte characters begin in it: https://www.rfc-editor.org/rfc/rfc1468"""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MULTIBYTE = ("cp932", "cp949", "gbk", "gb2312", "gb18030", "big5", "big5hkscs", "johab", "hz")
_LITTLE_EVIDENCE = 32
_FOREIGN = re.compile(rb"[^\0\t\n\f\r\x20-\x7e]")
_AS_CHAOTIC = 0.02
_USUAL = re.compile(
    "[\t\n\r\x20-\x7e\xa0-\u024f\u0370-\u06ff\u0900-\u097f\u0e00-\u0e7f\u2010-\u2027"
    "\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uffef]"
)
"""Characters that fill a text: Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, CJK."""


def decode(data: bytes, declared: str = "") -> str:
    """The text of ``data``, newlines as ``\\n``; undecodable bytes become U+FFFD.

    A byte order mark decides, then an encoding in seven bits (``declared``, or Japanese by its
    escapes), then valid UTF-8, then the ``declared`` encoding if it fits, then what the bytes look
    like (judged by a bounded sample).
    """
    return unified(_decode(data, declared))


def unified(text: str) -> str:
    """The text with every line end as ``\\n``, and without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(head: bytes) -> str:
    """The name of the encoding that the first bytes of a text are in, as ``decode`` finds it."""
    head = head[:_SAMPLE]
    if marked := _marked(head) or _wide(head):
        return marked
    if head.isascii() and _TO_JAPANESE.search(head):
        return _JAPANESE
    lossy = codecs.getincrementaldecoder("utf-8")("replace").decode(head)
    return "utf-8" if "\ufffd" not in lossy or _nearly_utf8(lossy) else _guess(head)


def is_text(data: bytes) -> bool:
    """Whether a sample of the bytes reads as text in some encoding."""
    sample = data[:_SAMPLE]
    if _marked(sample):
        return True
    if encoding := _wide(sample):
        sample = sample.decode(encoding, "replace").encode("utf-8", "replace")
    elif b"\0" in sample:
        return False
    controls = len(_CONTROL.findall(sample.decode("latin-1")))
    return controls * 50 <= len(sample)


def _decode(data: bytes, declared: str) -> str:
    if marked := _marked(data) or _wide(data[:_SAMPLE]):
        return data.decode(marked, "replace")
    if data.isascii() and (text := _escaped(data, declared)) is not None:
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared and (text := strictly(data, declared)) is not None:
        return text
    lossy = data.decode("utf-8", "replace")
    if _nearly_utf8(lossy):
        return lossy
    return data.decode(_guess(data), "replace")


def _escaped(data: bytes, declared: str) -> str | None:
    """The text, if these bytes are in an encoding of ASCII characters that stand for others."""
    text = strictly(data, declared) if declared and _name(declared) in _SEVEN_BIT else None
    if text is None and _TO_JAPANESE.search(data):
        return strictly(data, _JAPANESE)
    return text


def _name(encoding: str) -> str:
    """As Python has it; '' for none that it knows."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return ""


def _marked(data: bytes) -> str:
    """What its byte order mark says; '' without one."""
    return next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "")


def strictly(data: bytes, encoding: str) -> str | None:
    """The text, if the bytes fit the encoding, and there is one of that name."""
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
    """UTF-16 or UTF-32 without a mark; '' for anything else.

    In text of most scripts the high bytes are often zero, and in any text those of spaces and line
    ends are; read in another order, such units are characters that no one uses.
    """
    if b"\0" not in sample:
        return ""
    foreign = _FOREIGN.search(sample) is not None
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        whole = sample[: len(sample) // width * width]
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(whole)
        except UnicodeDecodeError:
            continue
        if len(text) > 1 and _reads(text, sample.count(0), foreign=foreign):
            return encoding
    return ""


def _reads(text: str, zeros: int, *, foreign: bool) -> bool:
    """Whether these characters are a text rather than bytes taken in the wrong width or order.

    Two small letters of ASCII are always one of Chinese, so a text has ``foreign`` bytes as well.
    """
    if "\0" in text or zeros * 200 < len(text):
        return False
    latin = sum(1 for character in text if character <= "\x7e")
    if latin * 10 >= len(text) * 4:
        return True
    return foreign and len(_USUAL.findall(text)) * 20 >= len(text) * 19


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
    if multibyte or strictly(sample, "cp1252") is None:
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
