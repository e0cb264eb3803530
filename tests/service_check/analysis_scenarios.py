"""Pages that a vision model looks at."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests import samples
from tests.service_check.by_hand import ByHand

QUEUE = "AnalysesQueue"
NEWER = json.dumps({"schema_version": 99})
TIMEOUT = 300
"""What the template gives the analyst."""


def ordered(hand: ByHand) -> str:
    """The place of an analysis of two pages that waits."""
    document_id = hand.put(samples.pdf(), f"seen-{uuid.uuid4().hex[:8]}", "two.pdf")
    hand.split(document_id)
    place = f"/api/v2/documents/{document_id}/analyses"
    made = hand.stack.api.post(place, json={"prompt": "What is on it?"})
    assert made.status_code == 202, made.text
    return f"{place}/{made.json()['analysis_id']}"


def shown(hand: ByHand, place: str) -> Any:
    answer = hand.stack.api.get(place)
    assert answer.status_code == 200, answer.text
    return answer.json()


def the_pages_of_a_document_are_looked_at(hand: ByHand) -> None:
    place = ordered(hand)
    assert hand.feed(QUEUE) == []
    found = shown(hand, place)
    assert (found["status"], len(found["answers"])) == ("done", 2), found


def an_analysis_of_bytes_that_are_gone_ends(hand: ByHand) -> None:
    place = ordered(hand)
    document_id = place.split("/")[4]
    hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=hand.key_of(document_id))
    assert hand.feed(QUEUE) == []
    assert shown(hand, place)["reason"]["code"] == "replaced"


def an_analysis_of_a_deleted_document_is_dropped(hand: ByHand) -> None:
    place = ordered(hand)
    document_id = place.split("/")[4]
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    assert hand.feed(QUEUE) == []
    kept = hand.stack.dynamodb.query(
        TableName=hand.stack.outputs["LedgerTableName"],
        KeyConditionExpression="PK = :pk AND begins_with(SK, :analysis)",
        ExpressionAttributeValues={
            ":pk": {"S": f"TENANT#default#DOC#{document_id}"},
            ":analysis": {"S": "ANALYSIS#"},
        },
        ConsistentRead=True,
    )
    assert kept["Items"] == []


def an_analysis_that_is_given_up_ends_and_its_letter_is_kept(hand: ByHand) -> None:
    place = ordered(hand)
    (record,) = hand.taken(QUEUE)
    hand.discard(QUEUE, record)
    hand.send("AnalysesDeadQueue", record["body"])
    assert hand.feed("AnalysesDeadQueue") == []
    assert shown(hand, place)["reason"]["code"] == "retries_exhausted"
    assert record["body"] in hand.stack.dead_letters("analyses")


def an_analysis_is_put_off_when_time_runs_out(hand: ByHand) -> None:
    place = ordered(hand)
    records = hand.taken(QUEUE)
    hand.time_out("analyst", 60)
    try:
        assert hand.feed(QUEUE, records) == []
    finally:
        hand.time_out("analyst", TIMEOUT)
    assert shown(hand, place)["status"] == "rendering"
    assert hand.feed(QUEUE) == []
    assert shown(hand, place)["status"] == "done"


def an_analysis_of_a_newer_version_comes_back_soon(hand: ByHand) -> None:
    hand.send(QUEUE, NEWER)
    assert hand.feed(QUEUE) == [NEWER]
    assert hand.returned_soon(QUEUE), "hidden for the whole time-out"


ANALYSIS_SCENARIOS = (
    the_pages_of_a_document_are_looked_at,
    an_analysis_of_bytes_that_are_gone_ends,
    an_analysis_of_a_deleted_document_is_dropped,
    an_analysis_that_is_given_up_ends_and_its_letter_is_kept,
    an_analysis_is_put_off_when_time_runs_out,
    an_analysis_of_a_newer_version_comes_back_soon,
)
