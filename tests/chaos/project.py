"""A local cloud whose functions fail when told to: the real handlers, and ``worker.py`` in each."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.lance.index import LanceIndexes, storage_options
from ragline.adapters.s3_objects import S3Objects
from ragline.embedding.model import read_card
from ragline.embedding.prepare import ensure
from ragline.local import aws, cloud, deploy, template
from ragline.local.cloud import Cloud
from ragline.ports import Indexes, Ledger, Objects, VectorIndex
from tests.chaos import worker
from tests.e2e.stack import NAME, ROOT, Stack, opened
from tests.ports import free_port

TIMEOUTS = {"Splitter": 20, "Embedder": 12, "Indexer": 12}
VISIBILITY = 12
"""Seconds, instead of 6 times the function's timeout: what a killed worker had in hand comes back
after it, and 720 would only make a test wait. ``worker.py`` shortens other waits likewise.
"""

_FIRST = "from __future__ import annotations\n"


@dataclass(frozen=True, slots=True)
class Chaos:
    """A stack, what it keeps, and the folder that tells its workers what is to go wrong."""

    stack: Stack
    cloud: Cloud
    project: Path
    faults: Path
    ledger: Ledger
    objects: Objects
    indexes: Indexes
    fingerprint: str

    @property
    def index(self) -> VectorIndex:
        """That of the deployed model."""
        return self.indexes.of(self.fingerprint)

    def armed(self) -> list[worker.Fault]:
        """The faults that are still to happen."""
        return worker.faults(self.faults / "armed")

    def fired(self) -> list[worker.Fault]:
        """The faults that happened."""
        return worker.faults(self.faults / "fired")

    def messages_again(self) -> int:
        """How many messages were sent a second time."""
        with contextlib.suppress(FileNotFoundError):
            return (self.faults / "again").stat().st_size
        return 0

    def redeploy(self) -> None:
        """Deploy changed code: every function is replaced, and MiniStack kills what is running."""
        module = self.project / "layers/core/python/ragline_chaos.py"
        module.write_text(module.read_text() + "# changed\n")
        _deploy(self.cloud, self.project)


@contextlib.contextmanager
def started(folder: Path, *, duplicates: float = 0.0) -> Iterator[Chaos]:
    """The stack on a cloud of its own; ``duplicates`` of the messages and events come twice."""
    project, faults = folder / "project", folder / "faults"
    worker.prepare(faults)
    copied(project, faults, duplicates)
    running = cloud.start(folder / "cloud", port=free_port(), say=_quiet)
    try:
        outputs = _deploy(running, project)
        with opened(running.endpoint_url, outputs) as stack:
            yield Chaos(stack, running, project, faults, *_kept(running, outputs), _model())
    finally:
        cloud.stop(folder / "cloud", _quiet)


def copied(project: Path, faults: Path, duplicates: float) -> None:
    """The project as it is deployed, with a worker that can be told to fail."""
    hide = shutil.ignore_patterns("__pycache__")
    for part in ("functions", "layers", "infra"):
        shutil.copytree(ROOT / part, project / part, ignore=hide)
    shutil.copy(worker.__file__, project / "layers/core/python/ragline_chaos.py")
    for handler in (project / "functions").glob("*/handler.py"):
        handler.write_text(armed(handler.read_text(), handler.parent.name, faults, duplicates))
    body = template.load(ROOT / "template.yaml")
    (project / "template.yaml").write_text(json.dumps(hurried(body)))


def armed(source: str, function: str, faults: Path, duplicates: float) -> str:
    """A handler's source, with our lines before its imports and at its end."""
    how = f"{str(faults)!r}, {duplicates}"
    before = f"import ragline_chaos\nragline_chaos.install({function!r}, {how})\n"
    after = f"lambda_handler = ragline_chaos.watched(lambda_handler, {how})\n"
    assert source.count(_FIRST) == 1, function
    return source.replace(_FIRST, _FIRST + before) + after


def hurried(body: Mapping[str, Any]) -> dict[str, Any]:
    """The template with shorter timeouts, in place."""
    resources = body["Resources"]
    for name, seconds in TIMEOUTS.items():
        resources[name]["Properties"]["Timeout"] = seconds
    for resource in resources.values():
        if resource["Type"] == "AWS::SQS::Queue":
            resource["Properties"]["VisibilityTimeout"] = VISIBILITY
    return dict(body)


def _deploy(running: Cloud, project: Path) -> dict[str, str]:
    parameters = {"ModelDir": str(ensure("int8")), "EmbedderConcurrency": "2"}
    return deploy.deploy(
        running.endpoint_url,
        project / "template.yaml",
        stack=NAME,
        parameters=parameters,
        say=_quiet,
    )


def _kept(running: Cloud, outputs: Mapping[str, str]) -> tuple[Ledger, Objects, Indexes]:
    session, options = aws.session(), aws.config()
    url, bucket = running.endpoint_url, outputs["DocumentsBucketName"]
    dynamodb = session.client("dynamodb", endpoint_url=url, config=options)
    s3 = session.client("s3", endpoint_url=url, config=options)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    lance = LanceIndexes(
        f"s3://{bucket}/index", storage_options={**storage_options(url, aws.REGION), **keys}
    )
    return (
        DynamoLedger(outputs["LedgerTableName"], client=dynamodb),
        S3Objects(bucket, client=s3),
        lance,
    )


def _model() -> str:
    return read_card(ensure("int8")).fingerprint


def _quiet(_: str) -> None:
    pass
