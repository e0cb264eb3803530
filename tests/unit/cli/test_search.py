from __future__ import annotations

import json
from typing import Any

import httpx
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


LONG = "Old text. Messages go\nto the dead-letter queue. More of it."


def snippet(start: int, end: int, *marks: tuple[int, int]) -> dict[str, Any]:
    highlights = [{"start": a, "end": b} for a, b in marks]
    return {"text": LONG[start:end], "start": start, "end": end, "highlights": highlights}


def passage(full: bool = False, **fields: Any) -> Text:
    return search._passage(Hit.model_validate(hit(text=LONG, **fields)), full)


def marked(text: Text) -> list[str]:
    return [text.plain[span.start : span.end] for span in text.spans if span.style]


def test_the_snippet_is_shown_flowing_and_marked_with_dots_where_the_passage_goes_on() -> None:
    shown = passage(snippet=snippet(10, 47, (0, 8), (31, 36)))
    assert shown.plain == "… Messages go to the dead-letter queue. …"
    assert marked(shown) == ["Messages", "queue"]
    assert passage(snippet=snippet(0, len(LONG))).plain == LONG.replace("\n", " ")


def test_the_whole_passage_is_shown_and_marked_if_asked_for() -> None:
    highlights = [{"start": 10, "end": 18}, {"start": 57, "end": 61}]
    shown = passage(full=True, snippet=snippet(10, 20), highlights=highlights)
    assert shown.plain == LONG
    assert marked(shown) == [LONG[10:18], LONG[57:61]]
    assert passage().plain == LONG

    api = FakeApi(hits=[hit(text=LONG, snippet=snippet(10, 20))])
    assert "Old text." in run(outside(api), "search", "messages", "--full").stdout
    assert api.bodies[0]["explain"] is True
    assert "Old text." not in run(outside(api), "search", "messages").stdout


def test_a_mark_stays_in_its_place_where_control_characters_are_left_out() -> None:
    text = "\x1b[31mred \x00apple"
    cut = {"text": text, "start": 0, "end": len(text), "highlights": [{"start": 10, "end": 15}]}
    shown = search._passage(Hit.model_validate(hit(text=text, snippet=cut)), False)
    assert shown.plain == "[31mred apple"
    assert marked(shown) == ["apple"]


def test_reranking_is_done_if_asked_for() -> None:
    api = FakeApi()
    run(outside(api), "search", "what?")
    run(outside(api), "search", "what?", "--rerank")
    assert "rerank" not in api.bodies[0]
    assert api.bodies[1]["rerank"] is True


def test_notes_of_the_search_come_before_its_hits() -> None:
    answer = {"hits": [hit()], "notes": ["No keyword\x1b was found."], "legs": {"bm25": 0}}
    api = FakeApi(override=lambda request: query_answer(request, answer))
    stdout = run(outside(api), "search", "what?").stdout
    assert stdout.index("No keyword was found.") < stdout.index("operations.pdf")


def test_explain_shows_what_matched_which_leg_was_empty_and_what_reranked() -> None:
    found = hit(
        legs={"dense": {"rank": 1, "score": 0.5}},
        rerank={"rank": 2, "score": 0.25},
        matched_terms=["dead", "queue"],
    )
    answer = {"hits": [found, hit(2, matched_terms=[])], "legs": {"dense": 9, "bm25": 0}}
    answer["reranker"] = "overlap"
    api = FakeApi(override=lambda request: query_answer(request, answer))
    stdout = run(outside(api), "search", "what?", "--explain").stdout
    assert "dense #1 0.500  rerank #2 0.250" in stdout
    assert "matched: dead, queue" in stdout
    assert "matched: no word of the question" in stdout
    assert "candidates: dense 9, bm25 0" in stdout
    assert "reranked by overlap" in stdout
    assert "matched" not in run(outside(api), "search", "what?").stdout


def query_answer(request: httpx.Request, answer: Any) -> httpx.Response | None:
    return httpx.Response(200, json=answer) if request.url.path.endswith("/query") else None


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
