"""No regular expression that meets a user's text takes more than time in step with its length."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

import ragline

OURS = ("ragline.evaluation", "ragline.cli", "ragline.local", "ragline.embedding.")
"""What meets only files and words of whoever runs it."""

PIECES = [
    *"\n\t a1é。の.,;:!?-#/=`~'\"”)]<>&%_\\\x02\u00a0",
    *("1,111", "1.", "a ", ". ", ".”", "\n \n", "a-", "a/", "--", "```", "***", "## "),
    *("<!---->", "<!-- ", "-->", "<?xml ", "<meta ", "charset=", "<html", 'ContentType="'),
    *("title: ", "---\n", "...\n", "Root=1-", "0000", "http://purl.oclc.org/ooxml/", "heading "),
]
ENDS = ["", "!", "\x00", " x"]
SECONDS = 0.15
LONGEST = 8_000


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(ragline.__path__, "ragline."):
        if not found.name.startswith(OURS):
            yield importlib.import_module(found.name)


PATTERNS: dict[str, re.Pattern[str] | re.Pattern[bytes]] = {
    f"{module.__name__}.{name}": value
    for module in modules()
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}


def lengths() -> Iterator[int]:
    """In small steps first: what doubles with each repetition must not run away."""
    yield from range(2, 40, 2)
    length = 40
    while length < LONGEST:
        yield length
        length *= 2


def slow(pattern: re.Pattern[str] | re.Pattern[bytes], piece: str, end: str) -> int:
    """The number of repetitions that take too long; 0 if none does."""
    for times in lengths():
        text = piece * times + end
        if len(text) > LONGEST:
            break
        given = text.encode() if isinstance(pattern.pattern, bytes) else text
        began = time.process_time()
        pattern.search(given)  # type: ignore[arg-type]
        pattern.fullmatch(given)  # type: ignore[arg-type]
        if time.process_time() - began > SECONDS:
            return times
    return 0


def test_the_check_sees_what_is_slow() -> None:
    assert slow(re.compile(r"(a|a)*b"), "a", "!")
    assert slow(re.compile(r"\s*\s*\s*x"), " ", "!")


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_time_in_step_with_the_length_of_the_text(name: str) -> None:
    for piece in PIECES:
        for end in ENDS:
            times = slow(PATTERNS[name], piece, end)
            assert not times, f"{times} of {piece!r} before {end!r} take more than {SECONDS} s"


def test_a_file_of_comments_is_recognised_at_once() -> None:
    """Each comment could once have gone on into the next: 2^n ways to fail, for a small file."""
    from ragline.parsing import Format, sniff

    began = time.process_time()
    comments = b"<!---->" * 100
    assert sniff(comments + b"no page", "a.txt") is Format.TEXT
    assert sniff(comments + b"<html>", "a.txt") is Format.HTML
    assert time.process_time() - began < SECONDS
