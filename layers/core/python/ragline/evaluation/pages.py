"""A collection's documents as the files that people would upload."""

from __future__ import annotations

import html
import re

from ragline.evaluation.datasets import Entry


def filename(position: int) -> str:
    """By its position in the collection: a name that tells a searcher nothing."""
    return f"{position:07d}.html"


def is_page(name: str) -> bool:
    """Whether a file is named as those here."""
    return re.fullmatch(r"\d{7}\.html", name) is not None


def page(entry: Entry) -> bytes:
    """The title as heading, the text below it, as HTML: whatever is in them is read as text.

    The id is in the head, which is not read, so that two entries of the same words are two files.
    """
    paragraphs = [part for part in entry.text.split("\n\n") if part.strip()]
    body = "".join(f"<p>{_escaped(part)}</p>\n" for part in paragraphs)
    title = _escaped(entry.title).strip()
    heading = f"<h1>{title}</h1>\n" if title else ""
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f'<meta name="entry" content="{_escaped(entry.id)}"></head>\n'
        f"<body>\n{heading}{body}</body></html>\n"
    ).encode("utf-8", "replace")


def _escaped(text: str) -> str:
    """Control characters would make it a file that is not text."""
    return html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", " ", text))
