"""What a person sees of a passage first: the words that matched, and the lines around them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragline.domain.chunks import Chunk
from ragline.usecases.terms import Match, matches, terms
from ragline.usecases.words import unspaced

WIDTH = 240
"""Characters of a snippet, at most: about three lines."""

_SENTENCE_END = re.compile(r"\n+|[.!?…][\"'”’)\]]*\s+(?=[^\sa-z])|[。！？｡][\"'”’」』）]*")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Snippet:
    """``text`` is ``passage[start:end]``, at most ``WIDTH`` characters of it.

    ``highlights`` are the matches inside it, counted from its own beginning. Something of the
    passage was left out before it if ``start`` > 0, and after it if ``end`` is not its length;
    whitespace apart, which a snippet neither begins nor ends with.
    """

    text: str
    start: int
    end: int
    highlights: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Highlight:
    """``matches`` in the passage, in order and disjoint.

    ``terms``, each once: those of the passage in their order, then those only of its headings,
    which are searched with it.
    """

    matches: Sequence[Match]
    terms: Sequence[str]
    snippet: Snippet


def highlight(query: str, passages: Sequence[Chunk]) -> list[Highlight]:
    """One for each passage. A term counts for more the fewer of these passages it is in."""
    wanted = terms(query)
    found = [matches(wanted, passage.text) for passage in passages]
    having = Counter(term for one in found for term in {match.term for match in one})
    weights = {term: _weight(term, len(found), count) for term, count in having.items()}
    return [
        Highlight(
            one,
            _distinct([*one, *matches(wanted, passage.context)]),
            _snippet(passage.text, one, weights),
        )
        for passage, one in zip(passages, found, strict=True)
    ]


def _distinct(found: Sequence[Match]) -> list[str]:
    return list(dict.fromkeys(match.term for match in found))


def _weight(term: str, passages: int, having: int) -> float:
    """As an inverse document frequency; a long piece without spaces stands for several words."""
    words = len(term) / 2 if unspaced(term) else 1.0
    return math.log1p(passages / having) * max(words, 1.0)


def _snippet(passage: str, found: Sequence[Match], weights: Mapping[str, float]) -> Snippet:
    core = _densest(found, weights) or _beginning(passage)
    start, end = _widened(passage, *core)
    inside = [(m.start - start, min(m.end, end) - start) for m in found if start <= m.start < end]
    return Snippet(passage[start:end], start, end, inside)


def _beginning(passage: str) -> Span:
    start = len(passage) - len(passage.lstrip())
    return start, start


def _densest(found: Sequence[Match], weights: Mapping[str, float]) -> Span | None:
    """The first span, of ``WIDTH`` at most, whose distinct terms weigh most; no longer than needed.

    Where every match is longer than that, the place of the first; None where nothing matched.
    """
    best, most = (found[0].start, found[0].start) if found else None, 0.0
    counts: Counter[str] = Counter()
    first = 0
    for match in found:
        counts[match.term] += 1
        while match.end - found[first].start > WIDTH or counts[found[first].term] > 1:
            counts[found[first].term] -= 1
            first += 1
            if found[first - 1] is match:
                break
        weight = sum(weights[term] for term, count in counts.items() if count)
        if weight > most:
            best, most = (found[first].start, match.end), weight
    return best


def _widened(passage: str, start: int, end: int) -> Span:
    """Up to ``WIDTH`` characters around a span that is no longer: whole sentences where they fit,
    else as much as fits of the one, with its beginning or its end if that is near."""
    cuts = [0, *(found.end() for found in _SENTENCE_END.finditer(passage)), len(passage)]
    starts = [_past_space(passage, cut, start) for cut in cuts if cut <= start]
    ends = [_before_space(passage, cut, end) for cut in cuts if cut >= end and cut > start] or [end]
    left, right = starts[-1], ends[0]
    if right - left <= WIDTH:
        right = max(cut for cut in ends if cut - left <= WIDTH)
        left = min(cut for cut in starts if right - cut <= WIDTH)
    elif end - left <= WIDTH:
        right = _cut_before(passage, left + WIDTH, start, end)
    elif right - start <= WIDTH:
        left = _cut_after(passage, right - WIDTH, start)
    else:
        left = _cut_after(passage, start - (WIDTH - (end - start)) // 2, start)
        right = _cut_before(passage, left + WIDTH, start, end)
    return left, right


def _past_space(passage: str, cut: int, start: int) -> int:
    return start - len(passage[cut:start].lstrip())


def _before_space(passage: str, cut: int, end: int) -> int:
    return end + len(passage[end:cut].rstrip())


def _cut_after(passage: str, earliest: int, start: int) -> int:
    """The first place between words from ``earliest`` on; else ``start``: a word begins there."""
    found = (at for at in range(earliest, start) if _between_words(passage, at))
    return _past_space(passage, next(found, start), start)


def _cut_before(passage: str, latest: int, start: int, end: int) -> int:
    """The last place between words up to ``latest``, but not before ``end``, where a word ends.

    A snippet that is to begin at ``start`` and holds no match must hold something.
    """
    found = (at for at in range(latest, end, -1) if _between_words(passage, at))
    cut = next(found, end if end > start else latest)
    return _before_space(passage, cut, end)


def _between_words(passage: str, at: int) -> bool:
    before, after = passage[at - 1], passage[at]
    if unicodedata.category(after)[0] == "M":
        return False
    return before.isspace() or after.isspace() or unspaced(before) or unspaced(after)
