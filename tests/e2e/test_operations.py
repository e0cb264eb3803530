"""What docs/operating.md tells to do, done: upgrade, roll back, back up, delete a tenant."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragline.domain.documents import dropped_id
from ragline.embedding.prepare import ensure
from ragline.local import deploy
from tests.e2e.stack import NAME, ROOT, CommandLine, Stack, alone, texts, until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

PAGE = (ROOT / "docs/operating.md").read_text()

HARBOUR = b"# Harbour\n\nThe archive keeps the maps of the old harbour.\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Of its own: these tests break what others rely on."""
    with alone(tmp_path_factory.mktemp("operations")) as found:
        # Here an update ends what runs, where AWS lets it finish: so it comes back as it does after
        # a crash, but in seconds rather than in six times the function's time limit.
        for name in ("ChunksQueueUrl", "IndexOpsQueueUrl", "PagesQueueUrl"):
            found.sqs.set_queue_attributes(
                QueueUrl=found.outputs[name], Attributes={"VisibilityTimeout": "15"}
            )
        yield found


@pytest.fixture
def ragline(stack: Stack, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, stack.endpoint_url)


def documented(heading: str) -> list[list[str]]:
    """The words of each `ragline` command that a section has tests run, without `ragline`."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [line.split()[1:] for block in blocks for line in block.splitlines()]


def version(stack: Stack, project: Path = ROOT, **parameters: str) -> None:
    """Deploy what is in a folder over the stack that runs."""
    told = {"ModelDir": str(ensure("int8")), "EmbedderConcurrency": "2", **parameters}
    deploy.deploy(
        stack.endpoint_url, project / "template.yaml", stack=NAME, parameters=told, say=print
    )


def copied(folder: Path) -> Path:
    """The project, to be changed."""
    for name in ("functions", "layers", "infra"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "template.yaml", folder)
    return folder


def change(path: Path, what: str, by: str) -> None:
    text = path.read_text()
    assert what in text, path
    path.write_text(text.replace(what, by, 1))


def many(number: int) -> bytes:
    sections = (
        f"## Section {n}\n\nPage {n} of volume {number} tells of ship {number * 100 + n}."
        for n in range(40)
    )
    return "\n\n".join(sections).encode()


def test_an_upgrade_while_documents_are_under_way_loses_none(stack: Stack, tmp_path: Path) -> None:
    new = copied(tmp_path)
    change(new / "functions/embedder/handler.py", '"embedded"', '"embedded by the new version"')
    ids = [stack.upload(f"volume-{n}.md", many(n), "fleet") for n in range(12)]
    until(lambda: stack.document(ids[0])["progress"]["chunks_total"], "the work to begin")
    version(stack, new, LogLevel="DEBUG")
    ids += [stack.upload(f"volume-{n}.md", many(n), "fleet") for n in range(12, 16)]
    stack.indexed(*ids)
    assert {one["progress"]["indexed"] for one in stack.ended(*ids)} == {40}
    assert any("ship 1407" in text for text in texts(stack.query("ship 1407", "fleet")))
    version(stack)


def test_a_bad_version_is_rolled_back_and_what_came_meanwhile_ends_well(
    stack: Stack, tmp_path: Path
) -> None:
    before = stack.upload("harbour.md", HARBOUR, "rolled")
    stack.indexed(before)
    bad = copied(tmp_path)
    change(bad / "functions/api/handler.py", "from ragline", "raise ImportError\nfrom ragline")
    change(
        bad / "functions/embedder/handler.py",
        "    live, ",
        '    raise RuntimeError("bad")\n    live, ',
    )
    version(stack, bad)
    until(lambda: stack.api.get("/health").status_code >= 500, "the bad version to answer")
    dropped = stack.drop("late.md", b"A later map shows the reef.", "rolled")
    version(stack)
    until(lambda: stack.api.get("/health").status_code == 200, "the good version to answer")
    until(lambda: known(stack, dropped), "the file to be seen")
    stack.indexed(before, dropped)
    assert len(texts(stack.query("maps of the harbour and the reef", "rolled"))) == 2


def known(stack: Stack, document_id: str) -> bool:
    return stack.api.get(f"/api/v2/documents/{document_id}").status_code == 200


def test_a_ledger_and_an_index_that_are_gone_come_back_from_a_backup(
    stack: Stack, ragline: CommandLine
) -> None:
    document = stack.upload("charts.md", HARBOUR, "kept")
    stack.indexed(document)
    to_folder, to_bucket, restore, repair = documented("Back up and restore")
    told = ragline(*to_folder)
    assert told["records"] > 0
    stack.s3.create_bucket(Bucket="another-bucket")
    assert ragline(*to_bucket)["records"] == told["records"]

    destroy(stack)
    assert stack.api.get(f"/api/v2/documents/{document}").status_code == 404
    assert ragline(*restore)["records"] == told["records"]
    assert "not empty" in ragline(*restore, code=2)["error"]["message"]
    assert stack.document(document)["status"] == "indexed"

    mended = ragline(*repair)
    assert mended["healthy"], mended
    assert texts(stack.query("maps of the harbour", "kept")) != []


def destroy(stack: Stack) -> None:
    """The table's items and the index's files, all of them; the bucket has the rest."""
    table = stack.outputs["LedgerTableName"]
    pages = stack.dynamodb.get_paginator("scan").paginate(TableName=table)
    for page in pages:
        for item in page["Items"]:
            key: Any = {"PK": item["PK"], "SK": item["SK"]}
            stack.dynamodb.delete_item(TableName=table, Key=key)
    for key in stack.keys("index/"):
        stack.s3.delete_object(Bucket=stack.bucket, Key=key)


def test_a_tenant_is_deleted_and_nothing_of_it_is_found(stack: Stack, ragline: CommandLine) -> None:
    assert "no tenant 'acne'" in ragline("tenants", "delete", "acne", code=4)["error"]["message"]
    key = "uploads/acme/library/reef.md"
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=b"The reef is charted on sheet nine.")
    item = {"PK": {"S": f"TENANT#acme#DOC#{dropped_id(key)}"}, "SK": {"S": "META"}}

    def indexed() -> bool:
        table = stack.outputs["LedgerTableName"]
        found: Any = stack.dynamodb.get_item(TableName=table, Key=item).get("Item")
        return bool(found) and found["status"]["S"] == "indexed"

    until(indexed, "the file of another tenant to be indexed")
    stack.s3.create_multipart_upload(Bucket=stack.bucket, Key="uploads/acme/library/big.pdf")
    look, really = documented("Delete a tenant")
    there = ragline(*look)
    assert (there["deleted"], there["left"]["index rows"]) == (False, 1)
    assert there["left"]["open uploads"] == 1

    gone = ragline(*really)
    assert gone["gone"]["documents"] == 1
    assert set(gone["left"].values()) == {0}
    assert not stack.keys("uploads/acme/") and not stack.keys("vectors/acme/")
    assert not [key for key in stack.keys("index/") if "/acme." in key]
    # the others are where they were
    assert texts(stack.query("maps of the harbour", "kept")) != []


def test_what_was_used_is_told(stack: Stack, ragline: CommandLine) -> None:
    [words] = documented("Costs")
    told = ragline(*words)
    default = next(one for one in told["tenants"] if one["tenant"] == "default")
    assert default["usd"] > 0
    items = {line["item"] for line in default["costs"]}
    assert {"gb_seconds", "dynamodb_write_units", "s3_writes"} <= items
    answer = stack.api.get("/api/v2/usage")
    assert answer.status_code == 200, answer.text
    assert answer.json()["usd"] > 0
    assert answer.json()["holds"]["chunks"] > 0
