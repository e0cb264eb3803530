"""Dead letters: what a queue or an invocation gave up on is kept, and the ledger is told why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from ragline.domain.documents import Document, Reason
from ragline.domain.errors import MalformedMessage
from ragline.domain.ledger import ChunkState, Failure, NewDocument
from ragline.domain.messages import Delete, Message, PageRange, PartReady, read, read_index_op
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.failures import fail_document
from ragline.usecases.identify import identify
from ragline.usecases.remove import remove_upload
from ragline.usecases.settle import settle

RETRIES_EXHAUSTED = "retries_exhausted"


def keep(objects: Objects, source: str, message_id: str, body: str, reason: str) -> str:
    """Keep a message that cannot be worked on, as it came, and say why; returns its key."""
    key = f"dead-letters/{source}/{message_id}.json"
    record = json.dumps({"source": source, "reason": reason, "body": body}, ensure_ascii=False)
    objects.put(key, record.encode(), "application/json")
    return key


def refuse(
    source: str, message_id: str, body: str, why: str, *, ledger: Ledger, objects: Objects
) -> str | None:
    """Keep a message that no retry will make readable; a document it names must not wait for it.

    Such a message may be of a version that this code does not know, so its ids are read as far as
    they can be. Returns the document's id if that document is failed by this.
    """
    keep(objects, source, message_id, body, why)
    named = _named(body)
    document = ledger.get(*named[:2]) if named else None
    if named is None or document is None or document.terminal or not document.wants(named[2]):
        return None
    fail_document(document, Reason(MalformedMessage.code, why, source), ledger)
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
        document_id = _RECORDERS[source](body, ledger, queues)
    except MalformedMessage as error:
        return refuse(source, message_id, body, str(error), ledger=ledger, objects=objects)
    keep(objects, source, message_id, body, RETRIES_EXHAUSTED)
    return document_id


def _page_range(body: str, ledger: Ledger, queues: Queues) -> str:
    message = read(PageRange, body)
    reason = _gave_up("split", f"pages {message.first_page} to {message.last_page}")
    document = _note(message, reason, ledger)
    if document is not None:
        ledger.fail(message.tenant, message.document_id, message.generation, reason)
    return message.document_id


def _part(body: str, ledger: Ledger, queues: Queues) -> str:
    message = read(PartReady, body)
    reason = _gave_up("embed", "a part", message.first)
    document = _note(message, reason, ledger)
    if document is not None:
        _fail_chunks(document, list(message.part.ordinals), reason, ledger, queues)
    return message.document_id


def _index_op(body: str, ledger: Ledger, queues: Queues) -> str:
    message = read_index_op(body)
    if isinstance(message, Delete):
        # The ledger already hides what this would have removed; the failure keeps it in sight.
        _note(message, _gave_up("index", "removing rows"), ledger)
        return message.document_id
    reason = _gave_up("index", "a batch", message.ordinals[0])
    document = _note(message, reason, ledger)
    if document is not None:
        _fail_chunks(document, message.ordinals, reason, ledger, queues)
    return message.document_id


def _invocation(body: str, ledger: Ledger, queues: Queues) -> str | None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    try:
        letter: Mapping[str, Any] = json.loads(body)
        records = letter["requestPayload"]["Records"]
        said = (letter.get("responsePayload") or {}).get("errorMessage", "no answer")
        events = [
            (
                str(item.get("eventName", "")).startswith("ObjectRemoved"),
                unquote_plus(item["s3"]["object"]["key"]),
                item["s3"]["object"].get("sequencer", ""),
            )
            for item in records
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedMessage(f"not the record of a failed invocation: {error!r}") from error
    document_id = None
    for removed, key, sequencer in events:
        if removed:
            # Cheap enough to be done here: a document whose upload is gone must not stay.
            document = remove_upload(key, sequencer, ledger=ledger, queues=queues)
            found = document.document_id if document else None
        else:
            found = _upload(key, sequencer, str(said), ledger)
        document_id = found or document_id
    return document_id


def _upload(key: str, sequencer: str, said: str, ledger: Ledger) -> str | None:
    upload = identify(key, ledger)
    new = NewDocument(upload.partition, upload.document_id, upload.filename, key)
    document = ledger.begin(new, sequencer, "")
    if document is None or document.terminal:
        return None
    message = f"the splitter gave up on {upload.filename}: {said[:300]}"
    reason = Reason(RETRIES_EXHAUSTED, message, "split")
    fail_document(document, reason, ledger)
    return document.document_id


_RECORDERS = {
    "pages": _page_range,
    "chunks": _part,
    "index_ops": _index_op,
    "invocations": _invocation,
}


def _gave_up(stage: str, what: str, chunk: int | None = None) -> Reason:
    message = f"{what} failed at every attempt; the function's log says why. Retry the document."
    return Reason(RETRIES_EXHAUSTED, message, stage, chunk=chunk)


def _note(message: Message, reason: Reason, ledger: Ledger) -> Document | None:
    """Record the failure; the document if this generation of it is still wanted."""
    document = ledger.get(message.tenant, message.document_id)
    if document is None:
        return None
    failure = Failure(message.generation, reason)
    ledger.record_failure(message.tenant, message.document_id, failure)
    return document if document.wants(message.generation) else None


def _fail_chunks(
    document: Document, ordinals: list[int], reason: Reason, ledger: Ledger, queues: Queues
) -> None:
    ledger.record_chunks(document, ordinals, ChunkState.FAILED, reason)
    settle(document, ledger=ledger, queues=queues)
