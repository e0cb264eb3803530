"""A file keeps its name on its whole way: URL, object key, event, ledger, citation."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from tests.e2e.stack import Stack, found_in, until

pytestmark = pytest.mark.e2e

NAMES = [
    "two  words.txt",
    "a+b=c&d.txt",
    'it\'s "quoted".txt',
    "# heading.txt",
    "100% %41 %2F.txt",
    "what?;x=1.txt",
    "r\u00e9sum\u00e9 \u6771\u4eac \U0001f600.txt",
    unicodedata.normalize("NFD", "caf\u00e9 \u00c5ngstr\u00f6m.txt"),
    "(v2) [final] {x} ~!$,^`.txt",
    "\u00e9" * 125 + "x.txt",
]
assert len(NAMES[-1].encode()) == 255


@pytest.fixture(scope="module")
def uploaded(stack: Stack) -> dict[str, Any]:
    ids = {
        name: stack.upload(name, f"Passage {n} about seaweed.".encode(), "names")
        for n, name in enumerate(NAMES)
    }
    return dict(zip(ids, stack.ended(*ids.values()), strict=True))


@pytest.fixture(scope="module")
def dropped(stack: Stack) -> dict[str, Any]:
    """The way in that knows nothing but the object's key."""
    ids = [
        stack.drop(f"folder/{name}", f"Passage {n} about seaweed.".encode(), "names-s3")
        for n, name in enumerate(NAMES)
    ]
    until(lambda: len(stack.documents("names-s3")) == len(NAMES), "all to be in the ledger")
    return dict(zip(NAMES, stack.ended(*ids), strict=True))


def cited_names(stack: Stack, document: Any, number: int) -> list[str]:
    filters = {"document_id": document["document_id"]}
    answer = stack.query("seaweed", document["collection"], filters=filters)
    return [hit["filename"] for hit in found_in(answer, f"Passage {number} ")]


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_an_uploaded_file_is_cited_by_its_name(
    stack: Stack, uploaded: dict[str, Any], number: int
) -> None:
    document, name = uploaded[NAMES[number]], unicodedata.normalize("NFC", NAMES[number])
    assert (document["status"], document["filename"]) == ("indexed", name)
    assert cited_names(stack, document, number) == [name]


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_a_file_dropped_into_the_bucket_is_cited_by_its_name(
    stack: Stack, dropped: dict[str, Any], number: int
) -> None:
    document, name = dropped[NAMES[number]], unicodedata.normalize("NFC", NAMES[number])
    assert (document["status"], document["filename"]) == ("indexed", name)
    assert cited_names(stack, document, number) == [name]


@pytest.mark.parametrize("number", [0, 1, 3, 4, 5, 6, 7, 9])
def test_a_file_sent_in_one_request_keeps_its_name(stack: Stack, number: int) -> None:
    """Quotes are left out: form data has no agreed way to write them."""
    answer = stack.api.post(
        "/api/v2/documents/upload",
        files={"file": (NAMES[number], f"Passage {number} by form.".encode(), "text/plain")},
        data={"collection": "names-form"},
    )
    document = stack.document(answer.json()["document_id"])
    assert document["filename"] == unicodedata.normalize("NFC", NAMES[number])


@pytest.mark.parametrize("name", ["", "/", "..", "a\x00b.txt", "line\nbreak.txt", "\u00e9" * 128])
def test_a_name_that_no_file_can_have_is_refused(stack: Stack, name: str) -> None:
    answer = stack.api.post("/api/v2/documents", json={"filename": name, "size": 1})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_only_the_last_component_of_a_path_is_kept(stack: Stack) -> None:
    document_id = stack.register("../../etc/C:\\notes\\tide.txt", b"x", "names-paths")[
        "document_id"
    ]
    assert stack.document(document_id)["filename"] == "tide.txt"
