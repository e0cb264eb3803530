"""Which adapter stands behind each port: zero-argument, built on first use, kept for the process.

A cold start pays only for what its route uses; importing this module builds nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ragline.domain.errors import SetupError
from ragline.settings import listed, settings

__all__ = [
    "analyses",
    "analysis_orders",
    "bus",
    "connections",
    "deliveries",
    "embedder",
    "files",
    "index",
    "indexes",
    "keys",
    "known_keys",
    "ledger",
    "limits",
    "model",
    "objects",
    "ocr",
    "owner_key",
    "painter",
    "passwords",
    "queues",
    "reader",
    "receivers",
    "reranker",
    "settings",
    "sockets",
    "splitting",
    "sqs",
    "tickets",
    "tokenizer",
    "tokens",
    "usage_book",
    "vision",
    "webhook_secrets",
    "webhooks",
]

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragline.adapters.lance.replica import Replica
    from ragline.embedding.model import Card
    from ragline.embedding.onnx import OnnxEmbedder
    from ragline.ports import (
        Analyses,
        AnalysisOrders,
        Connections,
        Deliveries,
        Embedder,
        EventBus,
        Files,
        Indexes,
        Keys,
        KnownKeys,
        Ledger,
        Objects,
        Ocr,
        Painter,
        Passwords,
        Queues,
        Reader,
        Receivers,
        Reranker,
        Sockets,
        Tickets,
        Tokenizer,
        Tokens,
        UsageBook,
        VectorIndex,
        Vision,
        Webhooks,
        WebhookSecrets,
    )
    from ragline.usecases.cut import Limits
    from ragline.usecases.splitting import Splitting


@cache
def client(service: str, endpoint_url: str | None = None) -> Any:
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
    made = boto3.client(service, config=retries, endpoint_url=endpoint_url)  # type: ignore[call-overload]
    if settings().measure_usage:
        from ragline.meter import meter

        meter().watch(made)
    return made


def sqs() -> Any:
    return client("sqs")


@cache
def ledger() -> Ledger:
    from ragline.adapters.dynamodb.ledger import DynamoLedger
    from ragline.telemetry import LedgerWatch

    return DynamoLedger(settings().ledger_table, client=client("dynamodb"), watch=LedgerWatch())


@cache
def usage_book() -> UsageBook:
    from ragline.adapters.dynamodb.usage import DynamoUsageBook

    return DynamoUsageBook(settings().ledger_table, client=client("dynamodb"))


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
def indexes() -> Indexes:
    if settings().index_store == "pinecone":
        return _pinecone()
    from ragline.adapters.lance.index import LanceIndexes, storage_options

    options = storage_options(settings().aws_endpoint_url, settings().aws_region)
    uri = f"s3://{settings().documents_bucket}/index"
    cache_bytes = settings().index_cache_megabytes * 1024 * 1024
    return LanceIndexes(uri, storage_options=options, replica=_replica(), cache_bytes=cache_bytes)


def _replica() -> Replica | None:
    """Where queries read copies of the index; None if the setting allows no room for it."""
    if not settings().index_replica_megabytes:
        return None
    from ragline.adapters.lance.files import S3Files
    from ragline.adapters.lance.replica import Replica, own_folder

    bucket = settings().documents_bucket
    files = S3Files(client("s3"), bucket, "index")
    room = settings().index_replica_megabytes * 1024 * 1024
    return Replica(files, own_folder(bucket), room * 9 // 10)  # a file system needs some itself


def _pinecone() -> Indexes:
    from ragline.adapters.pinecone.index import PineconeIndexes
    from ragline.adapters.pinecone.key import api_key, check_place

    host, secret = settings().pinecone_host, settings().pinecone_secret_arn
    check_place(host, secret)
    return PineconeIndexes(
        host, lambda: api_key(secret, client=client("secretsmanager")), secret=secret
    )


def index() -> VectorIndex:
    """That of the deployed embedding model."""
    return indexes().of(model().fingerprint)


def embedder() -> Embedder:
    return _onnx_embedder()


@cache
def _onnx_embedder() -> OnnxEmbedder:
    from ragline.embedding.onnx import OnnxEmbedder

    return OnnxEmbedder(settings().model_dir)


@cache
def reranker() -> Reranker | None:
    """What the setting names; None if there is to be none.

    Raises:
        SetupError: the setting names a model that is not there.
    """
    return reranker_of(settings().reranker, _onnx_embedder)


def reranker_of(kind: str, embedder: Callable[[], OnnxEmbedder]) -> Reranker | None:
    """One of the kind, named as the setting names it; ``embedder`` is asked for if it needs one."""
    match kind:
        case "late-interaction":
            from ragline.reranking.late_interaction import LateInteraction

            return LateInteraction(embedder())
        case "cross-encoder":
            from ragline.reranking.cross_encoder import CrossEncoder

            return CrossEncoder(settings().reranker_dir)
        case "bedrock":
            from ragline.reranking.bedrock import BedrockReranker, bedrock_client

            arn = settings().reranker_model_arn
            return BedrockReranker(bedrock_client(arn), arn)
    return None


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
        scans_per_range=settings().scans_per_range,
        bytes_per_range=settings().bytes_per_range,
        chunk_tokens=settings().chunk_tokens,
        overlap_tokens=settings().chunk_overlap_tokens,
    )


@cache
def files() -> Files:
    from ragline.adapters.local_files import LocalFiles

    return LocalFiles(objects())


@cache
def passwords() -> Passwords:
    from ragline.adapters.ssm_passwords import SsmPasswords

    prefix, key = settings().passwords_prefix, settings().kms_key_arn
    return SsmPasswords(prefix, client=lambda: client("ssm"), key=key)


@cache
def reader() -> Reader:
    """The parsers, in a process of their own that is started now and kept."""
    from ragline.reading.parent import ChildReader

    return ChildReader(settings().parser_megabytes)


@cache
def ocr() -> Ocr | None:
    """Who reads pages that are pictures; None for nobody. Local models load at the first page.

    Raises:
        SetupError: the settings name no model.
    """
    match settings().ocr:
        case "local":
            from ragline.ocr.rapid import RapidOcr

            return RapidOcr()
        case "textract":
            from ragline.ocr.textract import TextractOcr, textract_client

            return TextractOcr(textract_client())
        case "bedrock":
            from ragline.ocr.vision import SECONDS, VisionOcr
            from ragline.vision.bedrock import BedrockVision, bedrock_client

            if not (model := settings().ocr_model):
                raise SetupError("OCR=bedrock needs OCR_MODEL: deploy with the parameter OcrModel.")
            return VisionOcr(BedrockVision(bedrock_client(SECONDS), model))
    return None


def splitting(seconds: float) -> Splitting:
    """For work that has so many seconds left."""
    from ragline.usecases.splitting import Splitting

    return Splitting(
        ledger=ledger(),
        objects=objects(),
        files=files(),
        queues=queues(),
        reader=reader(),
        tokenizer=tokenizer(),
        limits=replace(limits(), seconds=seconds),
        passwords=passwords(),
        ocr=ocr(),
    )


@cache
def analyses() -> Analyses:
    from ragline.adapters.dynamodb.analyses import DynamoAnalyses

    return DynamoAnalyses(settings().ledger_table, client=client("dynamodb"))


@cache
def analysis_orders() -> AnalysisOrders:
    from ragline.adapters.analysis_orders import SqsAnalysisOrders

    return SqsAnalysisOrders(settings().analyses_queue_url, client=client("sqs"))


@cache
def painter() -> Painter:
    from ragline.vision.painter import ChildPainter

    return ChildPainter()


@cache
def vision() -> Vision:
    """The model that looks at pages.

    Raises:
        SetupError: the settings name none, or an address that keys must not be sent to.
    """
    model, url = settings().vision_model, settings().vision_url
    if not model:
        raise SetupError("VISION_MODEL is not set: deploy with the parameter VisionModel.")
    if url:
        from ragline.vision.openai import OpenAiVision

        return OpenAiVision(url, model, vision_key)
    from ragline.usecases.analyse import CALL_SECONDS
    from ragline.vision.bedrock import BedrockVision, bedrock_client

    return BedrockVision(bedrock_client(CALL_SECONDS), model)


def vision_key() -> str:
    """Of an OpenAI-compatible API; '' if it wants none.

    Raises:
        SetupError: the secret that is set holds no text.
    """
    arn = settings().vision_secret_arn
    if not arn:
        return ""
    if key := _secrets()(arn):
        return key
    raise SetupError(f"the secret {arn} holds no API key: put it there as plain text.")


@cache
def keys() -> Keys:
    from ragline.adapters.dynamodb.keys import DynamoKeys

    return DynamoKeys(settings().ledger_table, client=client("dynamodb"))


@cache
def known_keys() -> KnownKeys:
    """``keys``, of which what was read a moment ago is not read again."""
    from ragline.adapters.recent import RecentKeys

    return RecentKeys(keys())


def owner_key() -> str:
    """The stack's own API key; '' if it has none."""
    arn = settings().owner_key_arn
    return (_secrets()(arn) or "") if arn else ""


