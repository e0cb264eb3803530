"""One splitter: a process that takes the Pages queue's messages and calls the real handler.

    python -m tests.bench.splitter RESULT

The environment is the function's. It is warm before it says "ready", works until its stdin ends,
and then writes what its invocations took, and its own and its parser's peak memory.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from functions.splitter.handler import lambda_handler
from ragline import wiring
from ragline.settings import settings
from tests.bench.processes import usage

TIMEOUT = 300
"""Of the function, as the template has it."""


@dataclass
class Context:
    """What the handler asks of Lambda."""

    function_name: str = "splitter"
    memory_limit_in_mb: int = 2048
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:000000000000:function:splitter"
    aws_request_id: str = "bench"
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return int(1_000 * (self.started + TIMEOUT - time.monotonic()))


def main(result: Path) -> None:
    reader: Any = wiring.reader()
    wiring.tokenizer().offsets("warm")
    queue, url, done = wiring.client("sqs"), settings().pages_queue_url, []
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        answer = queue.receive_message(
            QueueUrl=url, WaitTimeSeconds=1, AttributeNames=["All"], MaxNumberOfMessages=1
        )
        for message in answer.get("Messages", []):
            start = time.time()
            failed = lambda_handler({"Records": [_record(message)]}, Context())  # type: ignore[arg-type]
            done.append((start, time.time()))
            if failed["batchItemFailures"]:
                raise SystemExit(f"the splitter returned {message['Body']}")
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    own, parser = usage(Path("/proc/self")), usage(Path(f"/proc/{reader.pid}"))
    peaks = [use[0] if use else 0.0 for use in (own, parser)]
    cpu = sum(use[1] if use else 0.0 for use in (own, parser))
    result.write_text(json.dumps({"invocations": done, "peaks": peaks, "cpu": cpu}))


def _record(message: Any) -> dict[str, Any]:
    """As Lambda hands a message over:
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1_000))}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:PagesQueue",
        "awsRegion": os.environ.get("AWS_REGION", ""),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
