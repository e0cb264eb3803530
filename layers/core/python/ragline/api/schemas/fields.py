"""What several bodies and answers are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema


def _encodable(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("has half a surrogate pair: it is no text")
    return text


Text = Annotated[str, AfterValidator(_encodable)]

Metadata = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 50,
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,63}$"},
            "additionalProperties": {"type": ["string", "number", "integer", "boolean"]},
        }
    ),
]
"""Checked by ``check_metadata``: its errors name the field and what is allowed."""


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
