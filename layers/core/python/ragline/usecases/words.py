"""Words of any script: where they stand in a text, and when two of them are the same.

A word is a run of letters, digits and their marks; two are the same if they are without case and
accents and, in English, by their stem (Porter2, as in the keyword index). Chinese, Japanese, Thai,
Lao, Burmese and Khmer put no space between words: a run of one of these scripts is one word here.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from ragline.domain.errors import SetupError

_LONGEST_STEMMED = 40
"""Characters. Longer words are no English, and the stemmer takes time by their square."""

# ASCII is cut here, at the speed of C; what holds anything else is cut by ``_finer``.
_ROUGH = re.compile(r"(?:[^\W_]|(?<=\d)(?:\.(?=\d)|,(?=\d{3}(?!\d)))|[^\w\x00-\x7f\s])+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd]"
)
_VOWELS_BEFORE = frozenset("เแโใไເແໂໃໄ")
_VOWELS_AFTER = frozenset("ะาๅະາ")
"""Letters that Thai and Lao write beside the consonant that they belong to."""

# Letters without a decomposition that the keyword index folds all the same.
_TYPED_AS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe"}
)


def words(text: str) -> Iterator[tuple[str, int, int]]:
    """Each word folded, with its span; runs of scripts without spaces are words here."""
    for rough in _ROUGH.finditer(text):
        if (word := rough[0]).isascii():
            yield word.lower(), rough.start(), rough.end()
        else:
            yield from _finer(word, rough.start())


def unspaced(text: str) -> bool:
    """Whether it begins with a letter of a script that puts no space between words."""
    return _UNSPACED.match(text) is not None


def characters(run: str) -> list[tuple[str, int]]:
    """Those of a run without spaces, each folded with its marks and vowels, and where it ends."""
    found: list[tuple[str, int]] = []
    for at, char in enumerate(run):
        counts_as = _folded(char) or ""
        if found and (
            _continues(char, counts_as) or char in _VOWELS_AFTER or found[-1][0] in _VOWELS_BEFORE
        ):
            found[-1] = (_ordered(found[-1][0] + counts_as), at + 1)
        else:
            found.append((counts_as, at + 1))
    return found


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """Of a folded word. It begins as the word does; of a word that is not ASCII it is all of it."""
    if len(word) > _LONGEST_STEMMED or not word.isascii():
        return word
    stem: str = _english().EnglishStemmer().stemWord(word)  # it has state: one for each word
    return stem


def _finer(rough: str, offset: int) -> Iterator[tuple[str, int, int]]:
    """Cut at what is no letter, digit or mark, and where a script without spaces begins or ends."""
    folded, start, end = "", 0, 0
    for at, char in enumerate(rough):
        # Full stops and commas are left only between the digits of a number.
        counts_as = char if char in ".," else _folded(char)
        if folded and (counts_as is None or _changes_script(folded, counts_as)):
            yield _ordered(folded), offset + start, offset + end
            folded = ""
        if counts_as is None or (not folded and _continues(char, counts_as)):
            continue
        if not folded:
            start = at
        folded += counts_as
        if unicodedata.category(char) != "Cf":
            end = at + 1
    if folded:
        yield _ordered(folded), offset + start, offset + end


def _ordered(folded: str) -> str:
    """With the marks of each letter in their canonical order."""
    return unicodedata.normalize("NFD", folded)


def _changes_script(folded: str, counts_as: str) -> bool:
    first = counts_as[:1]
    if not first or unicodedata.category(first)[0] == "M":
        return False
    return unspaced(folded) != unspaced(first)


def _continues(char: str, counts_as: str) -> bool:
    return not counts_as or unicodedata.category(counts_as[0])[0] == "M"


@lru_cache(maxsize=8_192)
def _folded(char: str) -> str | None:
    """What a character counts as: lower case without accents, '' if it counts for nothing.

    None stands between words. Compatibility forms are what they stand for (``ﬁ``, ``Ａ``, ``①``).
    """
    category = unicodedata.category(char)
    if category == "Cf":  # soft hyphens and joiners are inside words; but this one is a space
        return None if char == "\u200b" else ""
    if category[0] not in "LMN":
        return None
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    if "\u2044" in plain:  # the slash of fractions: 1½ is not 112
        return char
    kept = "".join(c for c in plain if unicodedata.category(c)[0] in "LMN" and not _accent(c))
    return kept.translate(_TYPED_AS) if kept or category[0] == "M" else None


def _accent(char: str) -> bool:
    """Accents, and the vowel points of Hebrew and Arabic; no sign that tells letters apart.

    By canonical combining class, https://www.unicode.org/reports/tr44/#Canonical_Combining_Class_Values:
    7-9 are nukta, kana voicing and virama, 84-132 vowels and tones of Telugu, Thai, Lao, Tibetan.
    """
    kind = unicodedata.combining(char)
    return kind == 1 or 10 <= kind <= 36 or kind >= 200


@cache
def _english() -> Any:
    """Snowball's English module alone, in 6 ms: the package's own init loads 38 languages, 100 ms.

    So it is imported below a package of the same folder that has no init.
    """
    found = importlib.util.find_spec("snowballstemmer")
    if found is None or found.submodule_search_locations is None:
        raise SetupError("the package snowballstemmer is missing: install ragline[api].")
    name = "_ragline_snowballstemmer"
    package = ModuleType(name)
    package.__path__ = list(found.submodule_search_locations)
    sys.modules[name] = package
    return importlib.import_module(f"{name}.english_stemmer")
