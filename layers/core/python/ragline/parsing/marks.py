"""What a text is, where its beginning shows it: each mark is one that no other text has."""

from __future__ import annotations

import csv
import json
import re
from itertools import islice

_PAGE = re.compile(
    # A comment ends at its first "-->": one that could go on would be tried in 2^n ways.
    r"\A\s*(<\?xml[^>]*>\s*)?(<!--((?!-->).)*-->\s*)*<(!doctype\s+html|html[\s>])",
    re.I | re.S,
)
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):|[ \t]+\S|>?From ")
_OF_MAILS = frozenset(
    {"from", "to", "cc", "date", "subject", "received", "return-path", "delivered-to", "sender"}
    | {"message-id", "mime-version", "reply-to", "content-type", "in-reply-to", "references"}
)
_OF_NO_OTHERS = frozenset({"from", "received", "return-path", "message-id", "mime-version"})
_MOST_HEADERS = 500
_ELEMENT = re.compile(
    r"\s*<(h[1-6]|p|div|table|body|head|title|ul|ol|dl|section|article|main|header|span)[\s>]", re.I
)
_HEADINGS = re.compile(r"^(#{1,6}) \S.*\n\s*\n", re.M)
_TABLE_RULE = re.compile(r"^.*\|.*\n\|?[ \t]*:?-{3,}:?[ \t]*\|[-:| \t]*$", re.M)
_MARKDOWN = tuple(
    re.compile(pattern, re.M)
    for pattern in (
        r"^#{1,6} \S.*\n\s*\n",
        r"^(```|~~~)[\w+-]*\n",
        r"\[[^\]\n]+\]\((https?://|/|#|\.{0,2}/?[\w-]+\.)[^)\s]*\)",
        r"(?<![\w*])\*\*[^\s*][^*\n]*\*\*(?![\w*])",
    )
)
_DELIMITERS = "\t;|,"
_ROWS = 50
_FEWEST_ROWS = 3
_MOST_HEADER_CHARS = 64


def is_page(head: str) -> bool:
    """An HTML document."""
    return bool(_PAGE.match(head))


def is_xml(head: str) -> bool:
    """XML that says so, and is no page."""
    return head.lstrip("\ufeff").startswith("<?xml") and not is_page(head)


def is_mail(head: str) -> bool:
    """Nothing but header fields up to a blank line, three at least that mails have."""
    names = []
    for line in head.lstrip("\ufeff\r\n").split("\n", _MOST_HEADERS)[:_MOST_HEADERS]:
        if not line.strip():
            break
        found = _HEADER.match(line)
        if not found:
            return False
        names.append((found.group(1) or "").lower())
    known = _OF_MAILS.intersection(names)
    return len(known) >= 3 and not _OF_NO_OTHERS.isdisjoint(known)


def is_json(head: str, *, whole: bool) -> bool:
    """An object, or an array that holds one; of a longer file, as far as the head goes."""
    text = head.strip()
    if not text.startswith(("{", "[")):
        return False
    try:
        value = json.loads(text, parse_int=str)  # Python turns none into a number that is too long
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(text) - 1 or error.msg.startswith("Unterminated")
        return not whole and cut_off and '"' in text[:200]
    except RecursionError:
        return True
    return bool(value) and (isinstance(value, dict) or isinstance(value[0], dict | list))


def is_json_lines(head: str) -> bool:
    """The first line is a whole object, and the next begins as one."""
    first, _, rest = head.lstrip().partition("\n")
    if not first.startswith("{") or not rest.lstrip().startswith("{"):
        return False
    try:
        json.loads(first, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def is_table(head: str, *, whole: bool) -> bool:
    """Some rows at least, all as wide as the first, whose fields are short, distinct names."""
    end = len(head) if whole else head.rfind("\n") + 1
    return any(_is_table(head[:end], delimiter) for delimiter in _DELIMITERS)


def _is_table(text: str, delimiter: str) -> bool:
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    try:
        rows = list(islice((row for row in csv.reader(lines, delimiter=delimiter) if row), _ROWS))
    except csv.Error:
        return False
    if len(rows) < _FEWEST_ROWS or any(len(row) != len(rows[0]) for row in rows):
        return False
    names = [name.strip() for name in rows[0]]
    named = all(0 < len(name) <= _MOST_HEADER_CHARS for name in names)
    # Two clauses and a comma make a sentence as well as a row.
    fewest = 3 if delimiter == "," else 2
    return named and len(set(names)) == len(names) >= fewest


def is_markdown(head: str) -> bool:
    """A table, or headings of two levels, or two others of its marks: one stands in other texts."""
    if _TABLE_RULE.search(head) or len(set(_HEADINGS.findall(head))) > 1:
        return True
    return sum(bool(mark.search(head)) for mark in _MARKDOWN) >= 2


def is_fragment(head: str) -> bool:
    """A piece of HTML: an element of a page, which is closed."""
    found = _ELEMENT.match(head)
    return found is not None and f"</{found[1].lower()}" in head.lower()
