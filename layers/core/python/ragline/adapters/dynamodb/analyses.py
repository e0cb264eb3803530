"""Page-image analyses in the ledger table. The only place that knows these attributes.

analysis  TENANT#t#DOC#id  ANALYSIS#analysis       what was asked; counts are top level
answer    TENANT#t#DOC#id  ANSWER#analysis#page    what became of one page

Answers have a prefix of their own, so that a listing of analyses does not pay for them. What is
asked is one JSON text: it never changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from ragline.adapters.backoff import Backoff
from ragline.adapters.cursors import decode_cursor, encode_cursor
from ragline.adapters.dynamodb.items import META, document_pk, key, reason_value
from ragline.adapters.dynamodb.table import Table
from ragline.domain.analyses import (
    Analysis,
    AnalysisPage,
    AnalysisStatus,
    PageAnswer,
    TokenPrices,
)
from ragline.domain.documents import Partition, Reason, Status
from ragline.domain.errors import WriteConflict
from ragline.domain.times import iso, utc_now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import UpdateTypeDef

    from ragline.adapters.dynamodb.items import Item

ANALYSIS = "ANALYSIS#"
ANSWER = "ANSWER#"

_ASKED = (
    "generation", "document_created", "prompt", "model", "pages", "answer_tokens", "max_cost",
    "trace_id", "created_at",
)  # fmt: skip
_COUNTS = ("pages_planned", "pages_done", "pages_failed", "input_tokens", "output_tokens")
_ALIVE = "attribute_exists(PK) AND #status IN (:queued, :rendering, :analysing)"
_LIVING = {
    f":{status.value}": {"S": status.value}
    for status in (AnalysisStatus.QUEUED, AnalysisStatus.RENDERING, AnalysisStatus.ANALYSING)
}


class DynamoAnalyses:
    """``ports.Analyses``."""

    def __init__(
        self,
        table_name: str,
        *,
        client: DynamoDBClient,
        now: Callable[[], datetime] = utc_now,
        backoff: Backoff | None = None,
    ) -> None:
        self._table = Table(table_name, client, backoff or Backoff())
        self._clock = now

    def order(self, analysis: Analysis) -> bool:
        self._table.put({"TableName": self._table.name, "Item": _item(analysis)})
        # Read after it is kept: a deletion from now on finds it, and clears it away.
        document = self._table.get(_pk(analysis), META)
        there = document is not None and document["status"]["S"] != Status.DELETED.value
        if (
            there
            and document is not None
            and int(document["generation"]["N"]) == analysis.generation
            and document["created_at"]["S"] == analysis.document_created
        ):
            return True
        self.drop(analysis.partition.tenant, analysis.document_id, analysis.analysis_id)
        return False

    def get(self, tenant: str, document_id: str, analysis_id: str) -> Analysis | None:
        found = self._table.get(document_pk(tenant, document_id), f"{ANALYSIS}{analysis_id}")
        return _read(found, document_id) if found else None

    def of(
        self, tenant: str, document_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> AnalysisPage:
        pk, place = document_pk(tenant, document_id), Partition(tenant, f"{document_id}/analyses")
        after = decode_cursor(place, cursor)[1] if cursor else ""
        start = {"ExclusiveStartKey": key(pk, f"{ANALYSIS}{after}")} if after else {}
        answer = self._table.query(**_below(pk, ANALYSIS), **start, ScanIndexForward=False,
                                   Limit=limit)  # fmt: skip
        found = [_read(item, document_id) for item in answer["Items"]]
        if not answer.get("LastEvaluatedKey") or not found:
            return AnalysisPage(found)
        last = f"{found[-1].created_at}#{found[-1].analysis_id}"
        return AnalysisPage(found, encode_cursor(place, last))

    def take(self, analysis: Analysis, until: str) -> Analysis | None:
        taken = self._table.update(
            self._change(
                analysis,
                "SET #status = :now_is, turn_until = :until, updated_at = :now",
                f"{_ALIVE} AND turn_until < :now",
                {":now_is": {"S": AnalysisStatus.RENDERING.value}, ":until": {"S": until}},
            )
        )
        tenant, document_id = analysis.partition.tenant, analysis.document_id
        return self.get(tenant, document_id, analysis.analysis_id) if taken else None

    def plan(self, analysis: Analysis, pages: int) -> bool:
        return self._sure(
            analysis,
            "SET #status = :now_is, pages_planned = :pages, updated_at = :now",
            {":now_is": {"S": AnalysisStatus.ANALYSING.value}, ":pages": {"N": str(pages)}},
        )

    def answer(self, analysis: Analysis, answer: PageAnswer) -> bool:
        counted = self._change(
            analysis,
            "SET updated_at = :now ADD pages_done :one, pages_failed :failed, "
            "input_tokens :input, output_tokens :output",
            _ALIVE,
            {
                ":one": {"N": "1"},
                ":failed": {"N": str(int(answer.reason is not None))},
                ":input": {"N": str(answer.input_tokens)},
                ":output": {"N": str(answer.output_tokens)},
            },
        )
        item = _answer_item(analysis, answer)
        absent = "attribute_not_exists(PK)"
        for _ in self._table.backoff.attempts():
            written = self._table.transact(
                [
                    {"Update": counted},
                    {"Put": {"TableName": self._table.name, "Item": item,
                             "ConditionExpression": absent}},
                ]
            )  # fmt: skip
            if written in {"done", "stale"}:
                return True
            if written == "refused":
                return False
        raise WriteConflict(f"page {answer.page} of analysis {analysis.analysis_id}: no turn.")

    def answers(self, analysis: Analysis) -> Sequence[PageAnswer]:
        prefix = f"{ANSWER}{analysis.analysis_id}#"
        return [_read_answer(one) for one in self._table.query_all(**_below(_pk(analysis), prefix))]

    def release(self, analysis: Analysis, trouble: str) -> None:
        self._sure(
            analysis,
            "SET turn_until = :none, trouble = :trouble, updated_at = :now",
            {":none": {"S": ""}, ":trouble": {"S": trouble}},
        )

    def end(
        self, analysis: Analysis, status: AnalysisStatus, reason: Reason | None, advice: str
    ) -> bool:
        said: Item = {":now_is": {"S": status.value}, ":none": {"S": ""}, ":advice": {"S": advice}}
        sets = "SET #status = :now_is, turn_until = :none, advice = :advice, updated_at = :now"
        if reason:
            said[":reason"] = reason_value(reason)
            sets += ", reason = :reason"
        return self._sure(analysis, sets, said)

    def drop(self, tenant: str, document_id: str, analysis_id: str) -> None:
        pk = document_pk(tenant, document_id)
        # Without it no answer can be added: what is found afterwards is all there will be.
        self._table.delete(key(pk, f"{ANALYSIS}{analysis_id}"))
        for item in list(_keys(self._table, pk, f"{ANSWER}{analysis_id}#")):
            self._table.delete(item)

    def _sure(self, analysis: Analysis, sets: str, said: Item) -> bool:
        """Change one that is alive; False if it is not. Another writer at it is waited for."""
        change = self._change(analysis, sets, _ALIVE, said)
        tenant, document_id = analysis.partition.tenant, analysis.document_id
        for _ in self._table.backoff.attempts():
            if self._table.update(change):
                return True
            known = self.get(tenant, document_id, analysis.analysis_id)
            if known is None or known.ended:
                return False
        raise WriteConflict(f"analysis {analysis.analysis_id} keeps changing.")

    def _change(self, analysis: Analysis, sets: str, condition: str, said: Item) -> UpdateTypeDef:
        return {
            "TableName": self._table.name,
            "Key": key(_pk(analysis), f"{ANALYSIS}{analysis.analysis_id}"),
            "UpdateExpression": sets,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                **_LIVING, **said, ":now": {"S": iso(self._clock())},
            },
        }  # fmt: skip


def drop_analyses(table: Table, pk: str) -> None:
    """Those of a document that is deleted, with their answers."""
    for prefix in (ANALYSIS, ANSWER):
        table.delete_all(list(_keys(table, pk, prefix)))


def _keys(table: Table, pk: str, prefix: str) -> Iterator[Item]:
    return table.query_all(**_below(pk, prefix), ProjectionExpression="PK, SK")


def _below(pk: str, prefix: str) -> dict[str, object]:
    return {
        "KeyConditionExpression": "PK = :pk AND begins_with(SK, :prefix)",
        "ExpressionAttributeValues": {":pk": {"S": pk}, ":prefix": {"S": prefix}},
        "ConsistentRead": True,
    }


def _pk(analysis: Analysis) -> str:
    return document_pk(analysis.partition.tenant, analysis.document_id)


def _item(analysis: Analysis) -> Item:
    asked = {name: getattr(analysis, name) for name in _ASKED}
    asked["prices"] = asdict(analysis.prices) if analysis.prices else None
    return {
        **key(_pk(analysis), f"{ANALYSIS}{analysis.analysis_id}"),
        "tenant": {"S": analysis.partition.tenant},
        "collection": {"S": analysis.partition.collection},
        "asked": {"S": json.dumps(asked, ensure_ascii=False)},
        "status": {"S": analysis.status.value},
        "updated_at": {"S": analysis.updated_at},
        "turn_until": {"S": analysis.turn_until},
        **{name: {"N": str(getattr(analysis, name))} for name in _COUNTS},
    }


def _read(item: Item, document_id: str) -> Analysis:
    asked = json.loads(item["asked"]["S"])
    prices = asked.pop("prices")
    asked["pages"] = tuple(asked["pages"])
    return Analysis(
        partition=Partition(item["tenant"]["S"], item["collection"]["S"]),
        document_id=document_id,
        analysis_id=item["SK"]["S"].removeprefix(ANALYSIS),
        status=AnalysisStatus(item["status"]["S"]),
        updated_at=item["updated_at"]["S"],
        turn_until=item["turn_until"]["S"],
        prices=TokenPrices(**prices) if prices else None,
        trouble=_text(item, "trouble"),
        advice=_text(item, "advice"),
        reason=Reason(**json.loads(item["reason"]["S"])) if "reason" in item else None,
        **{name: int(item[name]["N"]) for name in _COUNTS},  # type: ignore[arg-type]
        **asked,
    )


def _answer_item(analysis: Analysis, answer: PageAnswer) -> Item:
    item: Item = {
        **key(_pk(analysis), f"{ANSWER}{analysis.analysis_id}#{answer.page:06d}"),
        "text": {"S": answer.text},
        "truncated": {"BOOL": answer.truncated},
        "input_tokens": {"N": str(answer.input_tokens)},
        "output_tokens": {"N": str(answer.output_tokens)},
    }
    if answer.reason:
        item["reason"] = reason_value(answer.reason)
    return item


def _read_answer(item: Item) -> PageAnswer:
    return PageAnswer(
        page=int(item["SK"]["S"].rsplit("#", 1)[-1]),
        text=item["text"]["S"],
        reason=Reason(**json.loads(item["reason"]["S"])) if "reason" in item else None,
        truncated=item["truncated"]["BOOL"],
        input_tokens=int(item["input_tokens"]["N"]),
        output_tokens=int(item["output_tokens"]["N"]),
    )


def _text(item: Item, name: str) -> str:
    return item[name]["S"] if name in item else ""
