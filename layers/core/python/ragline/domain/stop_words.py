"""Words too common to search for: no keyword index holds them, in whichever store."""

from __future__ import annotations

_ENGLISH = """a an and are as at be but by for if in into is it no not of on or such that the their
then there these they this to was will with"""
STOP_WORDS = frozenset(_ENGLISH.split())
"""Lucene's for English (``EnglishAnalyzer.ENGLISH_STOP_WORDS_SET``), in lower case."""
