"""How a collection's documents are cut into passages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ragline.domain.errors import InvalidRequest

MIN_TOKENS = 16
MAX_TOKENS = 254
"""What the embedding models read at once is 256, two of which they add themselves."""
MAX_SECTION_TOKENS = 2_048


class Strategy(StrEnum):
    """Where a text may be cut, and what a hit returns."""

    SECTION = "section"
    """Never across a heading; whole paragraphs while they fit."""
    SENTENCE = "sentence"
    """Never across a heading; whole sentences, whatever paragraphs they stand in."""
    FIXED = "fixed"
    """Windows of so many tokens, whatever the structure."""
    PARENT_CHILD = "parent_child"
    """Small passages, cut as by ``SECTION``, are searched; the section around a hit is returned."""


class Tables(StrEnum):
    """How tables are cut that are longer than a passage."""

    ROWS = "rows"
    """Between rows, the header repeated in every piece."""
    TEXT = "text"
    """As any other text."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """``max_tokens`` of the embedding model are in a passage at most, the headings that are read
    with it included; a passage may begin with ``overlap_tokens`` of the one before at most.
    ``section_tokens``: how much of a section a hit returns at most; 0 but for ``PARENT_CHILD``.
    """

    strategy: Strategy = Strategy.SECTION
    max_tokens: int = MAX_TOKENS
    overlap_tokens: int = 32
    tables: Tables = Tables.ROWS
    section_tokens: int = 0

    def __str__(self) -> str:
        """The same for what is cut alike, another for what is not; part of fingerprints."""
        sizes = f"{self.max_tokens}-{self.overlap_tokens}"
        section = f"-{self.section_tokens}" if self.section_tokens else ""
        return f"{self.strategy}-{sizes}-{self.tables}{section}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a collection's owner chose; None is for us to choose."""

    strategy: Strategy = Strategy.SECTION
    max_tokens: int | None = None
    overlap_tokens: int | None = None
    tables: Tables | None = None
    section_tokens: int | None = None


def chosen(choice: Choice, default: Chunking) -> Chunking:
    """The choice, completed: from the deployment's ``default``, or as the strategy asks for.

    Raises:
        InvalidRequest: a number is out of bounds, or goes with another strategy; names the field.
    """
    small = choice.strategy is Strategy.PARENT_CHILD
    size = _else(choice.max_tokens, lambda: 64 if small else default.max_tokens)
    overlap = min(8 if small else default.overlap_tokens, size // 2)
    text = choice.strategy is Strategy.FIXED
    made = Chunking(
        choice.strategy,
        size,
        _else(choice.overlap_tokens, lambda: overlap),
        choice.tables or (Tables.TEXT if text else Tables.ROWS),
        _else(choice.section_tokens, lambda: max(512, size) if small else 0),
    )
    _check(made)
    return made


def returns_sections(fingerprint: str) -> bool:
    """Whether what was cut under this fingerprint knows the sections that its passages are of."""
    return f"/{Strategy.PARENT_CHILD}-" in fingerprint


def _else(value: int | None, other: Callable[[], int]) -> int:
    return other() if value is None else value


def _check(made: Chunking) -> None:
    _bounded("max_tokens", made.max_tokens, MIN_TOKENS, MAX_TOKENS)
    _bounded("overlap_tokens", made.overlap_tokens, 0, made.max_tokens // 2, "half of max_tokens")
    if made.strategy is Strategy.FIXED and made.tables is Tables.ROWS:
        raise InvalidRequest(
            "chunking.tables: 'fixed' knows no rows; give 'text', or leave it out."
        )
    if made.strategy is Strategy.PARENT_CHILD:
        _bounded("section_tokens", made.section_tokens, made.max_tokens, MAX_SECTION_TOKENS)
    elif made.section_tokens:
        raise InvalidRequest(
            f"chunking.section_tokens: {made.strategy.value!r} returns no sections; leave it out, "
            "or choose the strategy 'parent_child'."
        )


def _bounded(name: str, value: int, least: int, most: int, why: str = "") -> None:
    if not least <= value <= most:
        bound = f"{most} ({why})" if why else f"{most:,}"
        raise InvalidRequest(f"chunking.{name}: {value} is not within {least} to {bound}.")
