"""What the chaos tests put into every function's worker: faults at chosen calls, and duplicates.

It is bundled with the layer and armed by a line in each handler (see ``tests.chaos.project``), so
it must get by with what the functions have. What is to go wrong is told by files in one folder: a
file in ``armed`` is one fault, and the worker that renames it to ``fired`` is the one it befalls,
so each happens once however many workers there are.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.client
from botocore.exceptions import ClientError, ReadTimeoutError

LEASE = timedelta(seconds=15)
"""Instead of 20 minutes: what is stuck must be found while the test looks."""

MARGIN_SECONDS = 4
"""Of the 12 seconds that ``tests.chaos.project`` leaves to a function."""

PAUSE_SECONDS, BACKOFF_SECONDS = 2, 4
"""The first pause of a message, and the longest wait of one that is returned."""

BEFORE, AFTER = "before", "after"
KILL, HANG, THROTTLE, LOSE = "kill", "hang", "throttle", "lose"
ANY = "*"
INDEX = "index"

_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "s3": "SlowDown",
    "sqs": "RequestThrottled",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, once.

    ``function``: a folder of ``functions/``; ``operation``: one of botocore's, ``index.upsert``,
    ``index.delete``, or any (``*``). ``action``: the worker is killed (``kill``), waits for ever
    (``hang``), the call is refused (``throttle``), or it takes effect and its answer is lost
    (``lose``; then ``when`` does not matter). ``about``: text that the call's arguments must hold.
    """

    function: str
    operation: str
    when: str = AFTER
    action: str = KILL
    about: str = ""

    def arm(self, folder: Path) -> Path:
        """Make it happen at the next such call; the file that appears when it has."""
        name = f"{uuid.uuid4().hex}.json"
        draft = folder / name
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(folder / "armed" / name)
        return folder / "fired" / name


def prepare(folder: Path) -> None:
    for name in ("armed", "fired", "events", "up"):
        (folder / name).mkdir(parents=True)


def faults(folder: Path) -> list[Fault]:
    """Those told of in a folder; one that moves on meanwhile may be left out."""
    found = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):
            found.append(Fault(**json.loads(path.read_text())))
    return found


def install(function: str, folder: str, duplicates: float) -> None:
    """Called by the handler before it imports anything of ours."""
    _hurry(function)
    hazards = _Hazards(function, Path(folder), duplicates)
    real = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: Any, operation: str, params: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        with hazards.around(operation, service, lambda: repr(params)):
            answer = real(self, operation, params)
        if operation == "SendMessageBatch":
            hazards.again(functools.partial(real, self, operation), params)
        return answer

    botocore.client.BaseClient._make_api_call = call  # type: ignore[attr-defined]
    if function == "indexer":
        _around_index(hazards)


def _hurry(function: str) -> None:
    """What makes people wait on AWS, shortened: tests wait for nothing else."""
    from ragline.domain import lifecycle

    lifecycle.WORK_LEASE = LEASE
    if function in ("splitter", "embedder", "indexer"):
        from ragline import batches, pausing

        batches.MARGIN_SECONDS = MARGIN_SECONDS
        batches.LONGEST_BACKOFF_SECONDS = BACKOFF_SECONDS
        pausing.FIRST_SECONDS = PAUSE_SECONDS


def watched(handler: Callable[..., Any], folder: str, duplicates: float) -> Callable[..., Any]:
    """The handler; it says that this worker is up, and which events of the bucket it was given.

    Some of these are kept, for the test to send again.
    """

    def lambda_handler(event: Any, context: Any) -> Any:
        (Path(folder) / "up" / str(os.getpid())).touch()
        records = event.get("Records") or [{}]
        fresh = records[0].get("eventSource") == "aws:s3" and not event.get("again")
        if fresh and random.random() < duplicates:
            draft = Path(folder) / uuid.uuid4().hex
            draft.write_text(json.dumps({**event, "again": True}))
            draft.rename(Path(folder) / "events" / draft.name)
        return handler(event, context)

    return lambda_handler


@dataclass(frozen=True, slots=True)
class _Hazards:
    function: str
    folder: Path
    duplicates: float

    @contextlib.contextmanager
    def around(self, operation: str, service: str, said: Callable[[], str]) -> Iterator[None]:
        self._meet(operation, BEFORE, service, said)
        yield
        self._meet(operation, AFTER, service, said)

    def _meet(self, operation: str, when: str, service: str, said: Callable[[], str]) -> None:
        for path in (self.folder / "armed").iterdir():
            try:
                fault = Fault(**json.loads(path.read_text()))
                due = AFTER if fault.action == LOSE else fault.when
                here = (self.function, when) == (fault.function, due)
                if here and fault.operation in (operation, ANY) and _about(fault, said):
                    path.rename(self.folder / "fired" / path.name)
                    _strike(fault.action, operation, service)
            except FileNotFoundError:
                continue  # it befell another worker

    def again(self, send: Callable[[Any], Any], params: dict[str, Any]) -> None:
        """Send some of a batch's messages a second time, and of these some late."""
        drawn = [one for one in params["Entries"] if random.random() < self.duplicates]
        if not drawn:
            return
        copies = [dict(one, Id=f"again{n}") for n, one in enumerate(drawn)]
        for copy in copies:
            if "MessageGroupId" in copy:
                copy["MessageDeduplicationId"] = uuid.uuid4().hex
            else:
                copy["DelaySeconds"] = random.choice((0, 0, 3, 10))
        send({**params, "Entries": copies})
        with (self.folder / "again").open("a") as file:
            file.write("+" * len(copies))


def _about(fault: Fault, said: Callable[[], str]) -> bool:
    return not fault.about or fault.about in said()


def _strike(action: str, operation: str, service: str) -> None:
    from ragline.domain.errors import ServiceUnavailable

    if action == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if action == HANG:
        time.sleep(3_600)
    if service == INDEX:
        raise ServiceUnavailable("injected")
    if action == LOSE:
        raise ReadTimeoutError(endpoint_url=f"{service}: the answer was lost")
    code = _THROTTLED.get(service, "Throttling")
    said = {"Error": {"Code": code, "Message": "injected"}}
    raise ClientError(said, operation)  # type: ignore[arg-type]


def _around_index(hazards: _Hazards) -> None:
    from ragline.adapters.lance.index import LanceIndex

    upsert, delete = LanceIndex.upsert, LanceIndex.delete

    def upserting(self: LanceIndex, partition: Any, rows: Any) -> None:
        about = " ".join(sorted({row.document_id for row in rows}))
        with hazards.around("index.upsert", INDEX, lambda: about):
            upsert(self, partition, rows)

    def deleting(self: LanceIndex, partition: Any, document_id: str, **how: Any) -> None:
        with hazards.around("index.delete", INDEX, lambda: document_id):
            delete(self, partition, document_id, **how)

    LanceIndex.upsert = upserting  # type: ignore[method-assign]
    LanceIndex.delete = deleting  # type: ignore[method-assign]
