"""What of a text Pinecone's keyword index is given: words that its own analyser leaves as they are.

That analyser splits at spaces and punctuation, so it cannot find Chinese, Japanese or Thai, and it
keeps accents. Passages and queries are cut here instead, alike, and joined by spaces; English
stems are left to it (``stemming`` of the field). Its analyser, as documented:
https://docs.pinecone.io/guides/search/full-text-search/text-processing
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from ragline.domain.stop_words import STOP_WORDS

LONGEST_BYTES = 39
"""Longer tokens may not be found: Pinecone caps them at 40. Ours are cut to this much UTF-8."""

# Thai, Lao, Burmese, Khmer, kana and Han: no space stands between words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
)
# Vowel signs of the scripts of India are no \w, yet inside words; dandas are full stops.
_INDIC = "\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:[{_INDIC}]|[^\W_{_UNSPACED}])+")


def terms(text: str) -> Iterator[str]:
    """Lower-case words without accents and stop words, in order and repeated as they are.

    Where a script puts no space between words: each character, and each two that are neighbours.
    """
    for word in _WORD.findall(_plain(text)):
        if re.match(f"[{_UNSPACED}]", word):
            yield from word
            yield from map("".join, pairwise(word))
        elif word not in STOP_WORDS:
            yield _cut(word)


def _plain(text: str) -> str:
    """Without case and accents; one way to write each character.

    Lone surrogates, which have no UTF-8, become question marks.
    """
    whole = text.encode(errors="replace").decode()
    # Twice: mathematical letters have a case only once they are taken apart.
    marked = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", whole).casefold())
    return unicodedata.normalize("NFC", "".join(char for char in marked if not _accent(char)))


def _accent(char: str) -> bool:
    """Accents, and the vowel points of Hebrew and Arabic; no mark that tells letters apart.

    By combining class: 7-9 are nukta, kana voicing and virama, 84-132 vowels and tones of Telugu,
    Thai, Lao and Tibetan. https://www.unicode.org/reports/tr44/#Canonical_Combining_Class_Values
    """
    kind = unicodedata.combining(char)
    return kind == 1 or 10 <= kind <= 36 or kind >= 200


def _cut(word: str) -> str:
    return word.encode()[:LONGEST_BYTES].decode(errors="ignore")
