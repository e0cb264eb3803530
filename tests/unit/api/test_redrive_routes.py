"""What failed, tried again over HTTP: one document, or many; and what is told of it before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.domain.documents import Partition, Reason, Status
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from tests.unit.api.world import World

DOCUMENTS = "/api/v2/documents"
REDRIVE = "/api/v2/redrive"


def redriven(api: TestClient, status: int, **body: Any) -> dict[str, dict[str, Any]]:
    """The documents of the only page, by id."""
    answer = api.post(REDRIVE, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["cursor"] is None
    return {one["document_id"]: one for one in answer.json()["documents"]}


def test_a_retry_puts_just_the_failed_chunks_under_way_again(api: TestClient, world: World) -> None:
    world.partial("one", "two", "three", code="throttled")

    answer = api.post(f"{DOCUMENTS}/guide/retry")

    assert answer.status_code == 202
    assert answer.json() == {
        "document_id": "guide",
        "status": "processing",
        "chunks": 1,
        "split_again": False,
    }
    assert [(part.first, bool(part.nonce)) for part in world.the_queues.parts] == [(0, True)]
    now = api.get(f"{DOCUMENTS}/guide").json()
    assert now["status"] == "processing"
    assert now["progress"]["failed"] == 0
    assert now["progress"]["indexed"] == 2


def test_a_retry_of_what_could_not_be_split_reads_the_file_again(
    api: TestClient, world: World
) -> None:
    world.corrupt("scan")

    answer = api.post(f"{DOCUMENTS}/scan/retry", json={"force": True})

    assert answer.status_code == 202
    assert answer.json()["split_again"] is True
    assert answer.json()["status"] == "splitting"
    assert len(world.the_queues.pages) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "it failed for good: corrupt (1). Only force tries that again."),
        ({"code": "corrupt"}, "it failed for good"),
        ({"code": "throttled", "force": True}, "nothing failed with 'throttled', but: corrupt (1)"),
    ],
)
def test_what_failed_for_good_is_a_conflict_that_says_why(
    api: TestClient, world: World, body: Any, says: str
) -> None:
    world.corrupt("scan")
    answer = api.post(f"{DOCUMENTS}/scan/retry", json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    assert says in answer.json()["detail"]
    assert world.the_queues.pages == []


def test_a_healthy_a_working_and_a_deleted_document_are_conflicts(
    api: TestClient, world: World
) -> None:
    world.indexed("one", document_id="healthy")
    world.partial("one", "two", document_id="working", code="throttled")
    assert api.post(f"{DOCUMENTS}/working/retry").status_code == 202
    world.indexed("one", document_id="gone")
    api.delete(f"{DOCUMENTS}/gone")

    told = {}
    for document_id in ("healthy", "working", "gone"):
        answer = api.post(f"{DOCUMENTS}/{document_id}/retry", json={})
        assert answer.status_code == 409
        assert answer.json()["code"] == "conflict"
        told[document_id] = answer.json()["detail"]

    assert "is indexed" in told["healthy"]
    assert "is still processing" in told["working"]
    assert "is deleted" in told["gone"]


def test_another_tenant_s_document_is_as_unknown_as_one_that_never_was(
    api: TestClient, world: World
) -> None:
    world.partial("one", "two", document_id="theirs", tenant="rival", code="throttled")
    ways: list[Callable[[str], Any]] = [
        lambda name: api.post(f"{DOCUMENTS}/{name}/retry"),
        lambda name: api.post(REDRIVE, json={"document_id": name}),
        lambda name: api.get(f"{DOCUMENTS}/{name}/failures"),
    ]
    for ask in ways:
        theirs, nobodys = ask("theirs"), ask("nobodys")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json()["code"] == nobodys.json()["code"] == "not_found"
        assert theirs.json()["detail"].replace("theirs", "nobodys") == nobodys.json()["detail"]
    assert redriven(api, 200) == {}
    assert world.the_queues.parts == []


def test_an_id_that_none_can_have_is_404_to_retry(api: TestClient) -> None:
    assert api.post(f"{DOCUMENTS}/not%20an%20id/retry").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cod": "throttled"}, "cod"),
        ({"code": "No Such Code"}, "code"),
        ({"code": None}, "code"),
        ({"force": "yes"}, "force"),
        ([], "body"),
    ],
)
def test_a_retry_refuses_what_it_does_not_understand(
    api: TestClient, world: World, body: Any, field: str
) -> None:
    world.partial("one", "two", code="throttled")
    answer = api.post(f"{DOCUMENTS}/guide/retry", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["field"] == field
    assert world.the_queues.parts == []


def test_a_redrive_without_conditions_is_of_all_that_failed(api: TestClient, world: World) -> None:
    world.indexed("one", document_id="healthy")
    world.partial("one", "two", document_id="half", code="throttled")
    world.corrupt("scan")

    found = redriven(api, 202)

    assert found == {
        "half": {
            "document_id": "half",
            "collection": "handbook",
            "filename": "guide.md",
            "status": "processing",
            "chunks": 1,
            "split_again": False,
            "skipped": None,
        },
        "scan": {
            "document_id": "scan",
            "collection": "handbook",
            "filename": "scan.pdf",
            "status": "failed",
            "chunks": 0,
            "split_again": False,
            "skipped": "document 'scan': it failed for good: corrupt (1). "
            "Only force tries that again.",
        },
    }


def test_a_dry_run_tells_the_same_and_changes_nothing(api: TestClient, world: World) -> None:
    before = world.partial("one", "two", document_id="half", code="throttled")

    found = redriven(api, 200, dry_run=True)

    assert found["half"]["chunks"] == 1
    assert found["half"]["status"] == "partial"
    assert world.the_ledger.get("default", "half") == before
    assert world.the_queues.parts == []


def test_a_redrive_of_which_nothing_can_be_tried_answers_200(api: TestClient, world: World) -> None:
    world.corrupt("scan")
    assert redriven(api, 200)["scan"]["skipped"]


def test_every_condition_of_a_redrive_narrows_it(api: TestClient, world: World) -> None:
    world.partial("one", "two", document_id="a", code="throttled")
    world.partial("one", "two", document_id="b", code="throttled", collection="papers")
    world.partial("one", "two", document_id="c", code="stalled")

    def tried(**body: Any) -> set[str]:
        found = redriven(api, 200, dry_run=True, **body)
        return {name for name, one in found.items() if not one["skipped"]}

    assert tried() == {"a", "b", "c"}
    assert tried(collection="papers") == {"b"}
    assert tried(code="stalled") == {"c"}
    assert tried(since="2000-01-01") == {"a", "b", "c"}
    assert tried(since="2999-01-01T00:00:00Z") == set()
    assert tried(document_id="a") == {"a"}
    assert tried(document_id="a", collection="papers") == set()


def test_a_redrive_goes_on_where_its_cursor_points(api: TestClient, world: World) -> None:
    for number in range(5):
        world.partial("one", "two", document_id=f"doc-{number}", code="throttled")
    seen: list[str] = []
    body: dict[str, Any] = {"limit": 2}
    for _ in range(5):
        page = api.post(REDRIVE, json=body).json()
        seen += [one["document_id"] for one in page["documents"]]
        if page["cursor"] is None:
            break
        body["cursor"] = page["cursor"]
    assert sorted(seen) == [f"doc-{number}" for number in range(5)]
    listed = world.the_ledger.list(Partition("default", "handbook")).documents
    assert {one.status for one in listed} == {Status.PROCESSING}
    assert redriven(api, 200) == {}


@pytest.mark.parametrize(
    "body",
    [
        {"colection": "x"},
        {"document_id": "not an id"},
        {"collection": "No Such Name"},
        {"code": "No Such Code"},
        {"since": "yesterday"},
        {"since": ""},
        {"since": 5},
        {"limit": 0},
        {"limit": 51},
        {"cursor": "made-up"},
        {"force": 1},
        {"dry_run": "no"},
    ],
)
def test_a_redrive_refuses_what_it_does_not_understand(
    api: TestClient, world: World, body: dict[str, Any]
) -> None:
    world.partial("one", "two", code="throttled")
    answer = api.post(REDRIVE, json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert next(iter(body)) in answer.json()["detail"]
    assert world.the_queues.parts == []


def test_a_cursor_beside_a_document_is_refused_rather_than_passed_over(api: TestClient) -> None:
    answer = api.post(REDRIVE, json={"document_id": "guide", "cursor": "made-up"})
    assert answer.status_code == 400
    assert "one document is one page" in answer.json()["detail"]


def test_failures_say_which_chunks_failed_in_runs_of_one_code(
    api: TestClient, world: World
) -> None:
    document = world.indexed(*"abcdefgh", failed=3, code="throttled")
    assert document.status is Status.PARTIAL

    told = api.get(f"{DOCUMENTS}/guide/failures").json()

    assert told["failed_chunks"] == [{"first": 0, "count": 3, "code": "throttled"}]
    assert told["failed_chunks_cut"] is False
    assert len(told["failures"]) == 3


def test_failed_chunks_are_those_of_the_current_version_and_failures_of_all(
    api: TestClient, world: World
) -> None:
    world.partial("one", "two", code="throttled")
    world.indexed("one", "two")

    told = api.get(f"{DOCUMENTS}/guide/failures").json()

    assert told["failed_chunks"] == []
    assert [failure["generation"] for failure in told["failures"]] == [1]


def test_a_document_says_when_an_older_version_still_answers(api: TestClient, world: World) -> None:
    document = world.indexed("one")
    new = NewDocument(document.partition, "guide", "guide.md", document.upload_key)
    again = world.the_ledger.begin(new, "2", "parser-1")
    assert again
    world.the_ledger.fail("default", "guide", 2, Reason("corrupt", "it is.", "split"))

    told = api.get(f"{DOCUMENTS}/guide").json()

    assert (told["status"], told["generation"], told["live_generation"]) == ("failed", 2, 1)
    assert "Generation 1 is still there and answers" in told["advice"]


def test_a_document_under_way_has_its_failed_chunks_told_already(
    api: TestClient, world: World
) -> None:
    partition = Partition("default", "handbook")
    new = NewDocument(partition, "guide", "guide.md", "uploads/default/handbook/guide/guide.md")
    document = world.the_ledger.begin(new, "1", "parser-1")
    assert document
    world.the_ledger.plan_ranges(document, 1, 0)
    world.the_ledger.record_range(document, 0, 4, PageCounts())
    reason = Reason("embedding_failed", "no vector", "embed", chunk=2)
    world.the_ledger.record_chunks(document, [2], ChunkState.FAILED, reason)
    told = api.get(f"{DOCUMENTS}/guide/failures").json()
    assert told["failed_chunks"] == [{"first": 2, "count": 1, "code": "embedding_failed"}]
