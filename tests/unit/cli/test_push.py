from __future__ import annotations

import io
import json
import os
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from ragline.cli.push import summary
from ragline.cli.uploads import Sent
from tests.unit.cli.fakes import Clock, FakeApi, outside, run

BROKEN = {"code": "corrupt", "message": "the file is damaged.", "page": None, "chunk": None}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_pushes_a_file_and_waits_until_it_is_indexed(tmp_path: Path) -> None:
    api = FakeApi()
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "hello")))
    assert result.exit_code == 0, result.output
    assert api.bytes == {"doc1": b"hello"}
    assert "indexed" in result.stdout
    assert "1.5" in result.stdout  # seconds, by the ledger's clock


def test_registers_what_the_api_must_know(tmp_path: Path) -> None:
    api = FakeApi()
    path = write(tmp_path, "a.md", "hello")
    options = ["-c", "papers", "-m", "year=2026", "-m", "draft=true", "-m", 'id="7"', "-m", "by=me"]
    run(outside(api), "push", str(path), "--no-wait", *options)
    assert api.bodies == [
        {
            "filename": "a.md",
            "size": 5,
            "checksum": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "collection": "papers",
            "content_type": "text/markdown",
            "metadata": {"year": 2026, "draft": True, "id": "7", "by": "me"},
        }
    ]


def test_without_waiting_no_status_is_asked_for(tmp_path: Path) -> None:
    api = FakeApi()
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "x")), "--no-wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["documents"][0]["status"] == "sent"
    assert {request.method for request in api.requests} == {"POST", "PUT"}


def test_json_is_all_that_stdout_carries(tmp_path: Path) -> None:
    result = run(outside(), "push", str(write(tmp_path, "a.md", "x")), "--json")
    assert json.loads(result.stdout) == {
        "documents": [
            {
                "file": str(tmp_path / "a.md"),
                "document_id": "doc1",
                "status": "indexed",
                "duplicate": False,
                "chunks": 3,
                "pages": 2,
                "coverage": None,
                "seconds": 1.5,
                "reason": None,
            }
        ],
        "failed": 0,
    }


def test_the_same_bytes_are_not_sent_twice_and_it_says_so(tmp_path: Path) -> None:
    api = FakeApi()
    path = write(tmp_path, "a.md", "hello")
    run(outside(api), "push", str(path))
    sent = len([request for request in api.requests if request.method == "PUT"])
    result = run(outside(api), "push", str(path))
    assert result.exit_code == 0
    assert "already there: doc1" in result.stdout
    assert len([request for request in api.requests if request.method == "PUT"]) == sent


