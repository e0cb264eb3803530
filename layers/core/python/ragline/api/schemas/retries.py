"""What is asked of failed documents, and what is said of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, model_validator

from ragline.api.schemas.fields import Body, Password
from ragline.domain.documents import Status

ErrorCode = Annotated[
    str,
    Field(
        pattern="^[a-z0-9_]{0,64}$",
        description="Try again only what failed with this code; empty for whatever failed.",
    ),
]
Force = Annotated[bool, Field(description="Also what failed for good, such as a corrupt file.")]


AfterRetry = Annotated[
    Status,
    Field(
        description="As it is now. Where the file is to be read as a new version, it stays as it "
        "was until that begins."
    ),
]


class RetryBody(Body):
    """All of it may be left out."""

    code: ErrorCode = ""
    force: Force = False
    password: Password = SecretStr("")


class RetriedView(BaseModel):
    """What is tried again; follow the document's status."""

    document_id: str
    status: AfterRetry
    chunks: int = Field(description="How many failed chunks are tried again.")
    split_again: bool = Field(description="Whether the file itself is read again.")


class RedriveBody(Body):
    """Which documents; every condition given must hold, and none at all means every failed or
    partial document of the tenant.
    """

    document_id: str = Field("", description="Just this one.")
    collection: str = Field("", description="Only documents of this collection.")
    code: ErrorCode = ""
    since: str | None = Field(
        None, description="Only documents that failed then or later; ISO 8601, included."
    )
    force: Force = False
    dry_run: bool = Field(False, description="Change nothing; tell what would be tried again.")
    limit: int = Field(20, ge=1, le=50, description="How many documents to look at at once.")
    cursor: str | None = Field(None, max_length=1_024, description="From the page before; opaque.")

    @model_validator(mode="after")
    def _one_has_no_pages(self) -> RedriveBody:
        if self.document_id and self.cursor is not None:
            raise ValueError("give either 'document_id' or 'cursor': one document is one page")
        return self


class RedrivenView(BaseModel):
    """One document: what is (in a dry run: would be) tried again, or why it was skipped."""

    document_id: str
    collection: str
    filename: str
    status: AfterRetry
    chunks: int = Field(description="How many failed chunks are tried again.")
    split_again: bool = Field(description="Whether the file itself is read again.")
    skipped: str | None = Field(description="Why nothing of it is tried again.")


class RedriveAnswer(BaseModel):
    """Those that failed first come first. A page may hold fewer than `limit`, even none; it is the
    last one if `cursor` is null. What fails once more while pages are read comes again at the end.
    """

    documents: list[RedrivenView]
    cursor: str | None = None
