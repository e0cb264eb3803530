"""A function as Lambda runs it: only its own packages, under the real runtime client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uv

from ragline.embedding.prepare import ensure

ROOT = Path(__file__).parents[1]
FUNCTIONS = (
    "splitter", "embedder", "indexer", "api", "authorizer", "dead_letters", "maintenance",
    "notifier", "deliverer", "sockets", "analyst",
)  # fmt: skip

QUESTIONS: dict[str, dict[str, Any]] = {
    # Events that a function can answer with no more of AWS than ``RuntimeApi`` stands in for.
    "splitter": {"Event": "s3:TestEvent", "Bucket": "documents"},
    "embedder": {"Records": []},
    "indexer": {"Records": []},
    "notifier": {"Records": []},
    "deliverer": {"Records": []},
    "sockets": {"requestContext": {"connectionId": "c1", "routeKey": "$connect"}},
    "dead_letters": {
        "Records": [
            {
                "messageId": "1",
                "body": "not a message",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:DeadChunks",
            }
        ]
    },
    # A picture of a page is not among what ``RuntimeApi`` stands in for; a letter that is none is.
    "analyst": {
        "Records": [
            {
                "messageId": "1",
                "body": "not a message",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:DeadQueue",
            }
        ]
    },
    "maintenance": json.loads((ROOT / "events/maintenance.json").read_text()),
    "authorizer": {
        **json.loads((ROOT / "events/authorizer.json").read_text()),
        "headers": {"Authorization": "Bearer no-token"},
    },
}


def install(requirements: Path, target: Path, *flags: str) -> None:
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(target), *flags]
    subprocess.run(
        [*command, "--python", sys.executable, "-r", str(requirements)],
        check=True,
        capture_output=True,
        text=True,
    )


def unpack(name: str, task: Path) -> Path:
    """One function as Lambda unpacks it: its code, its requirements and the core layer."""
    install(ROOT / f"functions/{name}/requirements.txt", task, "--require-hashes")
    shutil.copy(ROOT / f"functions/{name}/handler.py", task)
    shutil.copytree(
        ROOT / "layers/core/python/ragline",
        task / "ragline",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return task


def question(name: str) -> dict[str, Any]:
    """An event that the function can answer with what ``RuntimeApi`` stands in for."""
    return QUESTIONS.get(name) or health_request()


def health_request() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events/api.json").read_text())
    context = event["requestContext"] | {"resourcePath": "/health", "httpMethod": "GET"}
    changes = {"path": "/health", "resource": "/health", "httpMethod": "GET", "body": None}
    return event | changes | {"requestContext": context, "pathParameters": None}


def start(
    task: Path, runtime: RuntimeApi, tmp_path: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start it against the runtime API; ``environment`` is added to a function's own."""
    variables = _environment(task, runtime.address, runtime_client(tmp_path))
    runtime.started_at = time.perf_counter()
    return subprocess.Popen(
        # -S leaves the site-packages of this environment out: only the package's own are seen.
        [sys.executable, "-S", "-m", "awslambdaric", "handler.lambda_handler"],
        cwd=task,
        env={**variables, **(environment or {})},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def _environment(task: Path, address: str, client: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{client}{os.pathsep}{task}",
        "AWS_LAMBDA_FUNCTION_NAME": task.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_ENDPOINT_URL": f"http://{address}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LAMBDA_TASK_ROOT": str(task),
        "MODEL_DIR": str(ensure("int8")),
        "DOCUMENTS_BUCKET": "documents",
        "LEDGER_TABLE": "ledger",
        "POWERTOOLS_SERVICE_NAME": "ragline",
        "POWERTOOLS_METRICS_NAMESPACE": "Ragline",
    }


def runtime_client(tmp_path: Path) -> Path:
    target = tmp_path / "runtime"
    if target.exists():
        return target
    pinned = tmp_path / "runtime.txt"
    wanted = ("awslambdaric==", "simplejson==", "snapshot-restore-py==")
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    pins = [line.split(" ")[0] for line in lines if line.startswith(wanted)]
    pinned.write_text("\n".join(pins))
    install(pinned, target, "--no-deps")
    return target


class RuntimeApi:
    """Lambda's runtime API for one invocation, on loopback.

    ``started_at``: when the function's process was made; ``asked_at``: when it asked for its event;
    ``answered_at``: when it had answered. In seconds of ``time.perf_counter``.
    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self, event: dict[str, Any]) -> None:
        self.answered = threading.Event()
        self.started_at = self.asked_at = self.answered_at = 0.0
        self.path = ""
        self.body: Any = None
        api = self
        asked = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if "/invocation/next" not in self.path:
                    self.list_nothing()
                    return
                if asked.is_set():
                    api.answered.wait(60)  # the client long-polls for a second event
                    return
                asked.set()
                api.asked_at = time.perf_counter()
                body = json.dumps(event).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe")
                self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
                arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                if "X-Amz-Target" in self.headers:
                    self.find_nothing()
                    return
                api.answered_at = time.perf_counter()
                api.body = body
                api.path = self.path
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answered.set()

            def find_nothing(self) -> None:
                """Stands in for DynamoDB, whose table is empty, and SQS, whose queues are."""
                counts = ("", "Delayed", "NotVisible")
                messages = {f"ApproximateNumberOfMessages{which}": "0" for which in counts}
                found = {"Items": [], "Count": 0, "ScannedCount": 0, "Attributes": messages}
                answer = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def list_nothing(self) -> None:  # stands in for S3, whose bucket is empty
                answer = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
                self.send_response(200)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_PUT(self) -> None:  # stands in for S3, which takes the kept letter
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"

    def wait(self, process: subprocess.Popen[str]) -> bool:
        """True once the function has answered; False if it died or took a minute."""
        for _ in range(600):
            if self.answered.wait(0.1):
                return True
            if process.poll() is not None:
                return False
        return False

    def __enter__(self) -> RuntimeApi:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answered.set()
        self.server.shutdown()
        self.server.server_close()
