"""The routes of page-image analyses."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.domain.analyses import AnalysisStatus, PageAnswer
from ragline.domain.documents import Document, Reason
from ragline.domain.tenants import Caps
from ragline.settings import Settings
from tests.unit.api.world import World

PLACE = "/api/v2/documents/guide/analyses"
REASON = Reason("model_refused", "it will not.", "analyse", 2)


@pytest.fixture
def document(world: World) -> Document:
    world.config = Settings(vision_model="eu.amazon.nova-lite-v1:0", analyses_queue_url="q")
    found = world.indexed("Read the barometer.")
    world.the_ledger.identify(found, hashlib.sha256(b"the bytes").hexdigest())
    return found


def asked(api: TestClient, **fields: Any) -> Any:
    answer = api.post(PLACE, json={"prompt": "What is on it?", **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_an_analysis_is_ordered_and_shown_with_its_answers(
    api: TestClient, world: World, document: Document
) -> None:
    made = asked(api, pages=[2, 1], max_cost=0.5)
    assert made["status"] == "queued" and made["document_id"] == "guide"
    (work,) = world.the_orders.sent
    assert (work.tenant, work.analysis_id) == ("default", made["analysis_id"])
    kept = world.the_analyses.get("default", "guide", made["analysis_id"])
    assert kept
    world.the_analyses.plan(kept, 2)
    world.the_analyses.answer(kept, PageAnswer(1, "A chart.", None, False, 1_000, 100))
    world.the_analyses.answer(kept, PageAnswer(2, "", REASON))
    world.the_analyses.end(kept, AnalysisStatus.DONE, None, "")
    shown = api.get(f"{PLACE}/{made['analysis_id']}").json()
    assert (shown["status"], shown["progress"], shown["pages"]) == ("done", "2 of 2 pages", [1, 2])
    assert shown["model"] == "eu.amazon.nova-lite-v1:0" and shown["max_cost"] == 0.5
    assert shown["cost"] == pytest.approx((1_000 * 0.06 + 100 * 0.24) / 1e6)
    first, second = shown["answers"]
    assert (first["answer"], first["tokens"]) == ("A chart.", {"input": 1_000, "output": 100})
    assert second["answer"] is None and second["reason"]["code"] == "model_refused"


def test_analyses_are_listed_newest_first_without_their_answers(
    api: TestClient, document: Document
) -> None:
    made = [asked(api)["analysis_id"] for _ in range(3)]
    first = api.get(PLACE, params={"limit": 2}).json()
    assert "answers" not in first["analyses"][0]
    rest = api.get(PLACE, params={"cursor": first["cursor"]}).json()
    listed = [one["analysis_id"] for one in first["analyses"] + rest["analyses"]]
    assert sorted(listed) == sorted(made) and rest["cursor"] is None
    assert listed == sorted(listed, reverse=True)


def test_an_analysis_that_is_deleted_is_gone(api: TestClient, document: Document) -> None:
    place = f"{PLACE}/{asked(api)['analysis_id']}"
    assert api.delete(place).status_code == 204
    assert api.get(place).status_code == 404
    assert api.delete(place).status_code == 404


def test_the_analyses_of_a_deleted_document_are_gone_at_once(
    api: TestClient, document: Document
) -> None:
    place = f"{PLACE}/{asked(api)['analysis_id']}"
    assert api.delete("/api/v2/documents/guide").status_code == 204
    assert [api.get(one).status_code for one in (PLACE, place)] == [404, 404]
    assert api.post(PLACE, json={"prompt": "What?"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        ({}, 400, "invalid_request", "prompt"),
        ({"prompt": ""}, 400, "invalid_request", "prompt"),
        ({"prompt": "x" * 4_001}, 400, "invalid_request", "4,000"),
        ({"prompt": "?", "pages": []}, 400, "invalid_request", "pages"),
        ({"prompt": "?", "pages": [0]}, 400, "invalid_request", "pages"),
        ({"prompt": "?", "pages": ["1"]}, 400, "invalid_request", "pages"),
        ({"prompt": "?", "pages": [9]}, 400, "invalid_request", "no page 9"),
        ({"prompt": "?", "max_cost": 0}, 400, "invalid_request", "max_cost"),
        ({"prompt": "?", "tenant": "other"}, 400, "invalid_request", "tenant"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    api: TestClient, world: World, document: Document, body: Any, status: int, code: str, said: str
) -> None:
    answer = api.post(PLACE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert said in answer.json()["detail"]
    assert world.the_orders.sent == []


def test_too_many_pages_name_the_limit(api: TestClient, world: World, document: Document) -> None:
    world.config = world.config.model_copy(update={"max_analysis_pages": 2})
    answer = api.post(PLACE, json={"prompt": "?"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_pages")
    assert "max_analysis_pages" in answer.json()["detail"]


def test_a_stack_without_a_model_says_which_parameter_is_missing(
    api: TestClient, world: World, document: Document
) -> None:
    world.config = Settings()
    answer = api.post(PLACE, json={"prompt": "?"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "VisionModel" in answer.json()["detail"]
    assert api.get(PLACE).json() == {"analyses": [], "cursor": None}


def test_a_tenant_that_has_used_its_cap_is_refused(
    api: TestClient, world: World, document: Document
) -> None:
    from ragline.domain.times import utc_now
    from ragline.domain.usage import month_of

    world.the_ledger.cap("default", Caps(cost=0.01))
    used = {"vision_tokens": 9_000.0, "vision_usd": 0.02}
    world.the_usage.add("default", month_of(utc_now()), "analyst", used)
    answer = api.post(PLACE, json={"prompt": "?"})
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")


def test_what_models_took_is_on_the_bill(api: TestClient, world: World) -> None:
    used = {"vision_tokens": 9_000.0, "vision_usd": 0.02}
    world.the_usage.add("default", "2026-11", "analyst", used)
    shown = api.get("/api/v2/usage", params={"month": "2026-11"}).json()
    assert shown["costs"] == [{"item": "vision_tokens", "quantity": 9_000.0, "usd": 0.02}]
    assert shown["usd"] == 0.02


def test_an_id_that_was_never_given_is_not_found(api: TestClient, document: Document) -> None:
    for name in ("01NONE", "a%23b", "META"):
        answer = api.get(f"{PLACE}/{name}")
        assert answer.status_code == 404, name
