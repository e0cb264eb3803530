"""What surrounds the content of a web page: navigation, banners, what is not shown at all."""

from __future__ import annotations

import re

from lxml import etree

DROPPED = ("script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "select")
_ROLES = frozenset({"navigation", "search", "menubar", "toolbar", "alertdialog"})
_CONSENT = re.compile(
    r"(cookie|consent|gdpr|ccpa)[\w-]{0,30}(banner|notice|bar|popup|dialog|modal|overlay|prompt|sdk)"
    r"|cybotcookiebot|onetrust-|didomi-|usercentrics-",
    re.I,
)
_MAX_CONSENT = 5_000
"""Characters of a banner; what is longer is a text about consent."""

_AROUND = ("header", "footer", "aside")


def strip_chrome(root: etree._Element) -> None:
    """Remove it; what follows each removed element stays.

    Where a page says which part is its main one, and that has most of the text, its own headers,
    footers and asides go too, unless its title stands there.
    """
    walk = etree.iterwalk(root, events=("start",), tag=etree.Element)
    for _, element in walk:
        if _is_chrome(element):
            element.tag = "template"
            walk.skip_subtree()
    main = _main(root)
    if main is not None:
        kept = {*main.iterancestors(), *main.iter(*_AROUND)}
        for element in root.iter(*_AROUND):
            if element not in kept and next(element.iter("h1"), None) is None:
                element.tag = "template"
    etree.strip_elements(root, *DROPPED, with_tail=False)


def _is_chrome(element: etree._Element) -> bool:
    if not element.attrib:
        return False
    if element.get("hidden") not in (None, "until-found"):
        return True
    if element.get("role", "").strip().lower() in _ROLES:
        return True
    names = f"{element.get('id', '')} {element.get('class', '')}"
    return bool(_CONSENT.search(names[:1000])) and _length(element, _MAX_CONSENT) < _MAX_CONSENT


def _main(root: etree._Element) -> etree._Element | None:
    found = [
        one for one in root.iter(etree.Element) if one.tag == "main" or one.get("role") == "main"
    ]
    if len(found) != 1:
        return None
    whole = _length(root, 10**9)
    return found[0] if 2 * _length(found[0], 10**9) > whole else None


def _length(element: etree._Element, most: int) -> int:
    """Characters of its text, counted up to ``most``."""
    count = 0
    for text in element.itertext():
        count += len(text.strip())
        if count >= most:
            break
    return count