def test_bytes_that_were_promised_and_never_came_are_sent_now(tmp_path: Path) -> None:
    def registered_before(request: httpx.Request) -> httpx.Response | None:
        if request.method != "POST":
            return None
        response = api._register(json.loads(request.content))
        return httpx.Response(200, json={**response.json(), "duplicate": True})

    api = FakeApi(override=registered_before)
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "hello")))
    assert result.exit_code == 0
    assert api.bytes == {"doc1": b"hello"}
    assert "already there" not in result.stdout


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, "good.md", "fine")
    write(tmp_path, "empty.md", "")
    missing = tmp_path / "missing.md"
    result = run(outside(), "push", str(tmp_path), str(missing), "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert answer["failed"] == 2
    by_name = {Path(each["file"]).name: each for each in answer["documents"]}
    assert by_name["good.md"]["status"] == "indexed"
    assert "empty" in by_name["empty.md"]["reason"]
    assert "No such file" in by_name["missing.md"]["reason"]


def test_a_file_that_the_api_finds_too_large_is_reported(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and b'"big.bin"' in request.content:
            body = {"code": "too_large", "detail": "big.bin has 9 bytes; at most 8."}
            return httpx.Response(413, json=body)
        return None

    write(tmp_path, "big.bin", "123456789")
    write(tmp_path, "ok.md", "fine")
    result = run(outside(FakeApi(override=refuse)), "push", str(tmp_path))
    assert result.exit_code == 1
    assert "at most 8" in result.stdout
    assert "indexed" in result.stdout


@pytest.mark.parametrize("ending", ["failed", "partial"])
def test_a_document_that_fails_gives_its_reason_and_exit_code_1(
    tmp_path: Path, ending: str
) -> None:
    api = FakeApi(path=("splitting", ending), reason=BROKEN)
    result = run(outside(api), "push", str(write(tmp_path, "a.pdf", "x")))
    assert result.exit_code == 1
    assert "the file is damaged." in result.stdout


def test_what_failed_on_one_page_names_the_page(tmp_path: Path) -> None:
    reason = {"code": "corrupt", "message": "The page cannot be read.", "page": 2}
    api = FakeApi(path=("splitting", "partial"), reason=reason)
    shown = run(outside(api), "push", str(write(tmp_path, "a.pdf", "x"))).stdout
    assert "page 2: The page cannot be read." in shown


def test_an_empty_document_is_no_failure_and_its_advice_is_shown(tmp_path: Path) -> None:
    api = FakeApi(path=("splitting", "empty"))

    def advise(request: httpx.Request) -> httpx.Response | None:
        for document in api.documents.values():
            document["advice"] = "run OCR over the file."
        return None

    api.override = advise
    result = run(outside(api), "push", str(write(tmp_path, "scan.pdf", "x")))
    assert result.exit_code == 0
    assert "run OCR" in result.stdout


def test_a_document_that_does_not_end_in_time_is_reported(tmp_path: Path) -> None:
    clock = Clock()
    api = FakeApi(path=("splitting", "processing"))
    path = write(tmp_path, "a.md", "x")
    result = run(outside(api, clock=clock), "push", str(path), "--timeout", "60", "--json")
    answer = json.loads(result.stdout)["documents"][0]
    assert result.exit_code == 1
    assert answer["status"] == "timed_out"
    assert "still processing after 60 s" in answer["reason"]
    assert clock.now == pytest.approx(60)


def test_it_asks_less_often_while_nothing_moves(tmp_path: Path) -> None:
    clock = Clock()
    api = FakeApi(path=("splitting",))
    run(outside(api, clock=clock), "push", str(write(tmp_path, "a.md", "x")), "--timeout", "300")
    asked = [request for request in api.requests if request.method == "GET"]
    assert 60 <= len(asked) <= 100
    assert max(clock.slept) == 4.0


def test_a_round_asks_for_a_bounded_number_of_documents(tmp_path: Path) -> None:
    for number in range(120):
        write(tmp_path, f"{number}.md", str(number))
    api = FakeApi(path=("splitting", "indexed"))
    result = run(outside(api), "push", str(tmp_path), "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {each["status"] for each in answer["documents"]} == {"indexed"}
    assert len({each["document_id"] for each in answer["documents"]}) == 120
    gets = [request for request in api.requests if request.method == "GET"]
    assert len(gets) == 240  # each document was asked for exactly until it had ended


def test_a_document_deleted_meanwhile_is_reported(tmp_path: Path) -> None:
    api = FakeApi()

    def delete(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            api.documents.clear()
        return None

    api.override = delete
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "x")), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["documents"][0]["status"] == "deleted"


def test_a_refused_upload_says_why_but_not_where(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        if request.method == "PUT":
            text = "<Error><Code>SignatureDoesNotMatch</Code></Error>"
            return httpx.Response(403, text=text)
        return None

    api = FakeApi(override=refuse)
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "x")))
    assert result.exit_code == 1
    assert "SignatureDoesNotMatch" in result.stdout
    assert "bucket.test" not in result.output


def test_an_upload_that_is_asked_to_wait_is_sent_again_whole(tmp_path: Path) -> None:
    tries: list[bytes] = []

    def throttle(request: httpx.Request) -> httpx.Response | None:
        if request.method != "PUT":
            return None
        tries.append(request.content)
        return httpx.Response(503, text="<Code>SlowDown</Code>") if len(tries) < 3 else None

    api = FakeApi(override=throttle)
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "hello")))
    assert result.exit_code == 0
    assert tries == [b"hello"] * 3


