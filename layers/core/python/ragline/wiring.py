"""Which adapter stands behind each port: zero-argument, built on first use, kept for the process.

A cold start pays only for what its route uses; importing this module builds nothing.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ragline.settings import settings

__all__ = [
    "embedder",
    "index",
    "ledger",
    "limits",
    "model",
    "objects",
    "queues",
    "settings",
    "sqs",
    "tokenizer",
]

if TYPE_CHECKING:
    from ragline.embedding.model import Card
    from ragline.ports import Embedder, Ledger, Objects, Queues, Tokenizer, VectorIndex
    from ragline.usecases.cut import Limits


@cache
def client(service: str) -> Any:
    """A boto3 client; endpoint, region and credentials come from the environment.

    Standard retries with backoff are the SDK's own; what they do not mend is ``TransientError``.
    """
    import boto3
    from botocore.config import Config

    # A service that does not answer must be given up well before API Gateway gives us up (29 s).
    retries = Config(
        retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=2, read_timeout=10
    )
    if service == "s3":
        # Presigned URLs would name the global endpoint otherwise, which redirects (and so refuses)
        # the uploads to a bucket that is young and not in us-east-1. Local clouds know paths only.
        local = settings().aws_endpoint_url
        s3 = Config(s3={"addressing_style": "path"} if local else {"addressing_style": "virtual"})
        retries = retries.merge(s3).merge(Config(signature_version="s3v4"))
    return boto3.client(service, config=retries)  # type: ignore[call-overload]


def sqs() -> Any:
    return client("sqs")


@cache
def ledger() -> Ledger:
    from ragline.adapters.dynamodb_ledger import DynamoLedger

    return DynamoLedger(settings().ledger_table, client=client("dynamodb"))


@cache
def objects() -> Objects:
    from ragline.adapters.s3_objects import S3Objects

    return S3Objects(settings().documents_bucket, client=client("s3"))


@cache
def queues() -> Queues:
    from ragline.adapters.sqs_queues import SqsQueues

    return SqsQueues(
        client("sqs"),
        chunks_url=settings().chunks_queue_url,
        pages_url=settings().pages_queue_url,
        index_ops_url=settings().index_ops_queue_url,
    )


@cache
def index() -> VectorIndex:
    from ragline.adapters.lancedb_index import LanceIndex, storage_options

    options = storage_options(settings().aws_endpoint_url, settings().aws_region)
    return LanceIndex(f"s3://{settings().documents_bucket}/index", storage_options=options)


@cache
def embedder() -> Embedder:
    from ragline.embedding.onnx import OnnxEmbedder

    return OnnxEmbedder(settings().model_dir)


@cache
def model() -> Card:
    """What is known of the embedding model without loading it."""
    from ragline.embedding.model import read_card

    return read_card(settings().model_dir)


@cache
def tokenizer() -> Tokenizer:
    from ragline.embedding.tokenizer import WordPieceTokenizer

    return WordPieceTokenizer(settings().model_dir)


@cache
def limits() -> Limits:
    from ragline.usecases.cut import Limits

    return Limits(
        file_bytes=settings().max_file_bytes,
        pages=settings().max_pages,
        chunks=settings().max_chunks,
        pages_per_range=settings().pages_per_range,
        chunk_tokens=settings().chunk_tokens,
        overlap_tokens=settings().chunk_overlap_tokens,
    )
