from __future__ import annotations

import json
from typing import Any

import pytest
from rich.text import Text

from ragline.cli import search
from ragline.cli.answers import Hit
from tests.unit.cli.fakes import FakeApi, hit, outside, problem, run


def test_a_hit_is_shown_with_file_page_heading_and_passage() -> None:
    result = run(outside(FakeApi(hits=[hit()])), "search", "dead letters?")
    assert result.exit_code == 0
    assert "1. operations.pdf · page 2 · Operating › Dead letters" in result.stdout
    assert "Messages go to the dead-letter queue." in result.stdout


def test_no_hits_is_no_failure() -> None:
    result = run(outside(), "search", "anything")
    assert result.exit_code == 0
    assert "no hits in default." in result.stdout


def test_options_become_the_query() -> None:
    api = FakeApi()
    options = "--collection papers --mode bm25 --limit 7 --explain --document d1 --document d2"
    run(outside(api), "search", "what?", *options.split(), "--where", "year=2026", "-w", "by=me")
    assert api.bodies == [
        {
            "query": "what?",
            "collection": "papers",
            "mode": "bm25",
            "top_k": 7,
            "explain": True,
            "filters": {"document_ids": ["d1", "d2"], "metadata": {"year": 2026, "by": "me"}},
        }
    ]


def test_json_is_the_api_s_answer() -> None:
    api = FakeApi(hits=[hit(), hit(2, later_field="kept")])
    answer = json.loads(run(outside(api), "search", "what?", "--json").stdout)
    assert answer == {"hits": api.hits, "timings_ms": {"total": 12.3}, "legs": {}}


def test_explain_shows_each_leg_and_the_time() -> None:
    legs = {"dense": {"rank": 3, "score": 0.71}, "bm25": {"rank": 1, "score": 9.5}}
    result = run(outside(FakeApi(hits=[hit(legs=legs)])), "search", "what?", "--explain")
    assert "dense #3 0.710" in result.stdout
    assert "bm25 #1 9.500" in result.stdout
    assert "total 12 ms" in result.stdout


@pytest.mark.parametrize(
    ("fields", "citation"),
    [
        ({"page": 2, "page_end": 4, "headings": []}, "operations.pdf · pages 2–4"),
        ({"page": 2, "page_end": None, "headings": []}, "operations.pdf · page 2"),
        ({"page": None, "page_end": None}, "operations.pdf · Operating › Dead letters"),
        ({"page": None, "page_end": None, "headings": []}, "operations.pdf"),
    ],
)
def test_a_citation_names_what_is_known(fields: dict[str, Any], citation: str) -> None:
    assert search.citation(Hit.model_validate(hit(**fields))) == citation


def marked(question: str, text: str) -> list[str]:
    passage = search._passage(Hit.model_validate(hit(text=text)), question)
    assert isinstance(passage, Text)
    return [passage.plain[span.start : span.end] for span in passage.spans]


def test_the_question_s_words_are_marked_with_their_endings() -> None:
    text = "Deletes and deleted; undelete. A DOCUMENT is a document."
    assert marked("how do I delete a document?", text) == [
        "Deletes",
        "deleted",
        "DOCUMENT",
        "document",
    ]


@pytest.mark.parametrize("question", ["what is it?", "(*+?[", ""])
def test_a_question_of_common_words_or_signs_marks_nothing(question: str) -> None:
    assert marked(question, "it is (*+?[ what it is") == []


def test_a_passage_cannot_send_escape_sequences_or_markup() -> None:
    text = "\x1b[31mred\x9b [bold]not bold[/bold] :smile:"
    result = run(outside(FakeApi(hits=[hit(text=text)])), "search", "what?")
    assert "\x1b" not in result.stdout
    assert "[bold]not bold[/bold] :smile:" in result.stdout


def test_a_filter_on_an_unknown_field_is_the_caller_s_mistake() -> None:
    api = FakeApi(override=lambda request: problem(400, "unknown_field", "no field yeer."))
    result = run(outside(api), "search", "what?", "--where", "yeer=1")
    assert result.exit_code == 2
    assert "no field yeer." in result.stderr
