"""The installed command, as a process of its own, against the running stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import CommandLine, Stack
from tests.ports import free_port
from tests.samples import HEADING, SENTENCE, encrypted_pdf, markdown, pdf

pytestmark = pytest.mark.e2e

QUESTION = "At what level is the mercury column read?"


@pytest.fixture(scope="module")
def ragline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("elsewhere"), stack.endpoint_url)


@pytest.fixture(scope="module")
def pushed(ragline: CommandLine) -> dict[str, Any]:
    """A folder with two good files and one that cannot be read; name → what push said of it."""
    files = ragline.folder / "files"
    (files / "deep").mkdir(parents=True)
    (files / "handbook.pdf").write_bytes(pdf())
    (files / "deep" / "a note+1.md").write_bytes(markdown())
    (files / "locked.pdf").write_bytes(encrypted_pdf())
    told = ragline("push", "files", "--collection", "pushed", "--wait", code=1)
    return {Path(each["file"]).name: each for each in told["documents"]}


def test_push_waits_and_tells_of_each_file_what_became_of_it(pushed: dict[str, Any]) -> None:
    assert {name: each["status"] for name, each in pushed.items()} == {
        "handbook.pdf": "indexed",
        "a note+1.md": "indexed",
        "locked.pdf": "failed",
    }
    assert pushed["handbook.pdf"]["pages"] == 2
    assert "password" in pushed["locked.pdf"]["reason"]


def test_pushing_the_same_files_again_brings_nothing_new(
    ragline: CommandLine, pushed: dict[str, Any]
) -> None:
    again = ragline("push", "files/handbook.pdf", "--collection", "pushed", "--wait")
    (told,) = again["documents"]
    assert told["duplicate"]
    assert told["document_id"] == pushed["handbook.pdf"]["document_id"]


def test_ls_lists_the_collection_and_can_choose_by_status(
    ragline: CommandLine, pushed: dict[str, Any]
) -> None:
    listed = ragline("ls", "--collection", "pushed")["documents"]
    assert {each["filename"] for each in listed} == set(pushed)
    failed = ragline("ls", "--collection", "pushed", "--status", "failed")["documents"]
    assert [each["filename"] for each in failed] == ["locked.pdf"]
    assert ragline("ls", "--collection", "nothing-here")["documents"] == []


def test_status_fails_for_a_document_that_failed(
    ragline: CommandLine, pushed: dict[str, Any]
) -> None:
    good = ragline("status", pushed["handbook.pdf"]["document_id"])
    assert (good["status"], good["progress"]["percent"]) == ("indexed", "100%")
    bad = ragline("status", pushed["locked.pdf"]["document_id"], code=1)
    assert bad["reason"]["code"] == "encrypted"


def test_search_cites_file_page_and_heading(ragline: CommandLine, pushed: dict[str, Any]) -> None:
    assert pushed
    found = ragline("search", QUESTION, "--collection", "pushed", "--limit", "2")["hits"]
    assert {hit["filename"] for hit in found} == {"handbook.pdf", "a note+1.md"}
    (hit,) = [hit for hit in found if hit["filename"] == "handbook.pdf"]
    assert SENTENCE in hit["text"]
    assert (hit["page"], hit["headings"]) == (2, [HEADING])


@pytest.mark.parametrize("function", ["splitter", "embedder", "indexer", "api"])
def test_logs_show_what_a_function_did(
    ragline: CommandLine, pushed: dict[str, Any], function: str
) -> None:
    assert pushed
    entries = ragline("logs", function, "--since", "10m")
    assert {entry["function"] for entry in entries} == {function}
    lines = [entry["message"] for entry in entries if isinstance(entry["message"], dict)]
    words = {"splitter": "object", "embedder": "embedded", "indexer": "applied", "api": "request"}
    assert words[function] in {line.get("message") for line in lines}


def test_rm_deletes_and_says_what_it_could_not(
    ragline: CommandLine, pushed: dict[str, Any], stack: Stack
) -> None:
    note = ragline.folder / "away.txt"
    note.write_text("A note that will go away.")
    (sent,) = ragline("push", str(note), "--collection", "away", "--wait")["documents"]
    document_id = sent["document_id"]
    told = ragline("rm", document_id, "unknown", code=4)
    assert told["deleted"] == [document_id]
    assert [each["code"] for each in told["failed"]] == ["not_found"]
    assert stack.query("note", "away")["hits"] == []
    assert stack.document(document_id)["status"] == "deleted"


def test_exit_codes_tell_mistakes_from_troubles(ragline: CommandLine) -> None:
    assert ragline("status", "unknown", code=4)["error"]["code"] == "not_found"
    assert ragline("search", " ", code=2)["error"]["code"] == "invalid_request"
    assert ragline("search", "x", "--collection", "No!", code=2)["error"]["code"]
    nowhere = f"http://127.0.0.1:{free_port()}"
    for words in (["ls"], ["redrive", "--all"], ["doctor"], ["doctor", "--repair"]):
        assert ragline(*words, code=3, endpoint=nowhere)["error"]["code"] == "setup_error", words
