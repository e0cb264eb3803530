"""Items of the ledger table ↔ what they mean. The only place that knows attribute names.

META        TENANT#t#DOC#id          META                         the document; counts are top level
chunk       TENANT#t#DOC#id          CHUNK#gen#ordinal            how far one chunk is
range       TENANT#t#DOC#id          RANGE#gen#n                  that one page range is cut
failure     TENANT#t#DOC#id          FAILURE#gen#stage#code#place one kind of failure, counted
claim       TENANT#t#COLLECTION#c#SHA#hex  CLAIM                  who owns these bytes
collection  TENANT#t#COLLECTION#c    META                         its metadata fields

Metadata, reasons and timings are JSON texts: DynamoDB's numbers make 1.0 an integer and refuse
floats, JSON gives back exactly what was put in.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from ragline.adapters.cursors import sort_key
from ragline.domain.documents import Document, Partition, Progress, Reason, Status
from ragline.domain.ledger import ChunkState, Failure
from ragline.domain.lifecycle import Record, bounded
from ragline.domain.times import iso

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item: TypeAlias = dict[str, AttributeValueTypeDef]

BY_COLLECTION = "ByCollection"

META = "META"
CLAIM = "CLAIM"
COUNTS = tuple(field.name for field in fields(Progress))
OPTIONAL = ("GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK", "reason", "chunk_reason", "delete_requested")
"""Attributes of META that may be absent; all others are always there."""

_PLAIN = (
    "document_id", "filename", "created_at", "updated_at", "content_type", "checksum",
    "sequencer", "upload_key", "advice", "fingerprint",
)  # fmt: skip

_UPLOAD_LEASE = timedelta(days=7, hours=1)
_WORK_LEASE = timedelta(minutes=15)


def document_pk(tenant: str, document_id: str) -> str:
    return f"TENANT#{tenant}#DOC#{document_id}"


def collection_pk(partition: Partition) -> str:
    return f"TENANT#{partition.tenant}#COLLECTION#{partition.collection}"


def claim_pk(partition: Partition, checksum: str) -> str:
    return f"{collection_pk(partition)}#SHA#{checksum}"


def key(pk: str, sk: str) -> Item:
    return {"PK": {"S": pk}, "SK": {"S": sk}}


def chunk_sk(generation: int, ordinal: int) -> str:
    return f"CHUNK#{generation:08d}#{ordinal:09d}"


def range_sk(generation: int, number: int) -> str:
    return f"RANGE#{generation:08d}#{number:06d}"


def failure_sk(generation: int, reason: Reason) -> str:
    place = f"P{reason.page or ''}C{'' if reason.chunk is None else reason.chunk}"
    return f"FAILURE#{generation:08d}#{reason.stage}#{reason.code}#{place}"


def meta_item(record: Record) -> Item:
    """The whole META item.

    Only living documents are in ByCollection, only those that still have to end in ByStatus. The
    lease there is renewed when the status changes, not with every count: that would write the
    index twice per batch of chunks. ``updated_at`` moves with every count and is the heartbeat.
    """
    document = record.document
    item: Item = {
        **key(document_pk(document.partition.tenant, document.document_id), META),
        "tenant": {"S": document.partition.tenant},
        "collection": {"S": document.partition.collection},
        "status": {"S": document.status.value},
        "size": {"N": str(document.size)},
        "generation": {"N": str(document.generation)},
        "live_generation": {"N": str(document.live_generation)},
        "metadata": {"S": json.dumps(dict(document.metadata), ensure_ascii=False)},
        "timings": {"S": json.dumps(dict(document.timings))},
    }
    for name in _PLAIN:
        item[name] = {"S": getattr(document, name)}
    for name in COUNTS:
        item[name] = {"N": str(getattr(document.progress, name))}
    if document.status is not Status.DELETED:
        item["GSI1PK"] = {"S": collection_pk(document.partition)}
        item["GSI1SK"] = {"S": sort_key(document)}
    if not document.terminal:
        item["GSI2PK"] = {"S": f"STATUS#{document.status.value}"}
        item["GSI2SK"] = {"S": _lease_until(document)}
    if document.reason:
        item["reason"] = reason_value(document.reason)
    if record.chunk_reason:
        item["chunk_reason"] = reason_value(record.chunk_reason)
    if record.delete_requested:
        item["delete_requested"] = {"BOOL": True}
    return item


def read_record(item: Item) -> Record:
    """The inverse of ``meta_item``."""
    return Record(
        Document(
            partition=Partition(item["tenant"]["S"], item["collection"]["S"]),
            status=Status(item["status"]["S"]),
            size=int(item["size"]["N"]),
            generation=int(item["generation"]["N"]),
            live_generation=int(item["live_generation"]["N"]),
            metadata=json.loads(item["metadata"]["S"]),
            timings=json.loads(item["timings"]["S"]),
            progress=Progress(**{name: int(item[name]["N"]) for name in COUNTS}),
            reason=_read_reason(item, "reason"),
            **{name: item[name]["S"] for name in _PLAIN},
        ),
        delete_requested="delete_requested" in item,
        chunk_reason=_read_reason(item, "chunk_reason"),
    )


def chunk_item(
    document: Document, ordinal: int, state: ChunkState, reason: Reason | None, at: str
) -> Item:
    pk = document_pk(document.partition.tenant, document.document_id)
    item: Item = {
        **key(pk, chunk_sk(document.generation, ordinal)),
        "state": {"N": str(state.value)},
        "at": {"S": at},
    }
    if reason and state is ChunkState.FAILED:
        item["reason"] = reason_value(reason)
    return item


def read_state(item: Item) -> ChunkState:
    return ChunkState(int(item["state"]["N"]))


def range_item(document: Document, number: int, chunks: int, pages: int, at: str) -> Item:
    pk = document_pk(document.partition.tenant, document.document_id)
    return {
        **key(pk, range_sk(document.generation, number)),
        "chunks": {"N": str(chunks)},
        "pages": {"N": str(pages)},
        "at": {"S": at},
    }


def read_failure(item: Item) -> Failure:
    return Failure(
        generation=int(item["SK"]["S"].split("#")[1]),
        reason=Reason(**json.loads(item["reason"]["S"])),
        attempts=int(item["attempts"]["N"]),
        first=item["first"]["S"],
        last=item["last"]["S"],
    )


def reason_value(reason: Reason) -> AttributeValueTypeDef:
    return {"S": json.dumps(asdict(bounded(reason)))}


def _read_reason(item: Item, name: str) -> Reason | None:
    return Reason(**json.loads(item[name]["S"])) if name in item else None


def _lease_until(document: Document) -> str:
    awaiting = document.status is Status.AWAITING_UPLOAD
    lease = _UPLOAD_LEASE if awaiting else _WORK_LEASE
    return iso(datetime.fromisoformat(document.updated_at) + lease)
