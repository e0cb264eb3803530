"""Liveness, and what is deployed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    status: Literal["ok"] = "ok"


State = Literal["ok", "unavailable", "misconfigured", "unchecked"]


class LedgerInfo(BaseModel):
    state: State


class IndexInfo(BaseModel):
    """Asked only for a `collection`: opening an index takes a while."""

    state: State
    rows: int | None = Field(
        None,
        description="Rows of the collection by the deployed model, those of old versions too.",
    )
    models: dict[str, int] | None = Field(
        None, description="Rows of the collection by each model that it was embedded by."
    )


class ModelInfo(BaseModel):
    state: State
    fingerprint: str | None = None
    precision: str | None = None
    dimensions: int | None = None


class Components(BaseModel):
    ledger: LedgerInfo
    index: IndexInfo
    model: ModelInfo


class LimitsInfo(BaseModel):
    max_file_bytes: int
    max_direct_upload_bytes: int
    max_pages: int
    max_chunks: int
    max_query_characters: int
    max_top_k: int


class Info(BaseModel):
    name: Literal["ragline"] = "ragline"
    version: str
    components: Components
    limits: LimitsInfo
