"""Liveness and what runs here: cheap, and true when parts are broken."""

from __future__ import annotations

from starlette.testclient import TestClient

from ragline.domain.errors import ServiceUnavailable, SetupError
from ragline.embedding.hashing import HashEmbedder
from tests.unit.api.world import World


def test_health_needs_nothing_even_if_everything_is_broken(api: TestClient, world: World) -> None:
    trouble = SetupError("no such table")
    world.broken = dict.fromkeys(("settings", "ledger", "index", "model"), trouble)
    answer = api.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}
    assert set(world.asked) <= {"settings"}


def test_each_route_builds_only_the_ports_it_uses(api: TestClient, world: World) -> None:
    def asked(method: str, path: str, **parts: object) -> set[str]:
        world.asked.clear()
        api.request(method, path, **parts)  # type: ignore[arg-type]
        return set(world.asked)

    asked("GET", "/health")  # the first request reads the settings, for CORS
    assert asked("GET", "/health") == set()
    assert asked("GET", "/api/v2/documents/x") == {"ledger"}
    assert asked("GET", "/api/v2/documents") == {"ledger"}
    assert asked("POST", "/api/v2/documents", json={"filename": "a", "size": 1}) == {
        "ledger",
        "objects",
        "settings",
    }
    found = {"ledger", "index", "embedder", "indexes"}  # the last since nothing is found
    assert asked("POST", "/api/v2/query", json={"query": "a"}) == found
    assert "reranker" in asked("POST", "/api/v2/query", json={"query": "a", "rerank": True})
    assert asked("GET", "/api/v2/info") == {"settings", "ledger", "model"}


def test_info_tells_the_model_from_its_card_and_the_limits(api: TestClient, world: World) -> None:
    body = api.get("/api/v2/info").json()
    assert body["components"] == {
        "ledger": {"state": "ok"},
        "index": {"state": "unchecked", "rows": None, "models": None},
        "model": {
            "state": "ok",
            "fingerprint": "mini-1-int8",
            "precision": "int8",
            "dimensions": 384,
        },
    }
    assert body["limits"]["max_file_bytes"] == 10_000_000
    assert body["limits"]["max_direct_upload_bytes"] == 4_500_000
    assert "embedder" not in world.asked


def test_info_counts_the_rows_of_the_collection_asked_for(api: TestClient, world: World) -> None:
    world.indexed("one", "two")
    params = {"collection": "handbook"}
    told = api.get("/api/v2/info", params=params).json()["components"]["index"]
    assert told == {"state": "ok", "rows": 2, "models": {"hash-1-64": 2}}


def test_info_counts_the_rows_of_every_model(api: TestClient, world: World) -> None:
    world.indexed("one", "two")
    world.the_embedder = HashEmbedder(128)
    world.indexed("three", document_id="other")
    params = {"collection": "handbook"}
    told = api.get("/api/v2/info", params=params).json()["components"]["index"]
    assert told == {"state": "ok", "rows": 1, "models": {"hash-1-64": 2, "hash-1-128": 1}}


def test_info_tells_which_components_are_broken(api: TestClient, world: World) -> None:
    world.broken = {
        "ledger": ServiceUnavailable("no answer"),
        "index": SetupError("no such bucket"),
        "model": SetupError("there is no model"),
    }
    answer = api.get("/api/v2/info", params={"collection": "handbook"})
    states = {name: part["state"] for name, part in answer.json()["components"].items()}
    assert answer.status_code == 200
    assert states == {
        "ledger": "unavailable",
        "index": "misconfigured",
        "model": "misconfigured",
    }
