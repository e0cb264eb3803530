"""The steps of docs/migration.md, in their order, on a stack of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ragline.embedding.model import read_card
from ragline.embedding.prepare import ensure
from tests.e2e.stack import CommandLine, Stack, alone, deployed, texts

pytestmark = [pytest.mark.e2e, pytest.mark.long]

OLD, NEW = ensure("int8"), ensure("fp32")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with alone(tmp_path / "cloud") as one:
        yield one


def said(keeper: str) -> bytes:
    return f"The keeper {keeper} lit the lamp.".encode()


def test_another_model_is_built_beside_switched_to_and_the_old_one_removed(
    stack: Stack, tmp_path: Path
) -> None:
    ragline = CommandLine(tmp_path, stack.endpoint_url)
    old, new = read_card(OLD).fingerprint, read_card(NEW).fingerprint
    ids = [stack.upload(f"{name}.txt", said(name), "keepers") for name in ("ada", "ben")]
    ids.append(stack.upload("map.txt", b"The reef is on the map.", "maps"))
    stack.indexed(*ids)
    before = [stack.document(one) for one in ids]

    migrate = ("migrate", "--model", str(NEW), "--workers", "2")
    built = ragline(*migrate, "--collection", "keepers")
    assert (built["embedded"], built["verified"], built["deployed_model"]) == (2, True, old)
    assert [stack.document(one) for one in ids] == before
    assert texts(stack.query("keeper ada", "keepers", mode="dense"))[0] == said("ada").decode()
    stack.indexed(stack.upload("cleo.txt", said("cleo"), "keepers"))  # after it, by the old model

    deployed(stack.endpoint_url, "fp32")
    answer = stack.query("keeper ada", "keepers", mode="dense")
    assert sorted(texts(answer)) == sorted(said(name).decode() for name in ("ada", "ben"))
    refused = stack.api.post("/api/v2/query", json={"query": "reef", "collection": "maps"})
    assert (refused.status_code, refused.json()["code"]) == (409, "model_mismatch")
    assert old in refused.json()["detail"]
    assert new in refused.json()["detail"]

    assert "is not complete" in ragline("migrate", "--drop", old, code=2)["error"]["message"]
    caught_up = ragline(*migrate)
    assert (caught_up["missing"], caught_up["embedded"], caught_up["verified"]) == (2, 2, True)
    assert texts(stack.query("reef", "maps")) == ["The reef is on the map."]
    assert len(texts(stack.query("keeper", "keepers", mode="dense"))) == 3
    stack.indexed(stack.upload("dora.txt", said("dora"), "keepers"))
    assert ragline("doctor")["healthy"]

    assert len(ragline("migrate", "--drop", old)["collections"]) == 2
    assert not [key for key in stack.keys("vectors/") if old in key]
    assert ragline("doctor")["healthy"]
    assert len(texts(stack.query("keeper", "keepers"))) == 4
