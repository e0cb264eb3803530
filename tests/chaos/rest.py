"""Waiting until nothing moves any more: the pipeline mends itself, and what failed is retried.

What an operator would do is done here: the maintenance function, which a schedule wakes on AWS, is
woken every few seconds, and a document that ended badly is retried once its end is on record.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ragline.domain.documents import Document, Status
from ragline.domain.lifecycle import TROUBLED
from tests.chaos.drive import ask
from tests.chaos.load import Script
from tests.chaos.project import Chaos
from tests.e2e.stack import NAME

TENANT = "default"
MAINTENANCE_SECONDS = 4.0
PATIENCE_SECONDS = 240
QUIET_LOOKS = 2
"""How often in a row everything must be found at rest."""


@dataclass(slots=True)
class Rest:
    """How the end came.

    ``retries``, ``ends``: documents that were retried, and by the reason that they had failed for.
    ``waiting``: what was still not as it must be when patience ended; empty is well.
    """

    retries: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    waiting: list[str] = field(default_factory=list)


def come_to_rest(
    chaos: Chaos, scripts: Sequence[Script], seconds: float = PATIENCE_SECONDS
) -> Rest:
    """Look and mend until all is as it must be and the queues are empty, or patience ends."""
    rest, quiet = Rest(), 0
    deadline, maintained = time.monotonic() + seconds, 0.0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        time.sleep(0.7)
        rest.waiting = list(_waiting(chaos, scripts, rest))
        quiet = 0 if rest.waiting else quiet + 1
        if rest.waiting and time.monotonic() - maintained > MAINTENANCE_SECONDS:
            maintain(chaos)
            maintained = time.monotonic()
    return rest


def maintain(chaos: Chaos) -> None:
    """As the schedule does; a run that fails is followed by the next one."""
    chaos.stack.functions.invoke(FunctionName=f"{NAME}-maintenance", Payload=b"{}")


def documents(chaos: Chaos, scripts: Sequence[Script]) -> Mapping[str, Document]:
    ids = [script.document_id for script in scripts]
    found: dict[str, Document] = {}
    for at in range(0, len(ids), 100):
        found |= chaos.ledger.get_many(TENANT, ids[at : at + 100])
    return found


def _waiting(chaos: Chaos, scripts: Sequence[Script], rest: Rest) -> Iterator[str]:
    """What is not yet as it must be. Documents that ended badly are retried in passing."""
    found = documents(chaos, scripts)
    for script in scripts:
        document = found.get(script.document_id)
        if document and document.status in TROUBLED and script.final is not None:
            _retry(chaos, document, rest)
        if not _as_it_must_be(script, document):
            yield f"{script.document_id}: {_told(document)}; wanted: version {script.final}"
    for queue, depth in depths(chaos).items():
        if depth:
            yield f"{queue}: {depth} messages"
    for audit in chaos.ledger.audit():
        if audit.removal_pending:
            yield f"{audit.document.document_id}: its removal is pending"


def _as_it_must_be(script: Script, document: Document | None) -> bool:
    if script.final is None:  # one whose upload was gone at once may never have been known
        return document is None or document.status is Status.DELETED
    if document is None or document.status is not Status.INDEXED:
        return False
    return document.checksum == hashlib.sha256(script.text(script.final)).hexdigest()


def _retry(chaos: Chaos, document: Document, rest: Rest) -> None:
    path = f"/api/v2/documents/{document.document_id}/retry"
    if ask(chaos.stack, "POST", path).status_code < 300:
        rest.retries += 1
        if document.reason is not None:
            rest.ends[f"{document.reason.stage}: {document.reason.code}"] += 1


def _told(document: Document | None) -> str:
    if document is None:
        return "unknown"
    return json.dumps(
        {
            "status": document.status,
            "generation": document.generation,
            "live": document.live_generation,
            "progress": repr(document.progress),
            "reason": repr(document.reason),
            "updated": document.updated_at,
        }
    )


def depths(chaos: Chaos) -> dict[str, int]:
    """Messages in each queue: waiting, held back, or in hand."""
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    found = {}
    for url in chaos.stack.sqs.list_queues(QueueNamePrefix=NAME).get("QueueUrls", []):
        answer = chaos.stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)  # type: ignore[arg-type]
        counts: Mapping[str, str] = answer["Attributes"]  # type: ignore[assignment]
        found[url.rsplit("/", 1)[-1]] = sum(int(counts[name]) for name in names)
    return found
