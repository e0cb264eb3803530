"""Dead letters: what a queue or an invocation gave up on is kept, and the ledger is told why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_plus

from ragline.domain.documents import Document, Reason
from ragline.domain.errors import MalformedMessage, NewerMessage
from ragline.domain.ledger import ChunkState, Failure, NewDocument
from ragline.domain.messages import (
    MAX_RECEIVES,
    CollectionWalk,
    Delete,
    Drop,
    Message,
    Optimize,
    Uploaded,
    read_index_op,
    read_page_work,
    read_part,
)
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.failures import fail_document
from ragline.usecases.identify import identify
from ragline.usecases.remove import is_removal, remove_upload
from ragline.usecases.settle import settle

RETRIES_EXHAUSTED = "retries_exhausted"
"""The code of a letter whose last attempt did not live to say what went wrong."""

STAGES = {
    "pages": "split",
    "chunks": "embed",
    "index_ops": "index",
    "invocations": "split",
    "analyses": "analyse",
}
"""The source of a letter → the stage that gave up."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """``letter_id`` names it for good: it may be delivered twice."""

    letter_id: str
    body: str
    stage: str


def keep(objects: Objects, source: str, message_id: str, body: str, reason: str) -> str:
    """Keep a message that cannot be worked on, as it came, and say why; returns its key."""
    key = f"dead-letters/{source}/{message_id}.json"
    record = json.dumps({"source": source, "reason": reason, "body": body}, ensure_ascii=False)
    objects.put(key, record.encode(), "application/json")
    return key


def refuse(
    source: str,
    message_id: str,
    body: str,
    error: MalformedMessage | NewerMessage,
    *,
    ledger: Ledger,
    objects: Objects,
) -> str | None:
    """Keep a message that cannot be read; a document it names must not wait for it.

    Its ids are read as far as they can be. Returns the document's id if that document is failed by
    this.
    """
    keep(objects, source, message_id, body, str(error))
    named = _named(body)
    document = ledger.get(*named[:2]) if named else None
    if named is None or document is None or document.terminal or not document.wants(named[2]):
        return None
    fail_document(document, Reason(error.code, str(error), STAGES[source]), ledger)
    return document.document_id


def _named(body: str) -> tuple[str, str, int] | None:
    try:
        ids = json.loads(body)
        tenant, document_id, generation = ids["tenant"], ids["document_id"], ids["generation"]
    except (ValueError, KeyError, TypeError):
        return None
    fine = isinstance(tenant, str) and isinstance(document_id, str) and type(generation) is int
    return (tenant, document_id, generation) if fine else None


def record(
    source: str,
    message_id: str,
    body: str,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
) -> str | None:
    """Tell the ledger of one dead letter; ``source`` is the queue it died on.

    Sources: ``pages``, ``chunks``, ``index_ops``, ``invocations`` (a failed asynchronous call of
    the splitter). Returns the document's id; None if the letter names no document that we know.
    """
    try:
        letter = _Letter(message_id, body, STAGES[source])
        document_id = _RECORDERS[source](letter, ledger, objects, queues)
    except (MalformedMessage, NewerMessage) as error:
        return refuse(source, message_id, body, error, ledger=ledger, objects=objects)
    keep(objects, source, message_id, body, RETRIES_EXHAUSTED)
    return document_id


def _page_work(letter: _Letter, ledger: Ledger, objects: Objects, queues: Queues) -> str | None:
    message = read_page_work(letter.body)
    if isinstance(message, CollectionWalk):
        return None  # about no document; who asked for it sees that it stands still
    if isinstance(message, Uploaded):
        return _upload(letter, message.key, message.sequencer, "", MAX_RECEIVES, ledger, objects)
    document, reason = _note(letter, message, message.what, None, ledger)
    if document is not None and not document.terminal:
        if message.pages and reason.page is None:
            reason = replace(reason, page=message.first_page)
        ledger.lose_range(document, message.number, message.pages, reason)
        settle(document, ledger=ledger, queues=queues)
    return message.document_id


def _part(letter: _Letter, ledger: Ledger, objects: Objects, queues: Queues) -> str:
    message = read_part(letter.body)
    document, reason = _note(letter, message, "a part", message.first, ledger)
    if document is not None:
        _fail_chunks(document, list(message.part.ordinals), reason, ledger, queues)
    return message.document_id


def _index_op(letter: _Letter, ledger: Ledger, objects: Objects, queues: Queues) -> str | None:
    message = read_index_op(letter.body)
    if isinstance(message, Drop | Optimize):
        return None  # about no document; whoever asked for it sees that it is not gone
    if isinstance(message, Delete):
        # The ledger already hides what this would have removed; the failure keeps it in sight.
        _note(letter, message, "removing rows", None, ledger)
        return message.document_id
    document, reason = _note(letter, message, "a batch", message.ordinals[0], ledger)
    if document is not None and not message.migrated:
        _fail_chunks(document, message.ordinals, reason, ledger, queues)
    return message.document_id


def _invocation(letter: _Letter, ledger: Ledger, objects: Objects, queues: Queues) -> str | None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    try:
        told: Mapping[str, Any] = json.loads(letter.body)
        records = told["requestPayload"]["Records"]
        said = str((told.get("responsePayload") or {}).get("errorMessage", "no answer"))
        attempts = int(told.get("requestContext", {}).get("approximateInvokeCount", 1))
        events = [
            (
                str(item.get("eventName", "")),
                unquote_plus(item["s3"]["object"]["key"]),
                item["s3"]["object"].get("sequencer", ""),
            )
            for item in records
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = type(error).__name__  # its words may quote the letter, which names files
        raise MalformedMessage(f"not the record of a failed invocation: {what}.") from error
    document_id = None
    for name, key, sequencer in events:
        if is_removal(name):
            # Cheap enough to be done here: a document whose upload is gone must not stay.
            document = remove_upload(key, sequencer, ledger=ledger, objects=objects, queues=queues)
            found = document.document_id if document else None
        else:
            found = _upload(letter, key, sequencer, said, attempts, ledger, objects)
        document_id = found or document_id
    return document_id


def _upload(
    letter: _Letter,
    key: str,
    sequencer: str,
    said: str,
    attempts: int,
    ledger: Ledger,
    objects: Objects,
) -> str | None:
    upload, _ = identify(key, ledger)
    if objects.size(key) is None:
        return None  # it was removed meanwhile: there is nothing left that could fail
    new = NewDocument(upload.partition, upload.document_id, upload.filename, key)
    document = ledger.begin(new, sequencer, "")
    if document is None or document.terminal:
        return None
    message = f"the splitter gave up on {upload.filename}"
    message += f": {said[:300]}" if said else "; its log says why. Retry the document."
    reason = Reason(RETRIES_EXHAUSTED, message, letter.stage)
    failure = Failure(document.generation, reason, attempts, letter=letter.letter_id)
    tenant = upload.partition.tenant
    ledger.record_failure(tenant, document.document_id, failure)
    ledger.fail(tenant, document.document_id, document.generation, reason)
    return document.document_id


_RECORDERS = {
    "pages": _page_work,
    "chunks": _part,
    "index_ops": _index_op,
    "invocations": _invocation,
}


def _note(
    letter: _Letter, message: Message, what: str, chunk: int | None, ledger: Ledger
) -> tuple[Document | None, Reason]:
    """Record the failure; the document if this generation of it is still wanted, and the reason.

    The reason is the one that the last attempt noted, if it lived to note any.
    """
    tenant, document_id = message.tenant, message.document_id
    known = ledger.failures(tenant, document_id)
    cause = next((one.reason for one in known if one.letter == letter.letter_id), None)
    gave_up = f"{what} failed at every attempt; the function's log says why. Retry the document."
    reason = cause or Reason(RETRIES_EXHAUSTED, gave_up, letter.stage, chunk=chunk)
    document = ledger.get(tenant, document_id)
    if document is None:
        return None, reason
    failure = Failure(message.generation, reason, MAX_RECEIVES, letter=letter.letter_id)
    ledger.record_failure(tenant, document_id, failure)
    return (document if document.wants(message.generation) else None), reason


def _fail_chunks(
    document: Document, ordinals: list[int], reason: Reason, ledger: Ledger, queues: Queues
) -> None:
    ledger.record_chunks(document, ordinals, ChunkState.FAILED, reason)
    settle(document, ledger=ledger, queues=queues)
