"""`ragline push` of files in parts, against the API itself, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from ragline.api.app import create_app
from ragline.domain.tenants import Caps
from ragline.usecases import multipart
from tests.unit.api.world import World
from tests.unit.cli.fakes import API_URL, outside, problem, run

MEBIBYTE = 1024 * 1024
BUCKET = "https://bucket.test/"
Override = Callable[[httpx.Request], httpx.Response | None]


class Cloud:
    """The API, and a bucket that takes what it signed. ``sent``: the numbers of the parts."""

    def __init__(self, api: TestClient, world: World) -> None:
        self._api, self.world = api, world
        self.sent: list[int] = []
        self.override: Override = lambda request: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if (overridden := self.override(request)) is not None:
            return overridden
        url = str(request.url)
        if url.startswith(BUCKET):
            self.sent.append(int(url.rpartition("&")[2]))
            self.world.the_objects.receive(url.replace(BUCKET, "memory://"), request.content)
            return httpx.Response(200)
        answer = self._api.request(
            request.method,
            url.removeprefix(API_URL),
            content=request.content,
            headers=dict(request.headers),
        )
        return httpx.Response(answer.status_code, text=answer.text.replace("memory://", BUCKET))

    def push(self, path: Path, *options: str) -> tuple[int, dict[str, Any]]:
        args = ("push", str(path), "--no-wait", "--json", "--multipart", *options)
        result = run(outside(self), *args)
        (document,) = json.loads(result.stdout)["documents"]
        return result.exit_code, document

    def stored(self) -> list[bytes]:
        objects = self.world.the_objects
        return [data for key in objects.list("uploads/") if (data := objects.get(key))]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(multipart, "PART_BYTES", MEBIBYTE)
    world = World()
    with TestClient(create_app(world)) as api:
        yield Cloud(api, world)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.pdf"
    path.write_bytes(b"".join(bytes([n]) * MEBIBYTE for n in range(3)) + b"the end")
    return path


def is_part(request: httpx.Request, number: int) -> bool:
    return request.method == "PUT" and str(request.url).endswith(f"&{number}")


def test_a_file_is_sent_in_parts_and_arrives_whole(cloud: Cloud, big: Path) -> None:
    code, document = cloud.push(big)
    assert (code, document["status"]) == (0, "sent")
    assert document["parts"] == {"total": 4, "found": 0}
    assert sorted(cloud.sent) == [1, 2, 3, 4]
    assert cloud.stored() == [big.read_bytes()]


def test_what_broke_off_goes_on_with_the_parts_that_are_missing(cloud: Cloud, big: Path) -> None:
    def broken(request: httpx.Request) -> httpx.Response | None:
        refused = "<Error><Code>InternalThing</Code></Error>"
        return httpx.Response(400, text=refused) if is_part(request, 4) else None

    cloud.override = broken
    code, document = cloud.push(big)
    assert (code, document["status"]) == (1, "not_sent")
    assert "InternalThing" in document["reason"]
    assert cloud.stored() == []
    arrived = set(cloud.sent)
    assert arrived
    cloud.override, cloud.sent = lambda request: None, []
    code, document = cloud.push(big)
    assert (code, document["status"]) == (0, "sent")
    assert document["parts"] == {"total": 4, "found": len(arrived)}
    assert set(cloud.sent) == {1, 2, 3, 4} - arrived
    assert cloud.stored() == [big.read_bytes()]


def test_a_file_that_changed_since_is_sent_anew(cloud: Cloud, big: Path) -> None:
    cloud.override = lambda request: httpx.Response(400) if is_part(request, 4) else None
    cloud.push(big)
    cloud.override = lambda request: None
    big.write_bytes(b"x" * MEBIBYTE + b"shorter")
    cloud.sent = []
    _, document = cloud.push(big)
    assert document["parts"] == {"total": 2, "found": 0}
    assert cloud.stored() == [big.read_bytes()]


def test_a_file_that_is_cut_short_while_it_is_sent_is_told_of_and_not_completed(
    cloud: Cloud, big: Path
) -> None:
    def cut_short(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/parts"):
            big.write_bytes(big.read_bytes()[:-1])

    cloud.override = cut_short
    code, document = cloud.push(big)
    assert (code, document["status"]) == (1, "not_sent")
    assert "changed while it was sent" in document["reason"]
    assert 4 not in cloud.sent
    assert cloud.stored() == []


def test_a_url_that_ran_out_is_asked_for_again(cloud: Cloud, big: Path) -> None:
    late = [True]

    def run_out(request: httpx.Request) -> httpx.Response | None:
        if is_part(request, 2) and late:
            late.clear()
            return httpx.Response(403, text="<Error><Code>AccessDenied</Code></Error>")
        return None

    cloud.override = run_out
    assert cloud.push(big)[0] == 0
    assert not late
    assert cloud.stored() == [big.read_bytes()]


def test_a_part_that_meets_a_busy_bucket_is_sent_again(cloud: Cloud, big: Path) -> None:
    busy = [503, 500]
    cloud.override = lambda request: (
        httpx.Response(503) if is_part(request, 3) and busy and busy.pop() == 503 else None
    )
    assert cloud.push(big)[0] == 0
    assert cloud.stored() == [big.read_bytes()]


def test_an_upload_that_another_took_over_is_begun_once_more(cloud: Cloud, big: Path) -> None:
    gone = [True]

    def taken_over(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/parts") and gone:
            gone.clear()
            return problem(404, "not_found", "no upload is open.")
        return None

    cloud.override = taken_over
    assert cloud.push(big)[0] == 0
    assert cloud.stored() == [big.read_bytes()]


def test_a_cap_is_told_of_as_the_api_names_it(cloud: Cloud, big: Path) -> None:
    cloud.world.the_ledger.cap("default", Caps(bytes=10))
    code, document = cloud.push(big)
    assert (code, document["status"]) == (1, "not_sent")
    assert "max_bytes, 10" in document["reason"]


def test_people_are_told_how_much_was_there(cloud: Cloud, big: Path) -> None:
    cloud.override = lambda request: httpx.Response(400) if is_part(request, 4) else None
    cloud.push(big)
    cloud.override = lambda request: None
    found = len(set(cloud.sent))
    result = run(outside(cloud), "push", str(big), "--no-wait", "--multipart")
    assert f"{found} of 4 parts were there" in result.stdout
