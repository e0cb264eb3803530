"""Matched words and snippets, on any text."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.chunks import Chunk
from ragline.usecases.highlight import WIDTH, Highlight, highlight
from ragline.usecases.terms import matches, terms
from ragline.usecases.words import stem

SCRIPTS = (
    "aeiou stnrßﬁİıøéΣςй½²Ａ'’-.,:\n\u0301\u0327\u00ad\u200b\u200d東京都の人口はかなカナｶﾞ가각"
    "हिन्दीไทยที่เมืองລາວខ្មែរمُدُن"
)
ANY = st.text(max_size=120) | st.text(st.sampled_from(SCRIPTS), max_size=120)


def marked(query: str, text: str) -> list[str]:
    return [text[match.start : match.end] for match in matches(terms(query), text)]


def shown(query: str, *texts: str, headings: tuple[str, ...] = ()) -> list[Highlight]:
    return highlight(query, [Chunk(0, text, 1, 0, len(text), headings) for text in texts])


def snippet(query: str, text: str) -> str:
    return shown(query, text)[0].snippet.text


@pytest.mark.parametrize(
    ("query", "text", "words"),
    [
        ("delete", "Deletes and DELETED; undelete.", ["Deletes", "DELETED"]),
        ("converted", "conversion converts converting", ["converts", "converting"]),
        ("how do I delete it?", "how do I delete it?", ["delete"]),
        ("what's l'eau", "the s of l'eau", ["eau"]),
        ("vitamin C", "vitamins c and d", ["vitamins", "c"]),
        ("max_file_bytes", "MAX_FILE_BYTES of a file", ["MAX", "FILE", "BYTES", "file"]),
        ("4.1 or 10,000", "4.1 of 10,000, not 4 or 1 or 10", ["4.1", "10,000"]),
        ("2019", "2019,4,Berlin", ["2019"]),
        ("covid-19", "Covid 19", ["Covid", "19"]),
    ],
)
def test_the_words_of_the_query_are_marked_in_their_other_forms(
    query: str, text: str, words: list[str]
) -> None:
    assert marked(query, text) == words


@pytest.mark.parametrize(
    ("query", "text", "words"),
    [
        ("strasse", "die Straße", ["Straße"]),
        ("STRASSE", "straßen", []),
        ("resume", "résumé and re\u0301sume\u0301", ["résumé", "re\u0301sume\u0301"]),
        ("résumé", "resume", ["resume"]),
        ("file", "ﬁles", ["ﬁles"]),
        ("istanbul", "İSTANBUL İstanbul ıstanbul", ["İSTANBUL", "İstanbul", "ıstanbul"]),
        ("Lodz", "in Łódź", ["Łódź"]),
        ("ΟΔΟΣ", "οδός", ["οδός"]),
        ("ABC 1", "ＡＢＣ ①", ["ＡＢＣ", "①"]),
        ("cooperation", "co\u00adoper\u00adation\u00ad.", ["co\u00adoper\u00adation"]),
        ("مدن", "مُدُن", ["مُدُن"]),
        ("112", "1½", []),
        ("हिन्दी", "हिन्दी हन्द", ["हिन्दी"]),
    ],
)
def test_case_accents_and_ways_of_writing_make_no_difference(
    query: str, text: str, words: list[str]
) -> None:
    assert marked(query, text) == words


@pytest.mark.parametrize(
    ("query", "text", "pieces"),
    [
        ("東京都の人口", "東京の人口は多い。東京都。", ["東京", "の人口", "東京都"]),
        ("水", "水曜日の水", ["水", "水"]),
        ("水道水", "水", []),
        ("機械学習とは", "深層学習とは何か。から。", ["学習とは"]),
        ("これから", "それから", []),
        ("ｶﾞｽ", "ガス", ["ガス"]),
        ("カ", "ガ", []),
        ("iPhone手机", "手机iPhone和iPad", ["手机", "iPhone"]),
        ("ประชากรไทย", "คนไทยมีประชากร", ["ประชากร"]),
        ("ที่", "ที่", ["ที่"]),
        ("ລາວ", "ປະເທດລາວ", ["ລາວ"]),
    ],
)
def test_without_spaces_the_longest_pieces_of_the_query_are_marked(
    query: str, text: str, pieces: list[str]
) -> None:
    assert marked(query, text) == pieces


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("to be or not to be", []),
        ("who are you?", ["who", "you", "you"]),
        ("who is the author", ["author"]),
        ("?! (*+[ 😀", []),
        ("", []),
    ],
)
def test_stop_words_are_not_marked_and_question_words_only_where_nothing_else_is(
    query: str, words: list[str]
) -> None:
    assert marked(query, "who are you, the author, to be or not you 😀?! (*+[") == words


@given(query=ANY, text=ANY)
def test_every_match_is_a_form_of_its_term_in_order_and_apart(query: str, text: str) -> None:
    end = 0
    for match in matches(terms(query), text):
        assert end <= match.start < match.end <= len(text)
        end = match.end
        form = text[match.start : match.end]
        assert [(m.start, m.end) for m in matches(terms(match.term), form)] == [(0, len(form))]
        assert matches(terms(query), match.term)


@given(text=ANY)
def test_a_text_matches_itself_wherever_its_own_words_stand(text: str) -> None:
    again = f"{text}\n{text}"
    once = marked(text, text)
    assert marked(text, again) == once + once


@given(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=12))
def test_a_stem_begins_as_its_word_does(word: str) -> None:
    assert stem(word)[0] == word[0]


@given(query=ANY, passages=st.lists(ANY.map(lambda text: text * 5), max_size=3))
def test_a_snippet_is_a_slice_that_is_short_trimmed_and_marked_inside(
    query: str, passages: list[str]
) -> None:
    for passage, found in zip(passages, shown(query, *passages), strict=True):
        cut = found.snippet
        assert cut.text == passage[cut.start : cut.end]
        assert len(cut.text) <= WIDTH
        assert cut.text == cut.text.strip()
        assert bool(cut.text) == bool(passage.strip())
        assert bool(cut.highlights) == bool(found.matches)
        ends = [0, *(end for _, end in cut.highlights)]
        assert all(end <= start for end, (start, _) in zip(ends, cut.highlights, strict=False))
        for start, end in cut.highlights:
            assert 0 <= start < end <= len(cut.text)
        within = [m for m in found.matches if m.start >= cut.start and m.end <= cut.end]
        spans = [(m.start - cut.start, m.end - cut.start) for m in within]
        assert set(spans) <= set(cut.highlights)


FILLER = "Nothing of the sort is told in here, and it goes on like this for a while. "


def test_a_snippet_shows_whole_sentences_around_the_most_distinct_terms() -> None:
    wanted = "A rain gauge is emptied at noon."
    text = f"The rain came. {FILLER * 4}{wanted} {FILLER * 4}"
    lines = snippet("rain gauge noon", text)
    assert lines.startswith(wanted)
    assert lines.removeprefix(wanted).strip() == (FILLER * 2).strip()


def test_a_term_that_few_of_the_passages_have_decides_between_places() -> None:
    one = f"The index is here. {FILLER * 4}A tombstone is there."
    others = ["The index again.", "An index.", "Index."]
    assert "tombstone" in shown("index tombstone", one, *others)[0].snippet.text
    assert "index" in shown("index here", f"index. {FILLER * 4}", "here")[0].snippet.text


def test_a_longer_sentence_is_cut_between_words_around_its_matches() -> None:
    words = " ".join(f"word{n}" for n in range(200))
    lines = snippet("word100", words)
    assert "word100" in lines
    assert 200 < len(lines) <= WIDTH
    assert lines.split()[0] in words.split()
    assert lines.split()[-1] in words.split()
    assert lines.index("word100") > 80
    assert snippet("word1", words).startswith("word0 ")
    assert snippet("word199", words).endswith(" word199")


def test_without_a_match_a_snippet_is_the_passage_s_beginning() -> None:
    text = f"\n  {FILLER * 9}"
    lines = snippet("barometer", text)
    assert text.strip().startswith(lines)
    assert lines == (FILLER * 3).strip()
    assert snippet("barometer", "x" * 1_000) == "x" * WIDTH
    assert snippet("barometer", "  \n ") == ""


def test_a_script_without_spaces_is_cut_between_its_characters() -> None:
    text = "天気予報" * 100 + "雨量計" + "天気予報" * 100
    lines = snippet("雨量計", text)
    assert "雨量計" in lines
    assert 200 < len(lines) <= WIDTH


def test_a_word_longer_than_a_snippet_is_marked_as_far_as_it_is_shown() -> None:
    word = "x" * 1_000
    found = shown(word, f"y {word}")[0]
    assert found.snippet.text == "y " + "x" * (WIDTH - 2)
    assert list(found.snippet.highlights) == [(2, WIDTH)]


def test_terms_are_named_once_as_the_query_has_them() -> None:
    (found,) = shown("Rain GAUGES, noon, rain", "gauge rain Gauge", headings=("At noon", "Rain"))
    assert found.terms == ["GAUGES", "Rain", "noon"]


def test_only_the_english_stemmer_is_imported_and_not_before_it_is_needed() -> None:
    code = (
        "import sys\n"
        "from ragline.usecases.terms import matches, terms\n"
        "stemmers = lambda: [name for name in sys.modules if 'stemmer' in name]\n"
        "assert not stemmers(), stemmers()\n"
        "assert matches(terms('deletes'), 'deleted')\n"
        "assert len(stemmers()) <= 4, stemmers()\n"
        "import snowballstemmer\n"
        "assert snowballstemmer.stemmer('english').stemWord('deleted') == 'delet'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
