"""The environment of every function, typed. ``template.yaml`` sets these (a test compares)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ragline.domain.errors import SetupError


class Settings(BaseSettings):
    """One field, one environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    stack: str = "ragline"
    """Whose functions these are: a dimension of every metric."""
    ledger_table: str = ""
    documents_bucket: str = ""
    chunks_queue_url: str = ""
    pages_queue_url: str = ""
    index_ops_queue_url: str = ""

    model_dir: Path = Path("/opt/model")

    reranker: Literal["none", "late-interaction", "cross-encoder", "bedrock"] = "late-interaction"
    """What reranks where a query asks for it."""
    reranker_dir: Path = Path("/opt/model/reranker")
    """Where the prepared cross-encoder is."""
    reranker_model_arn: str = ""
    """Bedrock's; it is called in the region that it names."""

    max_file_bytes: int = Field(default=1_280 * 1024 * 1024, ge=1)
    max_pages: int = Field(default=5_000, ge=1)
    max_chunks: int = Field(default=2_000_000, ge=1)
    pages_per_range: int = Field(default=100, ge=1)
    scans_per_range: int = Field(default=20, ge=1)
    """Of a document whose pages are pictures: recognising one takes seconds."""
    bytes_per_range: int = Field(default=8 * 1024 * 1024, ge=64 * 1024)
    """Of text, CSV and the like, which have no pages."""
    chunk_tokens: int = Field(default=254, ge=16, le=254)
    chunk_overlap_tokens: int = Field(default=32, ge=0, le=128)
    passwords_prefix: str = "/ragline/passwords"
    """Below it are the passwords of documents that wait to be split, in Parameter Store."""
    kms_key_arn: str = ""
    """The key that encrypts them; the account's own where it is empty."""
    parser_megabytes: int = Field(default=1_200, ge=128)
    """Memory of the process that reads documents; the function's own work needs 600 beside it."""
    upload_expires_seconds: int = Field(default=3_600, ge=60, le=604_800)

    index_store: Literal["lancedb", "pinecone"] = "lancedb"
    """Where the vector indexes are: in the documents bucket, or with Pinecone."""
    index_replica_megabytes: int = Field(default=512, ge=0)
    """Room for copies of the index in the function's ephemeral storage; 0 keeps none."""
    index_cache_megabytes: int = Field(default=384, ge=16)
    """How much of the index is kept in memory: 60 MB for 100,000 chunks."""
    pinecone_host: str = ""
    """The index's own address, as Pinecone's console shows it."""
    pinecone_secret_arn: str = ""
    """The secret that holds the API key."""

    measure_usage: bool = True
    """Whether what each tenant uses is counted; it costs a write now and then."""
    usage_write_milliseconds: int = Field(default=500, ge=0)
    """So much work is written down at once, 0: after every invocation; less waits a minute."""

    owner_key_arn: str = ""
    """The secret that holds the stack's own API key: admin of tenant ``default``."""
    shared_meter: str = ""
    """By what the gateway counts the requests of tenants that have no usage plan of their own."""
    jwt_issuer: str = ""
    """Whose bearer tokens are taken, as their claim ``iss`` has it; none where it is empty."""
    jwt_audience: str = ""
    """Whom a token must be for: one or more, separated by commas."""
    jwt_jwks_url: str = ""
    """Where the issuer's keys are; by default, where its OpenID description says."""
    jwt_tenant_claims: str = "custom:tenant,tenant"
    """Claims that may name the tenant, separated by commas; the first that a token has counts."""
    jwt_role_claims: str = "cognito:groups,roles,role"
    """Claims that may name the role, likewise."""

    event_bus: str = "default"
    """The EventBridge bus that is told of every document that ends; its name or ARN."""
    deliveries_queue_url: str = ""
    """Where what webhooks are to be told waits."""
    webhook_secrets_prefix: str = "/ragline/webhooks"
    """Below it are the webhooks' signing secrets, in Parameter Store."""
    webhook_allow: str = ""
    """Networks that webhooks may go to although they are private, and without TLS; CIDRs, separated
    by commas."""
    connections_table: str = ""
    """Who is connected by WebSocket."""
    sockets_domain: str = ""
    """The WebSocket API's host, without its stage."""

    analyses_queue_url: str = ""
    """Where page-image analyses wait; '' where no vision model is set."""
    ocr: Literal["local", "textract", "bedrock", "none"] = "local"
    """Who reads pages that are pictures."""
    ocr_model: str = ""
    """With ``bedrock``: the id of a model that sees, or of an inference profile."""
    vision_model: str = ""
    """Who looks at pages: the id of a model or an inference profile of Bedrock, or a name that
    ``vision_url`` knows."""
    vision_url: str = ""
    """The base of an OpenAI-compatible API, such as https://api.openai.com/v1; '' for Bedrock."""
    vision_secret_arn: str = ""
    """With ``vision_url``: the secret that holds its API key; '' if it asks for none."""
    vision_prices: str = ""
    """Dollars for a million tokens in and out, as ``0.06,0.24``; '' for the price table's."""
    max_analysis_pages: int = Field(default=20, ge=1, le=1_000)
    """Of one analysis."""
    max_prompt_characters: int = Field(default=4_000, ge=1, le=100_000)
    """Of an analysis' question."""
    max_answer_tokens: int = Field(default=1_000, ge=1, le=16_000)
    """Of the answer about one page."""

    cors_origins: str = ""
    """Web origins that browsers may call the API from, separated by commas; none by default."""

    aws_endpoint_url: str = ""
    aws_region: str = "us-east-1"


@cache
def settings() -> Settings:
    """Read the environment once.

    Raises:
        SetupError: a variable has a value that is not allowed; names the variable and the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).upper()
        raise SetupError(f"{name}={first['input']!r}: {first['msg']}.") from error


def listed(value: str) -> list[str]:
    """The parts of a variable that names several, separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()]
