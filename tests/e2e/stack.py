"""A deployed stack as its users meet it: the REST API with its key, and AWS beside it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from ragline.domain.documents import TERMINAL, dropped_id
from ragline.embedding.model import Precision
from ragline.embedding.prepare import ensure
from ragline.local import aws, cloud, deploy
from tests.deployed import api_address
from tests.issuer import AUDIENCE
from tests.ports import free_port

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
NAME = "ragline-e2e"
RAGLINE = Path(sys.executable).with_name("ragline")
PATIENCE = 90
"""Seconds; only a failing test waits so long."""

QUEUES = {"chunks": "ChunksQueueUrl", "index_ops": "IndexOpsQueueUrl"}
"""The source of a letter → the output that names its queue."""


@dataclass(frozen=True, slots=True)
class Stack:
    """``api`` carries the key; ``anyone`` does not, and takes absolute URLs."""

    endpoint_url: str
    api_url: str
    outputs: Mapping[str, str]
    api: httpx.Client
    anyone: httpx.Client
    s3: S3Client
    sqs: SQSClient
    dynamodb: DynamoDBClient
    functions: Any

    @property
    def bucket(self) -> str:
        return self.outputs["DocumentsBucketName"]

    def register(self, filename: str, data: bytes, collection: str, **fields: Any) -> Any:
        body = {"filename": filename, "size": len(data), "collection": collection, **fields}
        answer = self.api.post("/api/v2/documents", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def upload(self, filename: str, data: bytes, collection: str, **fields: Any) -> str:
        """Register and PUT to the presigned URL; the document's id."""
        registered = self.register(filename, data, collection, **fields)
        target = registered["upload"]
        put = self.anyone.put(target["url"], headers=target["headers"], content=data)
        assert put.status_code == 200, put.text
        return str(registered["document_id"])

    def drop(self, path: str, data: bytes, collection: str) -> str:
        """Put an object as any S3 client would, without the API; its document's id."""
        key = f"uploads/default/{collection}/{path}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)
        return dropped_id(key)

    def document(self, document_id: str) -> Any:
        answer = self.api.get(f"/api/v2/documents/{document_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def known(self, document_id: str) -> bool:
        return self.api.get(f"/api/v2/documents/{document_id}").status_code == 200

    def documents(self, collection: str) -> list[Any]:
        answer = self.api.get("/api/v2/documents", params={"collection": collection, "limit": 100})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["documents"])

    def ended(self, *document_ids: str) -> list[Any]:
        """The documents, in that order, once each has come to its end.

        Those that were dropped may not be known yet.
        """
        waiting, found = set(document_ids), dict[str, Any]()

        def all_ended() -> bool:
            for document_id in sorted(waiting):
                if document_id.startswith("s3-") and not self.known(document_id):
                    return False
                found[document_id] = self.document(document_id)
                if found[document_id]["status"] in TERMINAL:
                    waiting.discard(document_id)
            return not waiting

        until(all_ended, lambda: f"{[found.get(one, one) for one in waiting]} to end")
        return [found[document_id] for document_id in document_ids]

    def indexed(self, *document_ids: str) -> None:
        """Wait for these documents; each must end indexed."""
        for document in self.ended(*document_ids):
            assert document["status"] == "indexed", document

    def retry(self, document_id: str, **body: Any) -> httpx.Response:
        return self.api.post(f"/api/v2/documents/{document_id}/retry", json=body)

    def redrive(self, **body: Any) -> list[Any]:
        """Every page of what a redrive says of its documents."""
        found: list[Any] = []
        while True:
            answer = self.api.post("/api/v2/redrive", json=body)
            assert answer.status_code in (200, 202), answer.text
            found += answer.json()["documents"]
            if not (cursor := answer.json()["cursor"]):
                return found
            body["cursor"] = cursor

    def query(self, question: str, collection: str, **fields: Any) -> Any:
        body = {"question": question, "collection": collection, **fields}
        answer = self.api.post("/api/v2/query", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def failures(self, document_id: str) -> list[Any]:
        answer = self.api.get(f"/api/v2/documents/{document_id}/failures")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["failures"])

    def rows(self, collection: str) -> int:
        """How many rows the index holds for a collection, dead ones too."""
        answer = self.api.get("/api/v2/info", params={"collection": collection})
        assert answer.json()["components"]["index"]["state"] == "ok", answer.text
        return int(answer.json()["components"]["index"]["rows"])

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def dead_letters(self, source: str) -> dict[str, Any]:
        """What is kept of one source: body → the whole record."""
        kept = {}
        for key in self.keys(f"dead-letters/{source}/"):
            data = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            record = json.loads(data)
            kept[record["body"]] = record
        return kept

    @contextlib.contextmanager
    def stopped(self, function: str) -> Iterator[None]:
        """A function that takes nothing from its queue meanwhile."""
        found = self.functions.list_event_source_mappings(FunctionName=f"{NAME}-{function}")
        (mapping,) = found["EventSourceMappings"]
        self.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            self.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def take(self, source: str, document_id: str) -> str:
        """Take the one message about a document off a queue that no function reads; its body."""
        url = self.outputs[QUEUES[source]]

        def taken() -> str:
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2
            )
            for message in answer.get("Messages", []):
                if json.loads(message["Body"])["document_id"] == document_id:
                    self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    return message["Body"]
            return ""

        return until(taken, f"{source} to hold a message about {document_id}")

    def give_up(self, source: str, document_id: str) -> str:
        """Make a dead letter of the one message about a document; its body.

        As the queue would after five receives, without the minutes that these take.
        """
        body = self.take(source, document_id)
        url = self.dead_letter_queue(source)
        once = {"MessageGroupId": "dead", "MessageDeduplicationId": uuid.uuid4().hex}
        fifo = once if url.endswith(".fifo") else {}
        self.sqs.send_message(QueueUrl=url, MessageBody=body, **fifo)  # type: ignore[arg-type]
        return body

    def dead_letter_queue(self, source: str) -> str:
        """The URL of the queue to which SQS itself would move what cannot be done."""
        told = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs[QUEUES[source]], AttributeNames=["RedrivePolicy"]
        )
        target = json.loads(told["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"]
        return self.sqs.get_queue_url(QueueName=target.rsplit(":", 1)[-1])["QueueUrl"]

    def invoke(self, function: str, payload: Any) -> Any:
        """Call a function and wait for its answer, which must be no error."""
        done = self.functions.invoke(
            FunctionName=f"{NAME}-{function}", Payload=json.dumps(payload).encode()
        )
        answer = done["Payload"].read()
        assert "FunctionError" not in done, answer.decode()
        return json.loads(answer) if answer else None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """``ragline`` in a folder, with nothing of ours in its environment."""

    folder: Path
    endpoint_url: str

    def __call__(self, *words: str, code: int = 0, endpoint: str = "") -> Any:
        """What it printed, as JSON; a list where it printed a line each."""
        done = self.run(*words, "--json", endpoint=endpoint)
        assert done.returncode == code, (done.stdout, done.stderr)
        if words[0] == "logs":
            return [json.loads(line) for line in done.stdout.splitlines()]
        return json.loads(done.stdout) if done.stdout else None

    def screen(self, *words: str, code: int = 0) -> str:
        """What a person reads on a screen of 200 columns."""
        done = self.run(*words)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    def run(self, *words: str, endpoint: str = "") -> subprocess.CompletedProcess[str]:
        where = ["--endpoint", endpoint or self.endpoint_url, "--stack", NAME]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
        }
        done = subprocess.run(
            [str(RAGLINE), *words, *where], cwd=self.folder, env=environ, timeout=300,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done


def until(check: Callable[[], T], what: Callable[[], str] | str, seconds: float = PATIENCE) -> T:
    """Ask until the answer is truthy, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:.0f} s for {told}, in vain")
        time.sleep(0.1)
    return answer


def deployed(
    endpoint_url: str, precision: Precision = "int8", *, issuer: str = ""
) -> dict[str, str]:
    """Deploy the template; its outputs. Models of two precisions are two models."""
    parameters = {
        "ModelDir": str(ensure(precision)),
        "EmbedderConcurrency": "2",
        "WebhookAllow": "127.0.0.0/8",
        "JwtIssuer": issuer,
        "JwtAudience": AUDIENCE if issuer else "",
        "VisionModel": "amazon.nova-lite-v1:0",
    }
    return deploy.deploy(
        endpoint_url, ROOT / "template.yaml", stack=NAME, parameters=parameters, say=print
    )


@contextlib.contextmanager
def opened(endpoint_url: str, outputs: Mapping[str, str]) -> Iterator[Stack]:
    """Clients for a stack that is deployed."""
    session, options = aws.session(), aws.config()
    url, key = api_address(endpoint_url, outputs)
    with (
        httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60, trust_env=False) as api,
        httpx.Client(timeout=60, trust_env=False) as anyone,
    ):
        yield Stack(
            endpoint_url,
            url,
            outputs,
            api,
            anyone,
            session.client("s3", endpoint_url=endpoint_url, config=options),
            session.client("sqs", endpoint_url=endpoint_url, config=options),
            session.client("dynamodb", endpoint_url=endpoint_url, config=options),
            session.client("lambda", endpoint_url=endpoint_url, config=options),
        )


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[Stack]:
    """A stack on a local cloud of its own, for tests that break what others rely on."""
    try:
        local = cloud.start(directory, port=free_port(), keep=False, say=print)
        with opened(local.endpoint_url, deployed(local.endpoint_url)) as stack:
            yield stack
    finally:
        cloud.stop(directory, print)


def texts(answer: Any) -> list[str]:
    return [hit["text"] for hit in answer["hits"]]


def found_in(answer: Any, words: str) -> Iterable[Any]:
    """The hits whose text holds these words."""
    return [hit for hit in answer["hits"] if words in hit["text"]]
