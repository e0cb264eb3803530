"""Huge documents: how fast one, two and four splitters cut them, and what that takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.domain.documents import Document, dropped_id
from ragline.domain.messages import Uploaded
from ragline.local import cloud
from tests.bench.figures import Figure, Line, Note, Plan
from tests.bench.huge_material import write_pdf, write_text
from tests.bench.material import ROOT
from tests.contract import aws
from tests.ports import free_port

SPLITTERS = (1, 2, 4)
MORE = "how much faster than one splitter"
PATIENCE = 3_600
_BUCKET = "ragline-huge"
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class World:
    """A bucket, a table and queues on a local cloud of their own, and nobody who reads them."""

    s3: Any
    sqs: Any
    ledger: DynamoLedger
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """``seconds``: from the first range begun to the last one done; ``planning``: what came before.

    ``longest`` is that of one invocation, in seconds; ``splitter`` and ``parser`` are peaks in MB.
    """

    document: Document
    planning: float
    seconds: float
    longest: float
    splitter: float
    parser: float
    cpu: float


def huge(plan: Plan) -> Iterator[Line]:
    """A PDF whole, a text by a tenth with each number of splitters and whole with two."""
    pdf, tenth, text = (plan.scratch / name for name in ("huge.pdf", "tenth.txt", "huge.txt"))
    write_pdf(pdf, plan.huge_pages)
    write_text(tenth, plan.huge_megabytes * _MIB // 10)
    with _world(plan) as world:
        yield from _series(world, pdf, f"{plan.huge_pages:,} pages", "pages", plan.huge_pages)
        megabytes = tenth.stat().st_size / _MIB
        yield from _series(world, tenth, f"text of {megabytes:,.0f} MiB", "MiB", megabytes)
        tenth.unlink()
        write_text(text, plan.huge_megabytes * _MIB)
        megabytes = text.stat().st_size / _MIB
        run = _split(world, text, 2)
        name = f"text of {megabytes:,.0f} MiB, 2 splitters"
        yield Figure(name, megabytes / run.seconds, "MiB/s")
        yield from _details(name, run)
    yield Note(
        "splitting alone, until the last range is recorded and its parts are announced, by the "
        "splitter's own handler, in processes that share the cores with the local cloud, which "
        f"stands for S3, SQS and DynamoDB. There are {os.cpu_count()}: what four splitters gain on "
        "AWS cannot be seen here."
    )


def _series(world: World, path: Path, what: str, unit: str, amount: float) -> Iterator[Figure]:
    alone = 0.0
    for splitters in SPLITTERS:
        run = _split(world, path, splitters)
        rate = amount / run.seconds
        alone = alone or rate
        name = f"{what}, {splitters} splitter{'s' * (splitters > 1)}"
        more = (rate / alone, MORE) if splitters > 1 else (None, "")
        yield Figure(name, rate, f"{unit}/s", *more)
        yield from _details(name, run)


def _details(name: str, run: Run) -> Iterator[Figure]:
    yield Figure(f"{name}: chunks", run.document.progress.chunks_total, "chunks")
    yield Figure(f"{name}: CPU of splitters", run.cpu, "s")
    yield Figure(f"{name}: planning", run.planning, "s")
    yield Figure(f"{name}: longest invocation", run.longest, "s")
    yield Figure(f"{name}: peak of a splitter and its parser", run.splitter + run.parser, "MB")
    yield Figure(f"{name}: of that the parser", run.parser, "MB")


def _split(world: World, path: Path, splitters: int) -> Run:
    """Put the file into a collection of its own, and have so many splitters cut it."""
    collection = f"{path.stem}-{splitters}"
    key = f"uploads/default/{collection}/{path.name}"
    world.s3.upload_file(str(path), _BUCKET, key)
    results = [path.with_name(f"{collection}.{n}.json") for n in range(splitters)]
    with _splitters(world, results):
        work = Uploaded(key=key, sequencer="01").model_dump_json()
        world.sqs.send_message(QueueUrl=world.environment["PAGES_QUEUE_URL"], MessageBody=work)
        document = _awaited(world.ledger, dropped_id(key))
    world.s3.delete_object(Bucket=_BUCKET, Key=key)
    return _told(document, [json.loads(result.read_text()) for result in results])


def _told(document: Document, results: Sequence[Any]) -> Run:
    planned, *ranges = sorted(tuple(one) for result in results for one in result["invocations"])
    start, end = min(ranges)[0], max(end for _, end in ranges)
    return Run(
        document,
        planning=planned[1] - planned[0],
        seconds=end - start,
        longest=max(end - start for start, end in (planned, *ranges)),
        splitter=max(result["peaks"][0] for result in results),
        parser=max(result["peaks"][1] for result in results),
        cpu=sum(result["cpu"] for result in results),
    )


def _awaited(ledger: DynamoLedger, document_id: str) -> Document:
    """The document, once all of its ranges are done.

    Raises:
        RuntimeError: it failed.
        TimeoutError: it took too long.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        document = ledger.get("default", document_id)
        if document is not None and document.terminal:
            raise RuntimeError(f"{document.filename} ended as {document.status}: {document.reason}")
        if document is not None and document.progress.split:
            return document
        time.sleep(1)
    raise TimeoutError(f"{document_id} was not split within {PATIENCE} s")


