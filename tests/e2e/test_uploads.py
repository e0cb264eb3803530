"""Uploads by form and in parts against a running stack: what is refused, and what goes on."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.stack import NAME, RAGLINE, ROOT, CommandLine, Stack, until
from tests.samples import encrypted_pdf, markdown, pdf

pytestmark = pytest.mark.e2e

TYPE = "text/markdown"
PART = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def ragline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("uploads"), stack.endpoint_url)


# By form


def text(words: str) -> bytes:
    return markdown() + f"\n\nOf {words}.\n".encode()


def form(stack: Stack, data: bytes) -> Any:
    """A registered document and the form for its bytes."""
    return stack.register(
        "form.md",
        data,
        "forms",
        content_type=TYPE,
        checksum=hashlib.sha256(data).hexdigest(),
        upload="post",
    )


def post(stack: Stack, upload: Any, data: bytes, **changed: str) -> httpx.Response:
    return stack.anyone.post(
        upload["url"], data={**upload["fields"], **changed}, files={"file": ("form.md", data)}
    )


def test_a_file_posted_by_its_form_is_indexed(stack: Stack) -> None:
    data = text("a form")
    registered = form(stack, data)
    assert registered["upload"]["method"] == "POST"
    answer = post(stack, registered["upload"], data)
    assert answer.status_code == 204, answer.text
    stack.indexed(registered["document_id"])
    document = stack.document(registered["document_id"])
    assert document["checksum"] == hashlib.sha256(data).hexdigest()


def test_a_form_takes_nothing_but_what_was_registered(stack: Stack) -> None:
    data = text("a form that is tampered with")
    registered = form(stack, data)
    upload = registered["upload"]
    elsewhere = upload["fields"]["key"].replace("/default/", "/rival/", 1)
    refused = {
        "too big": post(stack, upload, data + b"x"),
        "too small": post(stack, upload, data[:-1]),
        "another type": post(stack, upload, data, **{"Content-Type": "text/html"}),
        "another key": post(stack, upload, data, key=elsewhere),
        "another checksum": post(stack, upload, data, **{"x-amz-checksum-sha256": "AAAA"}),
        "one field more": post(stack, upload, data, acl="public-read"),
    }
    assert {what: answer.status_code for what, answer in refused.items()} == {
        what: 403 if "another" in what or "more" in what else 400 for what in refused
    }
    assert stack.keys(f"uploads/default/forms/{registered['document_id']}/") == []
    assert stack.keys("uploads/rival/") == []
    assert post(stack, upload, data).status_code == 204
    stack.indexed(registered["document_id"])


# In parts


@pytest.fixture(scope="module")
def big(ragline: CommandLine) -> Path:
    path = ragline.folder / "big.pdf"
    path.write_bytes(padded(13))
    return path


def padded(parts: int) -> bytes:
    """A PDF of so many parts: two pages, and a comment that no reader shows."""
    whole = pdf()
    (start,) = re.findall(rb"startxref\s+(\d+)", whole)
    noise = random.Random(parts).randbytes(parts * PART - 5_000 - len(whole))
    comment = noise.replace(b"\n", b"-").replace(b"\r", b"-")
    return b"".join((whole, b"\n%", comment, b"\nstartxref\n", start, b"\n%%EOF\n"))


def open_uploads(stack: Stack) -> list[Any]:
    return list(stack.s3.list_multipart_uploads(Bucket=stack.bucket).get("Uploads", []))


def parts_there(stack: Stack) -> int:
    (upload,) = open_uploads(stack) or [None]
    if upload is None:
        return 0
    there = stack.s3.list_parts(Bucket=stack.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return len(there.get("Parts", []))


def test_a_push_that_is_killed_goes_on_where_it_was(
    stack: Stack, ragline: CommandLine, big: Path
) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(ragline.folder), "LANG": "C.UTF-8"}
    words = ["push", "big.pdf", "-c", "parts", "--endpoint", stack.endpoint_url, "--stack", NAME]
    with subprocess.Popen(
        [str(RAGLINE), *words],
        cwd=ragline.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as push:
        until(lambda: parts_there(stack) >= 2 or push.poll() is not None, "two parts to arrive")
        push.send_signal(signal.SIGKILL)
    assert push.returncode == -signal.SIGKILL, "it was done before it could be killed"
    there = parts_there(stack)
    assert 2 <= there < 13
    (told,) = ragline("push", "big.pdf", "--collection", "parts")["documents"]
    assert told["status"] == "indexed"
    assert told["parts"]["total"] == 13
    # What was on its way when it was killed may have arrived after the count above.
    assert there <= told["parts"]["found"] < 13
    document = stack.document(told["document_id"])
    assert document["size"] == big.stat().st_size
    assert document["checksum"] == hashlib.sha256(big.read_bytes()).hexdigest()
    assert open_uploads(stack) == []
    assert len(stack.documents("parts")) == 1


def test_a_part_is_taken_only_as_it_was_signed(stack: Stack) -> None:
    data = bytes(PART) + b"the rest"
    registered = stack.register("p.bin", data, "parts", upload="multipart")
    path = f"/api/v2/documents/{registered['document_id']}"
    upload_id = registered["upload"]["upload_id"]
    wanted = [{"number": 2, "checksum": hashlib.sha256(b"the rest").hexdigest()}]
    signed = stack.api.post(f"{path}/parts", json={"upload_id": upload_id, "parts": wanted})
    assert signed.status_code == 200, signed.text
    (one,) = signed.json()["parts"]
    other = one["url"].replace("partNumber=2", "partNumber=1")
    for url, body in ((one["url"], b"the REST"), (one["url"], b"more"), (other, b"the rest")):
        headers = {**one["headers"], "Content-Length": str(len(body))}
        assert stack.anyone.put(url, headers=headers, content=body).status_code in (400, 403)
    assert stack.anyone.put(one["url"], headers=one["headers"], content=b"the rest").is_success
    there = stack.api.get(f"{path}/parts", params={"upload_id": upload_id}).json()
    assert [(each["number"], each["size"]) for each in there["arrived"]] == [(2, 8)]
    refused = stack.api.post(f"{path}/complete", json={"upload_id": upload_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    gone = stack.api.delete(f"{path}/parts", params={"upload_id": upload_id})
    assert gone.status_code == 204, gone.text
    assert open_uploads(stack) == []


# Caps


def test_caps_refuse_what_is_registered_and_what_is_dropped_until_there_is_room(
    stack: Stack, ragline: CommandLine
) -> None:
    held = ragline("tenants", "show", "default")["holds"]
    ragline("tenants", "set", "default", "--max-documents", str(held["documents"]))
    try:
        body = {"filename": "late.md", "size": 10, "collection": "caps"}
        refused = stack.api.post("/api/v2/documents", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "quota_exceeded")
        assert "max_documents" in refused.json()["detail"]
        (late,) = stack.ended(stack.drop("late.md", text("a drop beyond the cap"), "caps"))
        assert (late["status"], late["reason"]["code"]) == ("failed", "quota_exceeded")
    finally:
        ragline("tenants", "set", "default", "--max-documents", "none")
    stack.redrive(code="quota_exceeded")
    stack.indexed(late["document_id"])


def test_what_a_tenant_is_said_to_hold_is_what_its_documents_add_up_to(
    stack: Stack, ragline: CommandLine
) -> None:
    """After all that the tests before did: the doctor adds it up."""
    told = ragline.run("doctor", "--json")
    assert "miscounted_tenant" not in told.stdout


# The page


def blocks(language: str) -> list[str]:
    page = (ROOT / "docs/uploads.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_commands_of_the_page_do_what_it_says(ragline: CommandLine) -> None:
    (ragline.folder / "handbook.pdf").write_bytes(pdf())
    (ragline.folder / "big-archive.pdf").write_bytes(pdf() + b"\n%%EOF\n")
    (ragline.folder / "payroll.pdf").write_bytes(encrypted_pdf())
    (ragline.folder / "payroll.password").write_text("user\n")
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 7
    for line in lines:
        done = ragline.run(*shlex.split(line)[1:])
        assert done.returncode == 0, (line, done.stdout, done.stderr)


@pytest.mark.parametrize("block", blocks("python"), ids=["form", "parts"])
def test_the_programs_of_the_page_bring_a_document(
    stack: Stack, tmp_path: Path, block: str
) -> None:
    (tmp_path / "archive.pdf").write_bytes(padded(2))
    key = stack.api.headers["x-api-key"]
    environ = {"RAGLINE_API_URL": stack.api_url, "RAGLINE_API_KEY": key, "NO_PROXY": "*"}
    done = subprocess.run(
        [sys.executable, "-c", block, "archive.pdf"], cwd=tmp_path, env=environ,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (document,) = stack.ended(done.stdout.strip())
    assert document["status"] == "indexed"
