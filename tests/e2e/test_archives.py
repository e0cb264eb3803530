"""Archives and mails: what comes in them, and goes with them."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from tests.e2e.stack import Stack, texts, until
from tests.samples import zipped

pytestmark = pytest.mark.e2e

HARBOUR = "The harbour master keeps the keys of the lock."
LANTERN = "The lantern on the pier is lit at dusk."


def letter() -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Keys", "a@example.org", "b@example.org"
    message.set_content("Enclosed is a note about the harbour.")
    message.add_attachment(HARBOUR.encode(), maintype="text", subtype="plain", filename="keys.txt")
    return message.as_bytes()


def children(stack: Stack, document_id: str) -> dict[str, Any]:
    """Path → document, as the API lists them."""
    answer = stack.api.get("/api/v2/documents", params={"parent": document_id})
    assert answer.status_code == 200, answer.text
    return {one["path_in_parent"]: one for one in answer.json()["documents"]}


def test_an_archive_comes_in_with_all_its_files_and_goes_with_them(stack: Stack) -> None:
    program = b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8
    data = zipped({"pier/größe.txt": LANTERN, "keys.eml": letter(), "setup.exe": program})
    archive = stack.upload("papers.zip", data, "archives")
    stack.indexed(archive)
    assert stack.document(archive)["children"] == 3
    outer = children(stack, archive)
    assert set(outer) == {"pier/größe.txt", "keys.eml"}
    stack.indexed(*(one["document_id"] for one in outer.values()))
    inner = children(stack, outer["keys.eml"]["document_id"])
    assert set(inner) == {"keys.txt"}
    stack.indexed(inner["keys.txt"]["document_id"])
    (left,) = stack.api.get(f"/api/v2/documents/{archive}/failures").json()["failures"]
    assert left["reason"]["code"] == "unsupported_type"
    assert left["reason"]["message"].startswith("setup.exe: ")

    answer = stack.query("keys of the lock", "archives")
    assert texts(answer)[0] == HARBOUR
    hit = answer["hits"][0]
    assert (hit["parent_filename"], hit["path_in_parent"]) == ("keys.eml", "keys.txt")

    assert stack.api.delete(f"/api/v2/documents/{archive}").status_code == 204
    assert stack.query("keys of the lock lantern pier harbour", "archives")["hits"] == []
    until(lambda: stack.rows("archives") == 0, "all rows to leave the index")
    until(lambda: not left_of(stack), lambda: f"{left_of(stack)} to leave the bucket")


def left_of(stack: Stack) -> list[str]:
    return [key for key in stack.keys("") if "/archives/" in key]