def test_an_unreachable_api_stops_the_push_with_exit_code_3(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    result = run(outside(refuse), "push", str(write(tmp_path, "a.md", "x")))
    assert result.exit_code == 3
    assert "ragline up" in result.stderr


def test_a_folder_without_files_is_a_usage_error(tmp_path: Path) -> None:
    write(tmp_path, ".hidden", "x")
    result = run(outside(), "push", str(tmp_path))
    assert result.exit_code == 2


@pytest.mark.parametrize("pair", ["novalue", "=x"])
def test_malformed_metadata_is_a_usage_error(tmp_path: Path, pair: str) -> None:
    path = write(tmp_path, "a.md", "x")
    assert run(outside(), "push", str(path), "-m", pair).exit_code == 2


def test_files_are_named_from_where_one_stands(tmp_path: Path) -> None:
    write(tmp_path, "papers/a.md", "x")
    shown = run(outside(directory=tmp_path), "push", str(tmp_path / "papers")).stdout
    assert "papers/a.md" in shown
    assert str(tmp_path) not in shown


@pytest.mark.parametrize("width", [60, 72, 80, 120, 200])
def test_nothing_of_an_id_or_a_reason_is_cut_off(tmp_path: Path, width: int) -> None:
    identity, reason = "in-8c9547f1230904ac3d3be68d", "damaged: " + "word " * 20 + "last."
    folder = tmp_path / ("long" * 20)
    sent = [
        Sent(folder / "a.md", "indexed", identity),
        Sent(folder / "b.md", "failed", identity, reason=reason),
        Sent(folder / "c.md", "awaiting_upload", identity),
    ]
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(summary(sent, waited=True, directory=tmp_path, width=width))
    lines = capture.get().splitlines()
    last = lines[0].index("seconds") + len("seconds") + 2
    written = "".join(line[last:].replace(" ", "") for line in lines[1:])
    assert written == identity + identity + reason.replace(" ", "") + identity
    assert width < 80 or sum(identity in line[last:] for line in lines) == 3


def test_a_file_whose_name_is_no_text_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, "good.md", "fine")
    odd = os.fsdecode(b"bad\xff.txt")
    try:
        write(tmp_path, odd, "text")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    result = run(outside(), "push", str(tmp_path), "--json")
    assert result.exit_code == 1
    by_name = {Path(each["file"]).name: each for each in json.loads(result.stdout)["documents"]}
    assert by_name["good.md"]["status"] == "indexed"
    assert "not valid UTF-8" in by_name[odd]["reason"]


def test_a_collection_that_cannot_be_is_refused_once_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    api = FakeApi()
    result = run(outside(api), "push", str(write(tmp_path, "a.md", "x")), "-c", "Bad/Name")
    assert result.exit_code == 2
    assert "collection 'Bad/Name' is not a valid name" in result.stderr
    assert api.requests == []


def test_nothing_is_said_to_be_indexed_when_nothing_was_sent(tmp_path: Path) -> None:
    assert "indexing" not in run(outside(), "push", str(tmp_path / "missing.md")).stderr


def test_what_timed_out_can_be_asked_for_by_its_id(tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.md", "x"))
    result = run(outside(FakeApi(path=("splitting",))), "push", path, "--timeout", "1")
    assert "`ragline status doc1`" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["push"], ["push", "x", "-m", "no"], ["bogus"], ["search", "x", "--mode", "no"]],
    ids=["no argument", "bad pair", "no such command", "no such mode"],
)
def test_a_wrong_command_line_is_json_too(arguments: list[str]) -> None:
    result = run(outside(), *arguments, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "invalid_request"
    assert "Usage:" in result.stderr


def test_arguments_that_are_no_text_are_the_callers_mistake() -> None:
    result = run(outside(), "search", os.fsdecode(b"caf\xff"), "--json")
    assert result.exit_code == 2
    assert "not valid UTF-8" in json.loads(result.stdout)["error"]["message"]
