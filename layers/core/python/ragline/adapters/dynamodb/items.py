"""Items of the ledger table ↔ what they mean. The only place that knows attribute names.

META        TENANT#t#DOC#id          META                         the document; counts are top level
chunk       TENANT#t#DOC#id          CHUNK#gen#ordinal            how far one chunk is
range       TENANT#t#DOC#id          RANGE#gen#n                  that one range is cut, or lost
child       TENANT#t#DOC#id          CHILD#path#id                what became of a file in it
failure     TENANT#t#DOC#id          FAILURE#gen#stage#code#place one kind of failure, counted
claim       TENANT#t#COLLECTION#c#SHA#hex  CLAIM                  who owns these bytes
collection  TENANT#t#COLLECTION#c    META                         its metadata fields
settings    TENANT#t#COLLECTION#c    SETTINGS                     its chunking; the last walk
caps        TENANT#t                 LIMITS                       the most that a tenant may hold
totals      TENANT#t                 TOTALS                       what it holds, exactly

Metadata, reasons and timings are JSON texts: DynamoDB's numbers make 1.0 an integer and refuse
floats, JSON gives back exactly what was put in.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, TypeAlias

from ragline.adapters.cursors import sort_key, trouble_key
from ragline.domain.children import Child, ChildState
from ragline.domain.documents import Document, Origin, Partition, Progress, Reason, Status
from ragline.domain.ledger import ChunkState, Failure, Multipart, RangeRecord, Work
from ragline.domain.lifecycle import TROUBLED, Record, bounded
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import HELD, Caps, Holdings, Tenant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item: TypeAlias = dict[str, AttributeValueTypeDef]

BY_COLLECTION = "ByCollection"
BY_STATUS = "ByStatus"
BY_TROUBLE = "ByTrouble"

META = "META"
CLAIM = "CLAIM"
SETTINGS = "SETTINGS"
LIMITS = "LIMITS"
TOTALS = "TOTALS"
MOVES = "moves"
COUNTS = tuple(field.name for field in fields(Progress))
OPTIONAL = (
    "GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK", "GSI3PK", "GSI3SK", "reason", "chunk_reason",
    "delete_requested", "allow_duplicate", "lease_until", "repairs", "trace_id", "webhook",
    "origin", "children", "live_chunks", "live_checksum", "upload", "pages_text", "pages_ocr",
    "pages_image", "pages_blank", "pages_failed", "ranges_failed",
)  # fmt: skip
"""Attributes of META that may be absent; all others are always there."""

_PLAIN = (
    "document_id", "filename", "created_at", "updated_at", "content_type", "checksum",
    "sequencer", "upload_key", "advice", "fingerprint",
)  # fmt: skip


def document_pk(tenant: str, document_id: str) -> str:
    return f"TENANT#{tenant}#DOC#{document_id}"


def tenant_pk(tenant: str) -> str:
    return f"TENANT#{tenant}"


def collection_pk(partition: Partition) -> str:
    return f"TENANT#{partition.tenant}#COLLECTION#{partition.collection}"


def collections_pk(tenant: str) -> str:
    """Of the index of collections: those of a tenant that have settings."""
    return f"TENANT#{tenant}#COLLECTIONS"


def claim_pk(partition: Partition, checksum: str) -> str:
    return f"{collection_pk(partition)}#SHA#{checksum}"


def key(pk: str, sk: str) -> Item:
    return {"PK": {"S": pk}, "SK": {"S": sk}}


def leased_pk(status: Status) -> str:
    return f"STATUS#{status.value}"


def troubled_pk(tenant: str) -> str:
    return f"TENANT#{tenant}#TROUBLED"


def chunk_sk(generation: int, ordinal: int) -> str:
    return f"CHUNK#{generation:08d}#{ordinal:09d}"


def range_sk(generation: int, number: int) -> str:
    return f"RANGE#{generation:08d}#{number:06d}"


def child_sk(place: str) -> str:
    return f"CHILD#{place}"


def failure_sk(generation: int, reason: Reason) -> str:
    place = f"P{reason.page or ''}C{'' if reason.chunk is None else reason.chunk}"
    return f"FAILURE#{generation:08d}#{reason.stage}#{reason.code}#{place}"


def meta_item(record: Record) -> Item:
    """The whole META item.

    Only living documents are in ByCollection. ByStatus holds those with a lease, by status and its
    end; ByTrouble the failed and partial ones, by tenant and the time they became so.
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
        if (count := getattr(document.progress, name)) or name not in OPTIONAL:
            item[name] = {"N": str(count)}
    if document.status is not Status.DELETED:
        item["GSI1PK"] = {"S": collection_pk(document.partition)}
        item["GSI1SK"] = {"S": sort_key(document)}
    if record.lease_until:
        item["GSI2PK"] = {"S": leased_pk(document.status)}
        item["GSI2SK"] = item["lease_until"] = {"S": record.lease_until}
    if document.status in TROUBLED:
        item["GSI3PK"] = {"S": troubled_pk(document.partition.tenant)}
        item["GSI3SK"] = {"S": trouble_key(document)}
    if record.repairs:
        item["repairs"] = {"N": str(record.repairs)}
    if document.allow_duplicate:
        item["allow_duplicate"] = {"BOOL": True}
    if document.reason:
        item["reason"] = reason_value(document.reason)
    if record.chunk_reason:
        item["chunk_reason"] = reason_value(record.chunk_reason)
    if document.trace_id:
        item["trace_id"] = {"S": document.trace_id}
    if document.webhook:
        item["webhook"] = {"S": document.webhook}
    if document.origin:
        item["origin"] = {"S": json.dumps(asdict(document.origin), ensure_ascii=False)}
    if document.children:
        item["children"] = {"N": str(document.children)}
    if document.delete_requested:
        item["delete_requested"] = {"BOOL": True}
    if document.live_checksum:
        item["live_checksum"] = {"S": document.live_checksum}
    if document.live_chunks:
        item["live_chunks"] = {"N": str(document.live_chunks)}
    if record.upload:
        item["upload"] = {"S": json.dumps(asdict(record.upload))}
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
            progress=Progress(**{name: _number(item, name) for name in COUNTS}),
            allow_duplicate="allow_duplicate" in item,
            delete_requested="delete_requested" in item,
            live_chunks=_number(item, "live_chunks"),
            live_checksum=item["live_checksum"]["S"] if "live_checksum" in item else "",
            reason=_read_reason(item, "reason"),
            trace_id=item["trace_id"]["S"] if "trace_id" in item else "",
            webhook=item["webhook"]["S"] if "webhook" in item else "",
            origin=Origin(**json.loads(item["origin"]["S"])) if "origin" in item else None,
            children=_number(item, "children"),
            **{name: item[name]["S"] for name in _PLAIN},
        ),
        chunk_reason=_read_reason(item, "chunk_reason"),
        lease_until=_read_lease(item),
        repairs=_number(item, "repairs"),
        upload=Multipart(**json.loads(item["upload"]["S"])) if "upload" in item else None,
    )


