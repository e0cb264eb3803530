"""Page-image analyses on the deployed stack: by the local cloud's Bedrock, and by a model on
loopback that really looks at the pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import samples
from tests.e2e.stack import NAME, CommandLine, Stack, until
from tests.vision_server import VisionServer, seeing

ANALYST = f"{NAME}-analyst"
PAGE = "A picture of 1109 by 1568 pixels."


@contextlib.contextmanager
def shown_to(stack: Stack, server: VisionServer) -> Iterator[None]:
    """The analyst asks this server meanwhile, not the local cloud's Bedrock."""
    known = stack.functions.get_function_configuration(FunctionName=ANALYST)["Environment"]
    ours = {**known["Variables"], "VISION_URL": server.url, "VISION_PRICES": "1,5"}
    stack.functions.update_function_configuration(
        FunctionName=ANALYST, Environment={"Variables": ours}
    )
    try:
        yield
    finally:
        stack.functions.update_function_configuration(FunctionName=ANALYST, Environment=known)


def asked(stack: Stack, document_id: str, **body: Any) -> Any:
    """An analysis that has ended."""
    place = f"/api/v2/documents/{document_id}/analyses"
    made = stack.api.post(place, json={"prompt": "What is on it?", **body})
    assert made.status_code == 202, made.text
    place = f"{place}/{made.json()['analysis_id']}"
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(stack.api.get(place).json())
        return found["status"] in {"done", "failed"}

    until(ended, lambda: f"{found} to end")
    return found


def test_the_clouds_own_model_is_asked_about_each_page(stack: Stack) -> None:
    document_id = stack.upload("two.pdf", samples.pdf(), "seen")
    stack.ended(document_id)
    found = asked(stack, document_id, max_cost=0.5)
    assert found["status"] == "done", found
    assert found["model"] == "amazon.nova-lite-v1:0" and found["progress"] == "2 of 2 pages"
    assert [one["page"] for one in found["answers"]] == [1, 2]
    assert all(one["answer"] and one["tokens"]["output"] for one in found["answers"])
    assert 0 < found["cost"] < 0.5


def test_a_model_behind_an_openai_compatible_api_sees_the_pages_and_ends_with_the_document(
    stack: Stack, tmp_path: Path
) -> None:
    command_line = CommandLine(tmp_path, stack.endpoint_url)
    (command_line.folder / "two.pdf").write_bytes(samples.pdf())
    with seeing() as server, shown_to(stack, server):
        server.answers = [(503, {"retry-after": "0"}, b"")]
        shown = command_line(
            "analyse", "two.pdf", "What is on it?", "--pages", "2", "--collection", "seen"
        )
        assert [one["answer"] for one in shown["answers"]] == [f"What is on it? {PAGE}"]
        assert [one.path for one in server.asked] == ["/v1/chat/completions"] * 2
        notes = stack.upload("notes.md", b"# Just words", "seen")
        stack.indexed(notes)
        place = f"/api/v2/documents/{notes}/analyses"
        refused = stack.api.post(place, json={"prompt": "?"})
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_type")
    document_id = shown["document_id"]
    assert stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    place = f"/api/v2/documents/{document_id}/analyses/{shown['analysis_id']}"
    assert stack.api.get(place).status_code == 404

    def left() -> list[Any]:
        kept = stack.dynamodb.query(
            TableName=stack.outputs["LedgerTableName"],
            KeyConditionExpression="PK = :pk AND begins_with(SK, :a)",
            ExpressionAttributeValues={
                ":pk": {"S": f"TENANT#default#DOC#{document_id}"},
                ":a": {"S": "AN"},  # ANALYSIS and ANSWER
            },
        )
        return list(kept["Items"])

    until(lambda: not left(), "the analyses to go with the document's records")


pytestmark = pytest.mark.e2e
