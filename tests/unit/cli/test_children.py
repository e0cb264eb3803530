"""`ragline push`, `status`, `ls` and `search` of archives, against the API and the pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from ragline.api.app import create_app
from ragline.domain.children import child_id
from tests.samples import zipped
from tests.unit.api.world import World
from tests.unit.bucket import Bucket
from tests.unit.cli.fakes import API_URL, outside, run

SIGNED = "https://bucket.test/"
PAPERS: dict[str, str | bytes] = {
    "2026/gates.txt": "The gate opens at nine.",
    "cranes.txt": "The brake of the crane is worn.",
}


class Cloud:
    """The API, a bucket that takes what it signed, and functions that work between two calls."""

    def __init__(self, api: TestClient, bucket: Bucket) -> None:
        self._api, self.bucket = api, bucket

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        url = str(request.url)
        if url.startswith(SIGNED):
            self.bucket.objects.put(url.removeprefix(SIGNED), request.content)
            return httpx.Response(200)
        answer = self._api.request(
            request.method,
            url.removeprefix(API_URL),
            content=request.content,
            headers=dict(request.headers),
        )
        self._work()
        return httpx.Response(answer.status_code, text=answer.text.replace("memory://", SIGNED))

    def _work(self) -> None:
        """One event, and what follows of it."""
        if self.bucket.objects.events:
            key, order, _ = self.bucket.next_event()
            self.bucket.pipeline.split(key, order)
            self.bucket.pipeline.run()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    bucket = Bucket()
    pipeline = bucket.pipeline
    world = World(the_objects=bucket.objects)
    world.the_ledger, world.the_queues = pipeline.ledger, pipeline.queues
    world.the_indexes = pipeline.indexes
    with TestClient(create_app(world)) as api:
        yield Cloud(api, bucket)


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    return archive(tmp_path, PAPERS)


def archive(folder: Path, members: dict[str, str | bytes]) -> Path:
    path = folder / "papers.zip"
    path.write_bytes(zipped(members))
    return path


def pushed(cloud: Cloud, path: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    args = ("push", str(path), "--collection", "handbook", "--json", *options)
    result = run(outside(cloud), *args)
    return result.exit_code, json.loads(result.stdout)["documents"]


def test_push_waits_for_what_came_in_an_archive_and_shows_it(cloud: Cloud, papers: Path) -> None:
    code, documents = pushed(cloud, papers)
    assert code == 0
    assert [Path(one["file"]).relative_to(papers.parent).as_posix() for one in documents] == [
        "papers.zip",
        "papers.zip/2026/gates.txt",
        "papers.zip/cranes.txt",
    ]
    assert {one["status"] for one in documents} == {"indexed"}
    parent, *inside = documents
    assert {one["parent"] for one in inside} == {parent["document_id"]}


def test_push_waits_for_what_lies_deeper_too(cloud: Cloud, tmp_path: Path) -> None:
    inner = zipped({"deep.txt": "The lamp is out."})
    code, documents = pushed(cloud, archive(tmp_path, {"inner.zip": inner}))
    assert code == 0
    assert documents[-1]["file"].endswith("papers.zip/inner.zip/deep.txt")
    assert documents[-1]["status"] == "indexed"


def test_push_fails_for_what_failed_in_an_archive(cloud: Cloud, tmp_path: Path) -> None:
    broken = archive(tmp_path, PAPERS | {"broken.pdf": b"%PDF-1.7 and no more"})
    code, documents = pushed(cloud, broken)
    assert code != 0
    assert {Path(one["file"]).name: one["status"] for one in documents} == {
        "papers.zip": "indexed",
        "gates.txt": "indexed",
        "broken.pdf": "failed",
        "cranes.txt": "indexed",
    }


def test_push_says_that_files_were_left_in_an_archive(cloud: Cloud, tmp_path: Path) -> None:
    program = b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20
    papers = archive(tmp_path, PAPERS | {"setup.exe": program})
    shown = run(outside(cloud), "push", str(papers), "--collection", "handbook").stdout
    assert "1 file was left in it; `ragline status` says why" in shown


def test_push_says_nothing_of_files_left_in_an_archive_that_was_read_whole(
    cloud: Cloud, papers: Path
) -> None:
    shown = run(outside(cloud), "push", str(papers), "--collection", "handbook").stdout
    assert "left in it" not in shown


def test_without_waiting_only_the_archive_is_told_of(cloud: Cloud, papers: Path) -> None:
    _, documents = pushed(cloud, papers, "--no-wait")
    assert [Path(one["file"]).name for one in documents] == ["papers.zip"]


def test_status_shows_an_archive_what_came_in_it_and_what_was_left(
    cloud: Cloud, tmp_path: Path
) -> None:
    program = b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20
    _, documents = pushed(cloud, archive(tmp_path, PAPERS | {"setup.exe": program}))
    result = run(outside(cloud), "status", documents[0]["document_id"])
    assert result.exit_code == 0
    assert "3: 2 indexed, 1 left in it" in result.stdout
    assert "2026/gates.txt (in papers.zip)" in result.stdout
    assert "setup.exe: " in result.stdout
    assert "unsupported_type" in result.stdout


def test_status_says_where_a_document_came_in(cloud: Cloud, papers: Path) -> None:
    _, documents = pushed(cloud, papers)
    parent = documents[0]["document_id"]
    result = run(outside(cloud), "status", child_id(parent, "cranes.txt"))
    assert f"papers.zip ({parent}), as cranes.txt" in result.stdout


def test_ls_and_search_name_the_archive_of_a_file(cloud: Cloud, papers: Path) -> None:
    pushed(cloud, papers)
    listed = run(outside(cloud), "ls", "--collection", "handbook")
    assert "2026/gates.txt (in papers.zip)" in listed.stdout
    found = run(outside(cloud), "search", "worn brake crane", "--collection", "handbook")
    assert "cranes.txt (in papers.zip)" in found.stdout


def test_rm_of_an_archive_takes_what_came_in_it_along(cloud: Cloud, papers: Path) -> None:
    _, documents = pushed(cloud, papers)
    assert run(outside(cloud), "rm", documents[0]["document_id"]).exit_code == 0
    listed = run(outside(cloud), "ls", "--collection", "handbook")
    assert "no documents" in listed.stdout
