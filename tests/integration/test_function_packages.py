"""Each function with nothing but what its own package holds: it imports, answers, and fits.

The local cloud lends every function the whole environment, so only these tests see a requirement
that is missing from a function's own list.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uv

from ragline.embedding.prepare import ensure
from ragline.usecases.reconcile import Verdict

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("splitter", "embedder", "indexer", "api", "dead_letters", "maintenance")
# With the model layer?
ZIP_FUNCTIONS = {"splitter": True, "embedder": True, "dead_letters": False, "maintenance": False}
LIMIT = 250 * 1024 * 1024
"""Unzipped bytes of a zip function and its layers.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

QUESTIONS: dict[str, dict[str, Any]] = {
    # Events that a function can answer with no more of AWS than ``RuntimeApi`` stands in for.
    "splitter": {"Event": "s3:TestEvent", "Bucket": "documents"},
    "embedder": {"Records": []},
    "indexer": {"Records": []},
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
    "maintenance": json.loads((ROOT / "events/maintenance.json").read_text()),
}


def install(requirements: Path, target: Path, *flags: str) -> None:
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(target), *flags]
    subprocess.run(
        [*command, "--python", sys.executable, "-r", str(requirements)],
        check=True,
        capture_output=True,
        text=True,
    )


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module", params=FUNCTIONS)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One function as Lambda unpacks it: its code, its requirements and the core layer."""
    task = tmp_path_factory.mktemp(request.param)
    install(ROOT / f"functions/{request.param}/requirements.txt", task, "--require-hashes")
    shutil.copy(ROOT / f"functions/{request.param}/handler.py", task)
    shutil.copytree(ROOT / "layers/core/python/ragline", task / "ragline")
    return task


def test_a_function_answers_under_the_real_runtime_client_with_only_its_own_requirements(
    package: Path, tmp_path: Path
) -> None:
    name = next(name for name in FUNCTIONS if package.name.startswith(name))
    event = QUESTIONS.get(name) or health_request()
    with RuntimeApi(event) as runtime:
        process = start(package, runtime.address, tmp_path)
        try:
            answered = runtime.wait(process)
        finally:
            process.kill()
            said = process.communicate()[1]
    assert answered, said
    assert runtime.path.endswith("/response"), runtime.body
    if name == "api":
        assert runtime.body["statusCode"] == 200
    elif name == "maintenance":
        assert runtime.body == dict.fromkeys(Verdict, 0)
    elif name != "splitter":
        assert runtime.body == {"batchItemFailures": []}


@pytest.mark.parametrize("name", ZIP_FUNCTIONS)
def test_a_zip_function_with_its_layers_stays_below_the_unzipped_limit(
    name: str, tmp_path: Path
) -> None:
    install(
        ROOT / f"functions/{name}/requirements.txt",
        tmp_path,
        *("--require-hashes", "--only-binary", ":all:"),
        *("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28"),
    )
    size = bytes_below(tmp_path) + bytes_below(ROOT / "layers/core/python")
    if ZIP_FUNCTIONS[name]:
        size += bytes_below(ensure("int8"))
    print(f"{name}: {size / 1024 / 1024:.0f} MiB unzipped")  # noqa: T201
    assert size < LIMIT


def test_the_locked_requirements_of_each_function_are_those_of_the_whole() -> None:
    def pins(path: Path) -> set[str]:
        lines = path.read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line and line[0].isalnum()}

    whole = pins(ROOT / "requirements.txt")
    assert whole <= pins(ROOT / "requirements-dev.txt")
    for name in FUNCTIONS:
        assert pins(ROOT / f"functions/{name}/requirements.txt") <= whole, name


def health_request() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events/api.json").read_text())
    context = event["requestContext"] | {"resourcePath": "/health", "httpMethod": "GET"}
    changes = {"path": "/health", "resource": "/health", "httpMethod": "GET", "body": None}
    return event | changes | {"requestContext": context, "pathParameters": None}


def start(task: Path, address: str, tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # -S leaves the site-packages of this environment out: only the package's own are seen.
        [sys.executable, "-S", "-m", "awslambdaric", "handler.lambda_handler"],
        cwd=task,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{runtime_client(tmp_path)}{os.pathsep}{task}",
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
        },
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def runtime_client(tmp_path: Path) -> Path:
    target = tmp_path / "runtime"
    pinned = tmp_path / "runtime.txt"
    wanted = ("awslambdaric==", "simplejson==", "snapshot-restore-py==")
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    pins = [line.split(" ")[0] for line in lines if line.startswith(wanted)]
    pinned.write_text("\n".join(pins))
    install(pinned, target, "--no-deps")
    return target


class RuntimeApi:
    """Lambda's runtime API for one invocation, on loopback.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self, event: dict[str, Any]) -> None:
        self.answered = threading.Event()
        self.path = ""
        self.body: Any = None
        api = self
        asked = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if asked.is_set():
                    api.answered.wait(60)  # the client long-polls for a second event
                    return
                asked.set()
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
                api.body = body
                api.path = self.path
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answered.set()

            def find_nothing(self) -> None:  # stands in for DynamoDB, whose table is empty
                answer = b'{"Items": [], "Count": 0, "ScannedCount": 0}'
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
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
