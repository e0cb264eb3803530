"""`ragline migrate`, on a stack in memory whose functions work while the command waits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from ragline.adapters.memory.index import MemoryIndexes
from ragline.cli.outside import Outside
from ragline.cli.stack_ports import Pinecone
from ragline.domain.errors import SetupError
from ragline.embedding.hashing import HashEmbedder
from ragline.embedding.model import Card
from ragline.ports import Backlog, Embedder
from tests.unit.cli.aws_clients import session
from tests.unit.cli.fakes import Clock, FakeCloud, FakeLocal, outside, run
from tests.unit.cli.test_doctor import Working, ports_of, running
from tests.unit.pipeline import HANDBOOK, Pipeline

OLD, NEW = "hash-1-64", "hash-1-128"
HOST, SECRET = "https://one.pinecone.io", "arn:aws:secretsmanager:key"


class Stack:
    """A deployed stack of three documents, and another store that nobody has written."""

    def __init__(self, folder: Path) -> None:
        self.pipeline = Pipeline()
        self.clock: Clock = Working(self.pipeline)
        self.elsewhere = MemoryIndexes()
        self.parts: dict[str, Any] = {}
        self.opened: list[tuple[str, Pinecone]] = []
        self.asked: list[tuple[Path, int]] = []
        for name in ("one", "two", "three"):
            self.pipeline.drop(f"# About {name}\n\nThe {name} is here.", name)
        self.pipeline.run()
        self.folders = {fp: model_folder(folder / fp, int(fp[7:])) for fp in (OLD, NEW)}

    def switch(self, fingerprint: str) -> None:
        """Deploy another model."""
        self.pipeline.embedder = HashEmbedder(int(fingerprint[7:]))

    @contextmanager
    def embedder(self, model_dir: Path, workers: int) -> Iterator[Embedder]:
        self.asked.append((model_dir, workers))
        yield HashEmbedder(json.loads((model_dir / "model.json").read_text())["dimensions"])

    def other(self, store: str, place: Pinecone) -> MemoryIndexes:
        self.opened.append((store, place))
        return self.elsewhere

    def outside(self) -> Outside:
        ports = ports_of(self.pipeline, other=self.other, **self.parts)
        return outside(
            api=running(self.pipeline.embedder.fingerprint),
            environ={},
            local=FakeLocal(FakeCloud()),
            session=lambda *_: session(),
            ports=lambda where: ports,
            clock=self.clock,
            embedder=self.embedder,
        )

    def __call__(self, *args: str, code: int = 0) -> Result:
        result = run(self.outside(), "migrate", *args)
        assert result.exit_code == code, result.output
        return result

    def json(self, *args: str, code: int = 0) -> Any:
        return json.loads(self(*args, "--json", code=code).stdout)

    def to_new(self, *args: str, code: int = 0) -> Any:
        return self.json("--model", str(self.folders[NEW]), *args, code=code)


def model_folder(folder: Path, dimensions: int) -> Path:
    folder.mkdir()
    card = Card("hash", "int8", dimensions, 256, f"hash-1-{dimensions}", "", "")
    (folder / "model.json").write_text(card.to_json())
    return folder


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def rows(indexes: MemoryIndexes, fingerprint: str) -> int:
    return indexes.of(fingerprint).count(HANDBOOK)


# ── To another model ─────────────────────────────────────────────────────────────────────────────


def test_a_model_is_migrated_to_and_verified(stack: Stack) -> None:
    told = stack.to_new("--workers", "2")
    assert told == {
        "store": "lancedb",
        "model": NEW,
        "deployed_model": OLD,
        "documents": 3,
        "chunks": 3,
        "missing": 3,
        "embedded": 3,
        "reused": 0,
        "gone": 0,
        "waiting_messages": 0,
        "troubles": [],
        "verified": True,
        "findings": [],
    }
    assert stack.asked == [(stack.folders[NEW], 2)]
    assert rows(stack.pipeline.indexes, NEW) == rows(stack.pipeline.indexes, OLD) == 3
    assert stack.opened == []


def test_a_person_is_told_what_to_do_next(stack: Stack) -> None:
    result = stack("--model", str(stack.folders[NEW]))
    assert "the index of hash-1-128 in lancedb: 3 documents, 3 chunks; 3 chunks" in result.stdout
    assert "Verified: every chunk is found, and nothing else." in result.stdout
    assert "Deploy with the ModelDir of this model, then give the same command again." in (
        result.stdout
    )


def test_a_second_run_only_verifies(stack: Stack) -> None:
    stack.to_new()
    told = stack.to_new()
    assert (told["missing"], told["embedded"], told["verified"]) == (0, 0, True)
    assert len(stack.asked) == 1


def test_a_dry_run_changes_nothing(stack: Stack) -> None:
    told = stack.to_new("--dry-run")
    assert (told["missing"], told["embedded"], told["verified"]) == (3, 0, None)
    assert stack.pipeline.indexes.fingerprints(HANDBOOK) == [OLD]
    assert stack.pipeline.queues.ops == []
    assert stack.asked == []


def test_to_verify_changes_nothing_and_exits_with_1_if_anything_is_missing(stack: Stack) -> None:
    told = stack.to_new("--verify", code=1)
    assert (told["embedded"], told["verified"]) == (0, False)
    assert {one["kind"] for one in told["findings"]} == {"missing_rows"}
    assert stack.pipeline.indexes.fingerprints(HANDBOOK) == [OLD]
    assert stack.json("--verify")["verified"] is True  # the deployed one
    stack.to_new()
    assert stack.to_new("--verify")["verified"] is True


def test_after_the_switch_the_same_command_catches_up(stack: Stack) -> None:
    stack.to_new()
    stack.pipeline.drop("In between.", "four")
    stack.pipeline.run()
    stack.switch(NEW)
    told = stack.to_new()
    assert (told["deployed_model"], told["missing"], told["embedded"]) == (NEW, 1, 1)
    assert told["verified"]
    assert "It is the one that answers." in stack("--model", str(stack.folders[NEW])).stdout


def test_lost_chunks_are_told_by_document_and_the_others_are_migrated(stack: Stack) -> None:
    objects = stack.pipeline.objects
    objects.delete(objects.list(f"chunks/{HANDBOOK}/two/"))
    told = stack.to_new(code=1)
    (trouble,) = told["troubles"]
    assert trouble == {
        "document_id": "two",
        "collection": "handbook",
        "generation": 1,
        "chunks": 1,
        "code": "stored_data_lost",
        "message": "the stored chunks are missing; upload the document again.",
    }
    assert rows(stack.pipeline.indexes, NEW) == 2
    shown = stack("--model", str(stack.folders[NEW]), code=1).stdout
    assert "two" in shown
    assert "stored_data_lost" in shown
    assert "Not complete: missing_rows 1." in shown


def test_an_indexer_that_does_not_come_is_told(stack: Stack) -> None:
    stack.clock = Clock()
    told = stack.to_new(code=1)
    assert told["waiting_messages"] == 3
    assert told["verified"] is False
    shown = stack("--model", str(stack.folders[NEW]), code=1).stdout
    assert "The queues are not empty" in shown


def test_dead_rows_are_cleared_before_it_is_verified(stack: Stack) -> None:
    stack.to_new()
    index = stack.pipeline.indexes.of(NEW)
    row = next(iter(index._partitions[HANDBOOK].values()))
    index.upsert(HANDBOOK, [replace(row, document_id="nobody")])
    assert stack.to_new("--verify", code=1)["findings"][0]["kind"] == "extra_rows"
    assert stack.to_new()["verified"] is True


# ── Into another store ───────────────────────────────────────────────────────────────────────────


def test_another_store_is_rebuilt_without_a_model(stack: Stack) -> None:
    where = ("--pinecone-host", HOST, "--pinecone-secret", SECRET)
    told = stack.json("--to", "pinecone", *where)
    assert (told["store"], told["model"], told["embedded"], told["reused"]) == (
        "pinecone",
        OLD,
        0,
        3,
    )
    assert told["verified"]
    assert stack.opened == [("pinecone", Pinecone(HOST, SECRET))]
    assert stack.asked == []
    assert rows(stack.elsewhere, OLD) == 3
    assert "Deploy with IndexStore=pinecone, then" in stack("--to", "pinecone", *where).stdout


def test_after_the_switch_of_stores_the_indexer_catches_up(stack: Stack) -> None:
    stack.json("--to", "pinecone", "--pinecone-host", HOST, "--pinecone-secret", SECRET)
    stack.pipeline.drop("In between.", "four")
    stack.pipeline.run()
    stack.pipeline.indexes, stack.elsewhere = stack.elsewhere, stack.pipeline.indexes
    stack.parts = {"store": "pinecone", "pinecone": Pinecone(HOST, SECRET)}
    stack.opened.clear()
    told = stack.json("--to", "pinecone", "--pinecone-host", HOST, "--pinecone-secret", SECRET)
    assert (told["missing"], told["reused"], told["verified"]) == (1, 1, True)
    assert stack.opened == []
    assert rows(stack.pipeline.indexes, OLD) == 4


def test_another_model_and_another_store_at_once(stack: Stack) -> None:
    told = stack.to_new("--to", "pinecone", "--pinecone-host", HOST, "--pinecone-secret", SECRET)
    assert (told["model"], told["embedded"], told["verified"]) == (NEW, 3, True)
    assert rows(stack.elsewhere, NEW) == 3
    assert stack.pipeline.indexes.fingerprints(HANDBOOK) == [OLD]


def test_vectors_of_a_model_that_is_not_there_are_told(stack: Stack) -> None:
    objects = stack.pipeline.objects
    objects.delete(objects.list(f"vectors/{HANDBOOK}/two/"))
    told = stack.json(
        "--to", "pinecone", "--pinecone-host", HOST, "--pinecone-secret", SECRET, code=1
    )
    (trouble,) = told["troubles"]
    assert (trouble["document_id"], trouble["code"]) == ("two", "stored_data_lost")
    assert "doctor --repair" in trouble["message"]


# ── To remove the old one ────────────────────────────────────────────────────────────────────────


def test_the_old_model_is_removed_when_told(stack: Stack) -> None:
    stack.to_new()
    stack.switch(NEW)
    assert stack.json("--drop", OLD, "--dry-run")["left"] == [str(HANDBOOK)]
    assert rows(stack.pipeline.indexes, OLD) == 3
    told = stack.json("--drop", OLD)
    assert (told["collections"], told["left"]) == ([str(HANDBOOK)], [])
    assert stack.pipeline.indexes.fingerprints(HANDBOOK) == [NEW]
    assert not [key for key in stack.pipeline.objects.list("vectors/") if OLD in key]
    assert stack.pipeline.examine().healthy


def test_the_model_in_use_is_not_removed(stack: Stack) -> None:
    result = stack("--drop", OLD, code=2)
    assert "hash-1-64 is the model that is deployed" in result.stderr
    assert rows(stack.pipeline.indexes, OLD) == 3


def test_a_model_is_not_removed_before_the_one_that_answers_is_complete(stack: Stack) -> None:
    stack.to_new()
    stack.pipeline.drop("In between.", "four")
    stack.pipeline.run()
    stack.switch(NEW)
    result = stack("--drop", OLD, code=2)
    assert "the index of hash-1-128, which answers, is not complete (missing_rows 1)" in (
        result.stderr
    )
    assert rows(stack.pipeline.indexes, OLD) == 4


def test_a_model_is_not_removed_while_messages_are_on_their_way(stack: Stack) -> None:
    stack.to_new()
    stack.switch(NEW)
    stack.pipeline.queues.backlog = lambda: Backlog(chunks=2)  # type: ignore[method-assign]
    assert "the queues are not empty (2 to go)" in stack("--drop", OLD, code=2).stderr
    assert rows(stack.pipeline.indexes, OLD) == 3


def test_an_indexer_that_does_not_remove_it_is_told(stack: Stack) -> None:
    stack.to_new()
    stack.switch(NEW)
    stack.pipeline.apply = lambda ops: 1  # type: ignore[method-assign]
    assert stack.json("--drop", OLD, code=1)["left"] == [str(HANDBOOK)]


def test_the_store_that_answers_no_more_is_emptied_directly(stack: Stack) -> None:
    stack.elsewhere.of(OLD).upsert(
        HANDBOOK, list(stack.pipeline.index._partitions[HANDBOOK].values())
    )
    args = ("--to", "pinecone", "--pinecone-host", HOST, "--pinecone-secret", SECRET)
    assert stack.json("--drop", OLD, *args)["left"] == []
    assert stack.elsewhere.fingerprints(HANDBOOK) == []
    assert [key for key in stack.pipeline.objects.list("vectors/") if OLD in key]
    assert stack.pipeline.examine().healthy


@pytest.mark.parametrize(
    "spelt",
    ["one.pinecone.io", "https://one.pinecone.io/", " HTTPS://One.Pinecone.io", f"{HOST}:443"],
)
def test_the_deployed_pinecone_index_is_known_however_its_host_is_spelt(
    stack: Stack, spelt: str
) -> None:
    stack.parts = {"store": "pinecone", "pinecone": Pinecone(HOST, SECRET)}
    args = ("--to", "pinecone", "--pinecone-host", spelt, "--pinecone-secret", SECRET)
    assert "the model that is deployed" in stack("--drop", OLD, *args, code=2).stderr
    stack.to_new(*args)
    assert stack.opened == []
    assert rows(stack.pipeline.indexes, NEW) == 3


# ── Bad input ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "give --model, --to or both"),
        (("--drop", OLD, "--verify"), 2, "--drop goes without"),
        (("--drop", ""), 2, "--drop is empty"),
        (("--drop", "Not A Name"), 2, "fingerprint 'Not A Name' is not a valid name"),
        (("--drop", "hash-1-8"), 4, "no index by model hash-1-8. There are: hash-1-64."),
        (("--model", "/nowhere/at/all"), 3, "/nowhere/at/all"),
        (("--verify", "--collection", "Not A Name"), 2, "collection 'Not A Name'"),
        (("--verify", "--collection", "papers"), 4, "a collection 'papers'"),
        (("--verify", "--pinecone-host", HOST), 2, "--pinecone-host is for --to pinecone"),
        (("--verify", "--pinecone-secret", SECRET), 2, "--pinecone-secret goes with"),
        (("--to", "faiss"), 2, "faiss"),
        (("--verify", "--workers", "0"), 2, "--workers"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(
    stack: Stack, args: Sequence[str], code: int, said: str
) -> None:
    result = stack(*args, code=code)
    assert said in " ".join(result.stderr.split()).replace("│ ", "")
    assert stack.pipeline.queues.ops == []


def test_the_deployed_model_is_refused_where_there_is_no_other(stack: Stack) -> None:
    result = stack("--model", str(stack.folders[OLD]), code=2)
    assert "hash-1-64, is the one that is deployed" in result.stderr


def test_a_model_whose_vectors_the_store_cannot_hold_is_refused_before_anything_is_embedded(
    stack: Stack,
) -> None:
    stack.parts = {"store": "pinecone", "pinecone": Pinecone(HOST, SECRET)}
    stack.pipeline.indexes.length = lambda: 64  # type: ignore[method-assign]
    said = " ".join(stack("--model", str(stack.folders[NEW]), code=2).stderr.split())
    assert "hash-1-128" in said
    assert "vectors of 128 numbers" in said
    assert "holds vectors of 64" in said
    assert (stack.asked, stack.pipeline.queues.ops) == ([], [])


def test_a_store_that_cannot_be_reached_ends_it(stack: Stack) -> None:
    def refuse(store: str, place: Pinecone) -> MemoryIndexes:
        raise SetupError("PINECONE_HOST is not set.")

    stack.other = refuse  # type: ignore[method-assign]
    assert "PINECONE_HOST" in stack("--to", "pinecone", code=3).stderr


def test_a_stack_that_does_not_know_its_model_is_told(stack: Stack) -> None:
    there = replace(stack.outside(), transport=httpx.MockTransport(running(None)))
    result = run(there, "migrate", "--verify")
    assert result.exit_code == 3
    assert "does not say which embedding model it runs (its state is 'misconfigured')" in (
        result.stderr
    )