@cache
def _secrets() -> Callable[[str], str | None]:
    from ragline.adapters.recent import Recent, secret_text

    def read(arn: str) -> str | None:
        return secret_text(arn, client=client("secretsmanager"))

    return Recent(read, seconds=60)


@cache
def tokens() -> Tokens | None:
    """None where no issuer is set.

    Raises:
        SetupError: a setting is missing, or names no place to fetch keys from.
    """
    if not settings().jwt_issuer:
        return None
    from ragline.adapters.jwt.jwks import KeySet
    from ragline.adapters.jwt.tokens import OidcTokens

    audience = listed(settings().jwt_audience)
    if not audience:
        raise SetupError("JWT_ISSUER is set, and JWT_AUDIENCE is not: see docs/access.md.")
    return OidcTokens(
        settings().jwt_issuer,
        audience,
        KeySet(settings().jwt_issuer, settings().jwt_jwks_url),
        tenant_claims=listed(settings().jwt_tenant_claims),
        role_claims=listed(settings().jwt_role_claims),
    )


@cache
def webhooks() -> Webhooks:
    from ragline.adapters.dynamodb.webhooks import DynamoWebhooks

    return DynamoWebhooks(settings().ledger_table, client=client("dynamodb"))


@cache
def webhook_secrets() -> WebhookSecrets:
    from ragline.adapters.push.webhook_secrets import SsmSecrets

    return SsmSecrets(settings().webhook_secrets_prefix, client=client("ssm"))


