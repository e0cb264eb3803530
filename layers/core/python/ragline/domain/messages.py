"""What travels on the queues: ids and places, never whole documents. JSON, versioned."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from ragline.domain.chunks import CHUNKS_PER_PART, Part
from ragline.domain.documents import Partition, check_document_id, check_name
from ragline.domain.errors import InvalidRequest, MalformedMessage

M = TypeVar("M", bound=BaseModel)


class Message(BaseModel):
    """Base of all messages. A reader refuses a version that it does not know, by validation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    trace_id: str = ""
    tenant: str
    collection: str
    document_id: str
    generation: int = Field(ge=1)

    @field_validator("tenant", "collection", "document_id")
    @classmethod
    def _possible(cls, value: str, info: ValidationInfo) -> str:
        """Names become keys and table names: an impossible one would fail at every attempt."""
        try:
            if info.field_name == "document_id":
                return check_document_id(value)
            return check_name(value, str(info.field_name))
        except InvalidRequest as error:
            raise ValueError(str(error)) from error

    @property
    def partition(self) -> Partition:
        return Partition(self.tenant, self.collection)


class PageRange(Message):
    """Pages queue: cut pages ``first_page``..``last_page`` (from 1, inclusive) of an upload."""

    number: int = Field(ge=0)
    first_page: int = Field(ge=1)
    last_page: int = Field(ge=1)
    upload_key: str


class PartReady(Message):
    """Chunks queue: a part of at most 16 consecutive chunks is stored and wants embedding."""

    first: int = Field(ge=0)
    count: int = Field(ge=1, le=CHUNKS_PER_PART)

    @property
    def part(self) -> Part:
        return Part(self.partition, self.document_id, self.generation, self.first, self.count)

    @classmethod
    def of(cls, part: Part, trace_id: str = "") -> PartReady:
        return cls(
            trace_id=trace_id,
            tenant=part.partition.tenant,
            collection=part.partition.collection,
            document_id=part.document_id,
            generation=part.generation,
            first=part.first,
            count=part.count,
        )


class Span(BaseModel):
    """A run of consecutive chunks within an upsert."""

    model_config = ConfigDict(frozen=True)

    first: int = Field(ge=0)
    count: int = Field(ge=1, le=CHUNKS_PER_PART)


class Upsert(Message):
    """IndexOps: the vectors of these parts are in ``vectors_key``; commit them."""

    op: Literal["upsert"] = "upsert"
    vectors_key: str
    parts: tuple[Span, ...] = Field(min_length=1)

    @property
    def ordinals(self) -> list[int]:
        """Those of all its parts, also of chunks that were set apart and have no vector."""
        return [n for part in self.parts for n in range(part.first, part.first + part.count)]


class Delete(Message):
    """IndexOps: drop rows of generations below ``below``, or the whole document if it is None."""

    op: Literal["delete"] = "delete"
    below: int | None = None


IndexOp = Annotated[Upsert | Delete, Field(discriminator="op")]

_index_op: TypeAdapter[IndexOp] = TypeAdapter(IndexOp)


def read(model: type[M], body: str) -> M:
    """Parse one message body.

    Raises:
        MalformedMessage: it is no JSON, of another version, or a field is wrong; says which.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from error


def read_index_op(body: str) -> Upsert | Delete:
    """Parse an IndexOps body; raises as ``read``."""
    try:
        return _index_op.validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from error


def _malformed(error: ValidationError) -> MalformedMessage:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return MalformedMessage(f"message not understood: {where}: {first['msg']}")
