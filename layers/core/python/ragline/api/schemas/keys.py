"""API keys."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ragline.api.schemas.fields import Body, Text
from ragline.domain.access import Role
from ragline.usecases.keys import MAX_DAYS, MAX_NAME


class KeyBody(Body):
    """For whom a key is, and what it may do. It is of the caller's own tenant."""

    name: Text = Field(min_length=1, max_length=MAX_NAME, description="For people.")
    role: Role = Field(strict=False, description="What it may do.")
    expires_in_days: int | None = Field(
        None, ge=1, le=MAX_DAYS, description="It is over after so many; null for never."
    )


class KeyView(BaseModel):
    """What is known of a key, which is not the key."""

    key_id: str
    name: str
    role: Role
    ends_with: str = Field(description="Its last four characters.")
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class KeyCreated(KeyView):
    key: str = Field(description="Shown this once.")


class KeyList(BaseModel):
    keys: list[KeyView]
