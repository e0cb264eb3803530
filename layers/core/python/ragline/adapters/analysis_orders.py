"""Ordered analyses on their SQS queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragline.adapters.backoff import Backoff
from ragline.adapters.sqs_queues import send_batch
from ragline.domain.messages import AnalysisWork

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsAnalysisOrders:
    """``ports.AnalysisOrders``."""

    def __init__(self, url: str, *, client: SQSClient, backoff: Backoff | None = None) -> None:
        self._url = url
        self._client = client
        self._backoff = backoff or Backoff(tries=6, first=0.05)

    def send(self, work: AnalysisWork) -> None:
        body = work.model_dump_json()
        send_batch(self._client, self._url, [{"Id": "", "MessageBody": body}], self._backoff)
