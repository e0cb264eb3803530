"""Choosing how a collection is cut, on the whole stack: by HTTP and by the command line."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.e2e.stack import RAGLINE, Stack, texts, until

pytestmark = pytest.mark.e2e

COLLECTION = "lighthouse"
KEEPER = "The keeper trims the lamp at dusk. " + "He climbs two hundred steps of stone. " * 12
BOAT = "A boat brings oil in May. " + "It turns back when the sea is high. " * 12
TEXT = f"# Lamp\n\n{KEEPER}\n\nThe spare wick lies in a tin.\n\n# Boat\n\n{BOAT}"
PATH = f"/api/v2/collections/{COLLECTION}"


def shown(stack: Stack) -> Any:
    answer = stack.api.get(PATH)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ragline(stack: Stack, *args: str) -> Any:
    environment = {
        **os.environ,
        "RAGLINE_API_URL": stack.api_url,
        "RAGLINE_API_KEY": stack.api.headers["x-api-key"],
    }
    words = [str(RAGLINE), "collections", *args, "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_collection_is_cut_anew_returns_sections_and_is_deleted(stack: Stack) -> None:
    one = stack.upload("one.md", TEXT.encode(), COLLECTION)
    two = stack.upload("two.md", f"{TEXT} Another one.".encode(), COLLECTION)
    stack.indexed(one, two)
    before = shown(stack)
    assert (before["default"], before["counts"]["by_status"]) == (True, {"indexed": 2})
    assert all(hit["section"] is None for hit in stack.query("spare wick", COLLECTION)["hits"])

    words = ["--strategy", "parent_child", "--max-tokens", "48", "--section-tokens", "400"]
    cut = ragline(stack, "set", COLLECTION, *words, "--wait")

    assert (cut["counts"]["behind"], cut["walk"]["changed"]) == (0, 2)
    assert cut["counts"]["chunks"] > before["counts"]["chunks"]
    assert [each["live_generation"] for each in map(stack.document, (one, two))] == [2, 2]
    hits = stack.query("Where is the spare wick?", COLLECTION)["hits"]
    best = hits[0]
    assert "spare wick" in best["text"]
    assert len(best["text"]) < len(best["section"]["text"])
    assert best["section"]["text"].startswith("Lamp\n\nThe keeper trims the lamp")
    assert "A boat brings oil" not in best["section"]["text"]
    carriers = {hit["chunk_id"] for hit in hits if hit["section"]["text"]}
    assert {hit["section"]["carried_by"] for hit in hits} == carriers

    same = {"strategy": "parent_child", "max_tokens": 48, "section_tokens": 400}
    again = stack.api.put(PATH, json={"chunking": same})
    assert (again.status_code, again.json()["walk"]) == (202, cut["walk"]), again.text
    refused = stack.api.put(PATH, json={"chunking": {"max_tokens": 3}})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert COLLECTION in ragline(stack, "ls")["collections"]

    assert stack.api.delete(PATH).status_code == 202
    until(lambda: stack.api.get(PATH).status_code == 404, lambda: f"{shown(stack)} to be gone")
    assert [stack.document(each)["status"] for each in (one, two)] == ["deleted", "deleted"]
    assert texts(stack.query("spare wick", COLLECTION)) == []
