"""Damage to a file: what disks, networks, converters and attackers do to one, from a seed."""

from __future__ import annotations

import io
import random
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence

_NUMBER = re.compile(rb"\d+")
_TOKEN = re.compile(rb"[A-Za-z_/<>:]{2,}")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_NUMBERS = (b"0", b"1", b"-1", b"255", b"65536", b"2147483647", b"4294967296", b"9" * 25, b"1e999")
_BYTES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b"<", b"(", b"/")
_PNG = b"\x89PNG\r\n\x1a\n"
_LENGTHS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def mutated(data: bytes, seed: str, others: Sequence[bytes]) -> bytes:
    """The file damaged in one to three ways; the same seed damages it alike."""
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = _damaged(data, chance, others)
    return data


def _damaged(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    if data.startswith(b"PK") and chance.random() < 0.6:
        return _within_zip(data, chance, others)
    if data.startswith(b"%PDF") and chance.random() < 0.5:
        return _within_stream(data, chance, others)
    if data.startswith(_PNG) and chance.random() < 0.7:
        return _within_png(data, chance, others)
    return chance.choice(MUTATIONS)(data, chance, others)


def flip(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _n in range(chance.choice((1, 1, 2, 4, 16))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + chance.choice(_BYTES) * (end - start) + data[end:]


def remove(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def duplicate(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    start, end = _span(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 1, 2, 50)) + data[end:]


def splice(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The beginning of this file and the end of another, or a piece of it within this one."""
    other = chance.choice(others)
    start, end = _span(other, chance)
    at = chance.randrange(len(data) + 1)
    tail = data[at:] if chance.random() < 0.5 else b""
    return data[:at] + other[start:end] + tail


def truncate(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def length_field(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A binary number, of two or four bytes, says something else."""
    width = chance.choice((2, 4))
    if len(data) <= width:
        return data
    at = chance.randrange(len(data) - width)
    value = chance.choice(_LENGTHS) & ((1 << 8 * width) - 1)
    return data[:at] + value.to_bytes(width, chance.choice(("little", "big"))) + data[at + width :]


def number(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A number in digits says something else."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    one = chance.choice(found)
    return data[: one.start()] + chance.choice(_NUMBERS) + data[one.end() :]


def swap_tokens(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    found = list(_TOKEN.finditer(data))
    if len(found) < 2:
        return data
    one, two = sorted(chance.sample(found, 2), key=lambda token: token.start())
    between = data[one.end() : two.start()]
    return data[: one.start()] + two.group() + between + one.group() + data[two.end() :]


MUTATIONS: tuple[Mutation, ...] = (
    flip,
    overwrite,
    remove,
    duplicate,
    splice,
    truncate,
    length_field,
    number,
    swap_tokens,
)


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    length = chance.choice((1, 4, 32, 256, max(1, len(data) // 2)))
    return start, min(len(data), start + length)


def _within_zip(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A member damaged, or gone, in an archive that is sound: its checksums are made anew."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError):
        return flip(data, chance, others)  # a mutation before this one broke it
    if not members:
        return data
    victim = chance.randrange(len(members))
    gone = chance.random() < 0.1
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for position, (entry, content) in enumerate(members):
            if position != victim:
                copy.writestr(entry.filename, content)
            elif not gone:
                copy.writestr(entry.filename, _damaged(content, chance, others))
    return target.getvalue()


def _within_png(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A chunk damaged, its length and checksum made anew."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    if not chunks:
        return data
    victim = chance.randrange(len(chunks))
    kind, content = chunks[victim]
    chunks[victim] = kind, chance.choice(MUTATIONS)(content, chance, others)
    return _PNG + b"".join(
        len(content).to_bytes(4, "big")
        + kind
        + content
        + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    )


def _within_stream(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """What a packed stream of a PDF unpacks to is damaged, and packed again."""
    found = list(_STREAM.finditer(data))
    if not found:
        return flip(data, chance, others)
    one = chance.choice(found)
    try:
        content = zlib.decompress(one.group(1))
    except zlib.error:
        return data[: one.start(1)] + flip(one.group(1), chance, others) + data[one.end(1) :]
    packed = zlib.compress(chance.choice(MUTATIONS)(content, chance, others))
    return data[: one.start(1)] + packed + data[one.end(1) :]