@contextmanager
def _splitters(world: World, results: Sequence[Path]) -> Iterator[None]:
    """So many processes, warm; each has written its result when this ends."""
    command = [sys.executable, "-m", "tests.bench.splitter"]
    running = [
        subprocess.Popen(
            [*command, str(result)],
            cwd=ROOT,
            env={**os.environ, **world.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for result in results
    ]
    try:
        for one in running:
            assert one.stdout is not None
            while one.stdout.readline().strip() not in {"ready", ""}:
                pass
        yield
        for one in running:
            one.communicate("over\n", timeout=PATIENCE)
            if one.returncode:
                raise RuntimeError(f"a splitter ended with {one.returncode}")
    finally:
        for one in running:
            if one.poll() is None:
                one.kill()
                one.wait()


@contextmanager
def _world(plan: Plan) -> Iterator[World]:
    folder = plan.scratch / "huge-cloud"
    folder.mkdir()
    running = cloud.start(folder, port=free_port(), say=_silent)
    try:
        yield _resources(plan, running.endpoint_url)
    finally:
        cloud.stop(folder, _silent)


def _resources(plan: Plan, endpoint: str) -> World:
    """What the template declares of the data path, without functions that would take part."""
    known = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": aws.REGION,
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    session: Any = boto3.Session("test", "test", region_name=aws.REGION)
    s3, sqs, dynamodb = (
        session.client(name, endpoint_url=endpoint) for name in ("s3", "sqs", "dynamodb")
    )
    s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": aws.REGION})
    queues = {
        f"{name}_QUEUE_URL": aws.make_queue(sqs, logical_id)
        for name, logical_id in (
            ("CHUNKS", "ChunksQueue"),
            ("PAGES", "PagesQueue"),
            ("INDEX_OPS", "IndexOpsQueue"),
        )
    }
    environment = {
        **known,
        **queues,
        "LEDGER_TABLE": aws.make_table(dynamodb),
        "DOCUMENTS_BUCKET": _BUCKET,
        "MODEL_DIR": str(plan.model),
        "STACK": "ragline-huge",
        "POWERTOOLS_SERVICE_NAME": "ragline",
        "POWERTOOLS_METRICS_NAMESPACE": "Ragline",
        "POWERTOOLS_LOG_LEVEL": "ERROR",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    ledger = DynamoLedger(environment["LEDGER_TABLE"], client=dynamodb)
    return World(s3, sqs, ledger, environment)


def _silent(_: str) -> None:
    return