def read_tenant(tenant: str, found: Iterable[Item]) -> Tenant:
    """Of its LIMITS and TOTALS, or those of them that there are."""
    by_sk = {item["SK"]["S"]: item for item in found}
    caps, totals = by_sk.get(LIMITS, {}), by_sk.get(TOTALS, {})
    return Tenant(
        tenant,
        Caps(
            **{name: int(caps[name]["N"]) for name in HELD if name in caps},
            cost=float(caps["cost"]["N"]) if "cost" in caps else None,
        ),
        Holdings(**{name: _number(totals, name) for name in HELD}),
        _number(totals, MOVES),
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


def read_work(records: Iterable[Item]) -> dict[int, Work]:
    """Generation → its chunk and range records; records of other kinds are passed over."""
    ranges: dict[int, dict[int, RangeRecord]] = defaultdict(dict)
    chunks: dict[int, dict[int, ChunkState]] = defaultdict(dict)
    reasons: dict[int, dict[int, Reason]] = defaultdict(dict)
    for item in records:
        kind, *place = item["SK"]["S"].split("#")
        if kind == "RANGE":
            ranges[int(place[0])][int(place[1])] = read_range(item)
        elif kind == "CHUNK":
            generation, ordinal = int(place[0]), int(place[1])
            chunks[generation][ordinal] = read_state(item)
            if reason := _read_reason(item, "reason"):
                reasons[generation][ordinal] = reason
    return {one: Work(ranges[one], chunks[one], reasons[one]) for one in {*ranges, *chunks}}


def range_item(document: Document, number: int, done: RangeRecord, at: str) -> Item:
    pk = document_pk(document.partition.tenant, document.document_id)
    pages = done.pages or PageCounts()
    kinds: Item = {kind: {"N": str(count)} for kind, count in asdict(pages).items() if count}
    item: Item = {
        **key(pk, range_sk(document.generation, number)),
        "chunks": {"N": str(done.chunks)},
        "pages": {"N": str(pages.total)},
        "at": {"S": at},
        **kinds,
    }
    if done.reason:
        item["reason"] = reason_value(done.reason)
    if done.lost:
        item["lost"] = {"BOOL": True}
    return item


def read_range(item: Item) -> RangeRecord:
    """Until version 0.1 only the number of its pages was kept."""
    pages = PageCounts(**{kind.name: _number(item, kind.name) for kind in fields(PageCounts)})
    return RangeRecord(
        chunks=_number(item, "chunks"),
        pages=pages if pages.total == _number(item, "pages") else None,
        reason=_read_reason(item, "reason"),
        lost="lost" in item,
    )


def read_failure(item: Item) -> Failure:
    return Failure(
        generation=int(item["SK"]["S"].split("#")[1]),
        reason=Reason(**json.loads(item["reason"]["S"])),
        attempts=int(item["attempts"]["N"]),
        first=item["first"]["S"],
        last=item["last"]["S"],
        letter=item["letter"]["S"] if "letter" in item else "",
    )


def child_item(document: Document, child: Child, at: str) -> Item:
    item: Item = {
        **key(document_pk(document.partition.tenant, document.document_id), child_sk(child.place)),
        "document_id": {"S": child.document_id},
        "path": {"S": child.path},
        "generation": {"N": str(child.generation)},
        "state": {"S": child.state.value},
        "at": {"S": at},
    }
    for name in ("checksum", "owner"):
        if value := getattr(child, name):
            item[name] = {"S": value}
    if child.reason:
        item["reason"] = reason_value(child.reason)
    return item


def read_child(item: Item) -> Child:
    """The inverse of ``child_item``."""
    return Child(
        item["document_id"]["S"],
        item["path"]["S"],
        int(item["generation"]["N"]),
        ChildState(item["state"]["S"]),
        checksum=item["checksum"]["S"] if "checksum" in item else "",
        owner=item["owner"]["S"] if "owner" in item else "",
        reason=_read_reason(item, "reason"),
        at=item["at"]["S"],
    )


def reason_value(reason: Reason) -> AttributeValueTypeDef:
    return {"S": json.dumps(asdict(bounded(reason)))}


def _number(item: Item, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0


def _read_lease(item: Item) -> str:
    """Until version 0.1 the end of a lease was kept in the index alone."""
    if "lease_until" in item:
        return item["lease_until"]["S"]
    leased = "GSI2PK" in item and item["GSI2PK"]["S"].startswith("STATUS#")
    return item["GSI2SK"]["S"] if leased else ""


def _read_reason(item: Item, name: str) -> Reason | None:
    return Reason(**json.loads(item[name]["S"])) if name in item else None