@cache
def deliveries() -> Deliveries:
    from ragline.adapters.push.event_bus import SqsDeliveries

    return SqsDeliveries(settings().deliveries_queue_url, client=client("sqs"))


@cache
def receivers() -> Receivers:
    from ragline.adapters.push.receivers import HttpReceivers
    from ragline.domain.addresses import parse_networks

    return HttpReceivers(parse_networks(settings().webhook_allow))


@cache
def bus() -> EventBus:
    from ragline.adapters.push.event_bus import EventBridge

    return EventBridge(settings().event_bus, client=client("events"))


@cache
def connections() -> Connections:
    from ragline.adapters.dynamodb.connections import DynamoConnections

    return DynamoConnections(settings().connections_table, client=client("dynamodb"))


@cache
def tickets() -> Tickets:
    from ragline.adapters.dynamodb.connections import DynamoTickets

    return DynamoTickets(settings().ledger_table, client=client("dynamodb"))


SOCKETS_STAGE = "live"


@cache
def sockets() -> Sockets:
    from ragline.adapters.push.sockets import ApiGatewaySockets, management_url

    domain, local = settings().sockets_domain, settings().aws_endpoint_url
    where = management_url(domain, SOCKETS_STAGE, local)
    return ApiGatewaySockets(client("apigatewaymanagementapi", where))
