"""What several bodies and answers are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, WithJsonSchema

from ragline.domain.passwords import MAX_PASSWORD


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


Parent = Annotated[
    str | None, Field(description="The document that it came in, such as an archive or a mail.")
]
ParentFilename = Annotated[str | None, Field(description="That document's name.")]
PathInParent = Annotated[str | None, Field(description="Its place in there.")]

Password = Annotated[
    SecretStr,
    Field(
        max_length=MAX_PASSWORD,
        description="Opens the file, should it be encrypted. Kept, encrypted, until the file is "
        "read, and shown to nobody.",
    ),
]
