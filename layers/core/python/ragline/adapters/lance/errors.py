"""What LanceDB and its object store raise, in our terms.

Their Rust errors reach Python as ValueError, RuntimeError or OSError with nothing but a text, so
the text is all there is to go by. This module is the one place that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ragline.domain.errors import (
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
    WriteConflict,
)

_KINDS: tuple[tuple[tuple[str, ...], type[RaglineError], str], ...] = (
    (
        ("<Code>SlowDown<", "status: 429", "status code: 429"),
        Throttled,
        "the storage of the index asked to slow down",
    ),
    (
        ("Too many concurrent writ", "ommit conflict for version"),
        WriteConflict,
        "another writer of the index was faster",
    ),
    (
        ("<Code>NoSuchBucket<", "<Code>InvalidAccessKeyId<", "<Code>AccessDenied<", "code: 403"),
        SetupError,
        "the storage of the index refuses us: check that its bucket exists and that we may use it",
    ),
)

_MISSING = ("was not found", "Not found: ")


def translate(error: Exception) -> RaglineError:
    """The same failure as one of our errors; anything unknown is ``ServiceUnavailable``."""
    text = str(error)
    for patterns, kind, sentence in _KINDS:
        if any(pattern in text for pattern in patterns):
            return kind(f"{sentence}.")
    return ServiceUnavailable(f"the vector index failed ({type(error).__name__}).")


def means_missing(error: Exception) -> bool:
    """Whether there is no such table, or a file of it is gone (it was dropped, or made anew)."""
    text = str(error)
    return isinstance(error, ValueError | RuntimeError) and any(words in text for words in _MISSING)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what goes wrong inside as one of our errors, the original one as its cause."""
    try:
        yield
    except RaglineError:
        raise
    except Exception as error:
        raise translate(error) from error
