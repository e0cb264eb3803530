"""The analyst on the messages that SQS brings, with AWS in this process and a model on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from functions.analyst import handler as analyst
from ragline import wiring
from ragline.batches import breaker
from ragline.domain.documents import Partition
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import MAX_RECEIVES
from ragline.domain.times import utc_now
from ragline.meter import meter
from ragline.settings import settings
from ragline.usecases import analyses
from tests import samples
from tests.contract.aws import REGION, client, in_process_aws, make_table
from tests.vision_server import VisionServer, seeing
from tests.written_log import written_log

CONTEXT: Any = SimpleNamespace(
    function_name="stack-analyst",
    memory_limit_in_mb=2048,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:stack-analyst",
    aws_request_id="8476a536",
    get_remaining_time_in_millis=lambda: 300_000,
)
HERE = Partition("acme", "reports")
KEY = "uploads/acme/reports/d1/two.pdf"
SECRET = "sk-from-secrets-manager"
BUILT = (
    "client", "ledger", "objects", "files", "analyses", "analysis_orders", "painter", "vision",
    "usage_book", "_secrets",
)  # fmt: skip


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[VisionServer]:
    with in_process_aws(), seeing() as server:
        client("s3").create_bucket(
            Bucket="documents", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        secret = client("secretsmanager").create_secret(Name="vision", SecretString=SECRET)
        environment = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LEDGER_TABLE": make_table(client("dynamodb")),
            "DOCUMENTS_BUCKET": "documents",
            "ANALYSES_QUEUE_URL": client("sqs").create_queue(QueueName="s-Queue")["QueueUrl"],
            "VISION_MODEL": "looker",
            "VISION_URL": server.url,
            "VISION_SECRET_ARN": secret["ARN"],
            "VISION_PRICES": "1,5",
            "USAGE_WRITE_MILLISECONDS": "0",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget()
        yield server
    forget()


def forget() -> None:
    settings.cache_clear()
    breaker().reset()
    for name in BUILT:
        getattr(wiring, name).cache_clear()


def ordered(data: bytes, prompt: str = "What is on it?") -> tuple[str, dict[str, Any]]:
    """An analysis of a document of these bytes; its id and the record that SQS would bring."""
    client("s3").put_object(Bucket="documents", Key=KEY, Body=data)
    begun = wiring.ledger().begin(NewDocument(HERE, "d1", "two.pdf", KEY), "1", "p1")
    assert begun
    wiring.ledger().identify(begun, hashlib.sha256(data).hexdigest())
    known = settings()
    made = analyses.order(
        "acme",
        "d1",
        analyses.Question(prompt),
        ledger=wiring.ledger(),
        analyses=wiring.analyses(),
        orders=wiring.analysis_orders(),
        limits=analyses.AnalysisLimits(known.vision_model, None, 20, 4_000, 300),
        spent=lambda tenant: 0.0,
        now=utc_now() - timedelta(seconds=1),
    )
    return made.analysis_id, taken()


def taken() -> dict[str, Any]:
    answer = client("sqs").receive_message(
        QueueUrl=settings().analyses_queue_url, AttributeNames=["All"], WaitTimeSeconds=0
    )
    (one,) = answer["Messages"]
    return {
        "messageId": one["MessageId"],
        "receiptHandle": one["ReceiptHandle"],
        "body": one["Body"],
        "attributes": {**one["Attributes"], "ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:s-AnalysesQueue-1A",
        "awsRegion": REGION,
    }


def found(analysis_id: str) -> analyses.Found:
    return analyses.find(
        "acme",
        "d1",
        analysis_id,
        ledger=wiring.ledger(),
        analyses=wiring.analyses(),
        now=utc_now(),
    )


def test_a_documents_pages_are_shown_to_the_model_and_its_answers_kept(
    model: VisionServer,
) -> None:
    analysis_id, record = ordered(samples.pdf())
    with written_log() as log:
        assert analyst.lambda_handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    shown = found(analysis_id)
    assert shown.analysis.status.value == "done"
    assert [one.text for one in shown.answers] == [
        "What is on it? A picture of 1109 by 1568 pixels."
    ] * 2
    assert {one.headers["authorization"] for one in model.asked} == {f"Bearer {SECRET}"}
    said = log.getvalue()
    for secret in (SECRET, "What is on it", "A picture of"):
        assert secret not in said
    assert '"outcome":"done"' in said


def test_what_the_model_took_is_the_tenants_use(model: VisionServer) -> None:
    _, record = ordered(samples.pdf())
    analyst.lambda_handler({"Records": [record]}, CONTEXT)
    month = f"{utc_now():%Y-%m}"
    (used,) = wiring.usage_book().of("acme", month)
    assert used.function == "analyst" and used["vision_tokens"] == 2 * 1_740
    assert meter().drain(0) == {}


def test_a_busy_model_pauses_the_message_and_burns_no_receive(model: VisionServer) -> None:
    analysis_id, record = ordered(samples.pdf())
    model.answers = [(429, {"retry-after": "600"}, {})]
    assert analyst.lambda_handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    assert not found(analysis_id).analysis.ended
    waiting = client("sqs").get_queue_attributes(
        QueueUrl=settings().analyses_queue_url,
        AttributeNames=["ApproximateNumberOfMessagesDelayed"],
    )["Attributes"]
    assert waiting["ApproximateNumberOfMessagesDelayed"] == "1"


def test_a_model_that_is_down_gives_the_message_back(model: VisionServer) -> None:
    _, record = ordered(samples.pdf())
    model.answers = [(500, {"retry-after": "0"}, {})] * 3
    answer = analyst.lambda_handler({"Records": [record]}, CONTEXT)
    assert answer["batchItemFailures"] == [{"itemIdentifier": record["messageId"]}]
    record["attributes"]["ApproximateReceiveCount"] = str(MAX_RECEIVES)
    assert analyst.lambda_handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}


def test_a_dead_letter_ends_its_analysis_and_is_kept(model: VisionServer) -> None:
    analysis_id, record = ordered(samples.pdf())
    record["eventSourceARN"] = f"arn:aws:sqs:{REGION}:123456789012:s-AnalysesDeadQueue-1A"
    assert analyst.lambda_handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    reason = found(analysis_id).analysis.reason
    assert reason and reason.code == "retries_exhausted"
    key = f"dead-letters/analyses/{record['messageId']}.json"
    kept = json.loads(client("s3").get_object(Bucket="documents", Key=key)["Body"].read())
    assert kept["body"] == record["body"] and model.asked == []


@pytest.mark.parametrize("body", ["no message", '{"tenant": "acme", "document_id": "d1"}'])
@pytest.mark.parametrize("queue", ["s-AnalysesQueue-1A", "s-AnalysesDeadQueue-1A"])
def test_a_message_that_makes_no_sense_is_kept_and_ends_no_document(
    model: VisionServer, body: str, queue: str
) -> None:
    _, record = ordered(samples.pdf())
    record |= {"body": body, "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{queue}"}
    assert analyst.lambda_handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    document = wiring.ledger().get("acme", "d1")
    assert document and not document.terminal
    assert client("s3").list_objects_v2(Bucket="documents", Prefix="dead-letters/")["KeyCount"] == 1


@pytest.mark.parametrize(
    ("make", "code"),
    [(samples.docx, "unsupported_type"), (samples.encrypted_pdf, "encrypted")],
)
def test_a_file_without_pages_to_see_ends_by_name(
    model: VisionServer, make: Callable[[], bytes], code: str
) -> None:
    analysis_id, record = ordered(make())
    assert analyst.lambda_handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    shown = found(analysis_id).analysis
    assert shown.reason and shown.reason.code == code and shown.advice
