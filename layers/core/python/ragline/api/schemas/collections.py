"""Collections: how they are cut, and what is in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ragline.api.schemas.fields import Body
from ragline.domain.chunking import MAX_SECTION_TOKENS, MAX_TOKENS, MIN_TOKENS

StrategyName = Literal["section", "sentence", "fixed", "parent_child"]

_SIZE = "Tokens of the embedding model in a passage at most, the headings read with it included."
_OVERLAP = "Tokens of the passage before that one may begin with; at most half of max_tokens."
_SECTION = "`parent_child` only: tokens of a section that a hit returns at most, 512 by default."


class ChunkingBody(Body):
    """What is left out is as the deployment has it, or as the strategy asks for."""

    strategy: StrategyName = Field(
        "section",
        description="`section`: never across a heading, whole paragraphs while they fit. "
        "`sentence`: never across a heading, whole sentences. `fixed`: windows of so many tokens. "
        "`parent_child`: small passages are searched, the section around a hit is returned.",
    )
    max_tokens: int | None = Field(None, ge=MIN_TOKENS, le=MAX_TOKENS, description=_SIZE)
    overlap_tokens: int | None = Field(None, ge=0, le=MAX_TOKENS // 2, description=_OVERLAP)
    tables: Literal["rows", "text"] | None = Field(
        None, description="Cut between rows with the header repeated, or as any other text."
    )
    section_tokens: int | None = Field(
        None, ge=MIN_TOKENS, le=MAX_SECTION_TOKENS, description=_SECTION
    )


class CollectionBody(Body):
    """All settings of a collection: what stood there before is replaced."""

    chunking: Annotated[
        ChunkingBody | None, Field(description="null: as the deployment does by default.")
    ]
    again: bool = Field(
        False,
        description="Ingest again also where the settings stay as they are: what an older version "
        "of Ragline cut.",
    )


class ChunkingView(BaseModel):
    strategy: StrategyName
    max_tokens: int
    overlap_tokens: int
    tables: Literal["rows", "text"]
    section_tokens: int | None = Field(description="null but for `parent_child`.")


class CountsView(BaseModel):
    documents: int
    by_status: dict[str, int]
    chunks: int
    behind: int = Field(
        description="Documents whose passages, as queries see them, were cut otherwise than the "
        "collection now asks for: they wait for it, or it failed."
    )
    complete: bool = Field(
        description="false: there are more documents than were counted; these are the newest."
    )


class WalkView(BaseModel):
    """Over all documents: `recut` has those ingested again that were cut otherwise."""

    kind: Literal["recut", "delete"]
    started_at: str
    ended_at: str | None = Field(
        description="When the last document was reached; null while it goes on. Ingesting them "
        "takes longer: see `behind`."
    )
    seen: int
    changed: int = Field(description="Set going, or deleted.")
    left: int = Field(description="Their uploads are gone: they answer as they were cut before.")


class CollectionView(BaseModel):
    name: str
    chunking: ChunkingView
    default: bool = Field(description="Whether that is the deployment's own.")
    counts: CountsView
    walk: WalkView | None = Field(description="The last one; null if there never was any.")
    updated_at: str | None = Field(description="Of the settings; null if there never were any.")


class CollectionList(BaseModel):
    collections: list[str] = Field(description="Their names.")
