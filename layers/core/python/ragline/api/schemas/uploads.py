"""Uploads: where the bytes of a registered document go, in one piece or in parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ragline.api.schemas.fields import Body

UploadId = Annotated[
    str, Field(min_length=1, max_length=1_024, description="From the registration; opaque.")
]


class PutTarget(BaseModel):
    """One PUT of exactly these bytes, with these headers. The URL is a secret while it lives."""

    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_in: int = Field(description="Seconds.")


class PostTarget(BaseModel):
    """One POST of a form (multipart/form-data): these fields, then `file`, the bytes.

    It takes exactly the registered size, type and checksum. Secret while it lives.
    """

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_in: int = Field(description="Seconds.")


class PartsTarget(BaseModel):
    """An upload in parts. All have `part_size` bytes but the last, which has the rest.

    Ask for the parts' URLs, PUT the parts, complete. Registering the same bytes again gives the
    same upload while it is open: parts that arrived need not be sent again.
    """

    method: Literal["MULTIPART"] = "MULTIPART"
    upload_id: str
    part_size: int
    parts: int
    expires_in: int = Field(description="Seconds until parts that were not completed are deleted.")


UploadTarget = Annotated[PutTarget | PostTarget | PartsTarget, Field(discriminator="method")]


class WantedPart(Body):
    number: int = Field(ge=1, le=10_000)
    checksum: str = Field(description="SHA-256 of the part, in hexadecimal.")


class PartsBody(Body):
    """Parts that are about to be sent; one that was sent before may be sent again."""

    upload_id: UploadId
    parts: list[WantedPart] = Field(min_length=1, max_length=100)


class CompleteBody(Body):
    upload_id: UploadId


class PartTarget(BaseModel):
    """One PUT of exactly these bytes, with these headers. The URL is a secret while it lives."""

    number: int
    size: int
    url: str
    headers: dict[str, str]


class PartTargets(BaseModel):
    document_id: str
    upload_id: str
    parts: list[PartTarget]
    expires_in: int = Field(description="Seconds that the URLs live; ask again after that.")


class ArrivedPart(BaseModel):
    number: int
    size: int
    checksum: str | None = Field(description="SHA-256 in hexadecimal, if the store knows it.")


class ArrivedParts(BaseModel):
    """What of an upload is there. `size` and `parts` are those of the whole file."""

    document_id: str
    upload_id: str
    size: int
    part_size: int
    parts: int
    arrived: list[ArrivedPart]
