"""What travels on the queues: ids and places, never whole documents. JSON, versioned.

Version 2 added ``nonce``, ``pauses``, ``etag`` and the message ``Uploaded``; version 1 is still
understood. Version 3 added ``CollectionWalk``; what is as it was is still sent as version 2. A
version newer than ours is not malformed: a deploy is under way, or was undone.
"""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from ragline.domain.chunks import CHUNKS_PER_PART, Part
from ragline.domain.documents import Partition, check_document_id, check_name
from ragline.domain.errors import InvalidRequest, MalformedMessage, NewerMessage

SCHEMA_VERSION: Literal[3] = 3
"""The newest that is understood."""

MAX_RECEIVES = 5
"""How often a queue delivers a message before it is a dead letter; as the template says."""

M = TypeVar("M", bound=BaseModel)


def new_nonce() -> str:
    """Marks work that is asked for anew, so that no queue takes it for what it saw before."""
    return secrets.token_hex(8)


class Envelope(BaseModel):
    """What every message carries.

    ``nonce`` is '' for work that follows from other work, and random for work that is asked for
    anew (a retry, a repair, a pause): a FIFO queue drops a body that it saw minutes ago.
    ``trace_id`` is that of the document that the work is for. ``pauses`` counts how often the
    message was put back because a service was overloaded.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1, 2, 3] = 2
    trace_id: str = ""
    nonce: str = ""
    pauses: int = Field(default=0, ge=0)


class _InPartition(Envelope):
    """About one collection of one tenant."""

    tenant: str
    collection: str

    @field_validator("tenant", "collection", "document_id", "fingerprint", check_fields=False)
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


class Message(_InPartition):
    """About one generation of one document."""

    document_id: str
    generation: int = Field(ge=1)


class PageRange(Message):
    """Pages queue: cut range ``number`` of an upload.

    By ``unit``, that is pages ``first_page``..``last_page`` (from 1, inclusive), or what begins in
    bytes ``first_byte`` to ``last_byte`` (from 0, exclusive) of a file in a ``format`` that is read
    in slices. ``etag`` names the version of the object that the ranges were planned on; '' for any.
    """

    number: int = Field(ge=0)
    unit: Literal["pages", "bytes"] = "pages"
    first_page: int = Field(default=1, ge=1)
    last_page: int = Field(default=1, ge=1)
    first_byte: int = Field(default=0, ge=0)
    last_byte: int = Field(default=0, ge=0)
    format: str = ""
    upload_key: str
    etag: str = ""

    @property
    def pages(self) -> int:
        """How many it has; none of a file that is read in slices."""
        return self.last_page - self.first_page + 1 if self.unit == "pages" else 0

    @property
    def what(self) -> str:
        """The range in words."""
        if self.unit == "pages":
            return f"pages {self.first_page} to {self.last_page}"
        return f"bytes {self.first_byte:,} to {self.last_byte:,}"


class Uploaded(Envelope):
    """Pages queue: an upload wants splitting, as the bucket said or would have to say again.

    ``sequencer`` is that of the bucket's event, ``etag`` the version it tells of; '' for any.
    """

    key: str = Field(min_length=1)
    sequencer: str
    etag: str = ""

    @property
    def upload_key(self) -> str:
        return self.key


class CollectionWalk(_InPartition):
    """Pages queue: the walk over a collection's documents wants its next step.

    Where it stands, the ledger knows: so a message that comes twice takes no step twice.
    """

    schema_version: Literal[1, 2, 3] = 3
    walk_id: str = Field(min_length=1)

    @property
    def upload_key(self) -> str:
        """Stands for all of the collection, where one asks whose work this is."""
        return f"uploads/{self.partition}/*"


PageWork = PageRange | Uploaded | CollectionWalk


class AnalysisWork(_InPartition):
    """Analyses queue: the pages of a document are to be looked at."""

    document_id: str
    analysis_id: str = Field(pattern=r"^[0-9A-Z]{1,64}$")


class PartReady(Message):
    """Chunks queue: a part of at most 16 consecutive chunks is stored and wants embedding."""

    first: int = Field(ge=0)
    count: int = Field(ge=1, le=CHUNKS_PER_PART)

    @property
    def part(self) -> Part:
        return Part(self.partition, self.document_id, self.generation, self.first, self.count)

    @classmethod
    def of(cls, part: Part, nonce: str = "", trace_id: str = "") -> PartReady:
        return cls(
            trace_id=trace_id,
            nonce=nonce,
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
    """IndexOps: the vectors of these parts are in ``vectors_key``; commit them.

    ``migrated``: of these only the rows of chunks that are indexed, by another model or elsewhere;
    the documents stay as they are, whatever comes of it.
    """

    op: Literal["upsert"] = "upsert"
    vectors_key: str
    parts: tuple[Span, ...] = Field(min_length=1)
    migrated: bool = False

    @property
    def ordinals(self) -> list[int]:
        """Those of all its parts, also of chunks that were set apart and have no vector."""
        return [n for part in self.parts for n in range(part.first, part.first + part.count)]


class Delete(Message):
    """IndexOps: drop generations below ``below``, or the whole document if it is None.

    Of generation ``keep`` nothing is dropped: it is live, though a newer one is worked on.
    """

    op: Literal["delete"] = "delete"
    below: int | None = None
    keep: int = 0


class Drop(_InPartition):
    """IndexOps: remove the rows of one embedding model and the vectors that they were made of."""

    op: Literal["drop"] = "drop"
    fingerprint: str


class Optimize(_InPartition):
    """IndexOps: housekeeping of the partition's rows, of every model, where it is due.

    Then the rows of the documents in ``compare`` are counted, and compared with the ledger.
    """

    op: Literal["optimize"] = "optimize"
    compare: tuple[str, ...] = Field(default=(), max_length=50)


IndexOp = Upsert | Delete | Drop | Optimize

_index_op: TypeAdapter[IndexOp] = TypeAdapter(Annotated[IndexOp, Field(discriminator="op")])


def _kind(value: Any) -> str:
    told = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    if told.get("walk_id") is not None:
        return "walk"
    return "range" if told.get("key") is None else "uploaded"


_page_work: TypeAdapter[PageWork] = TypeAdapter(
    Annotated[
        Annotated[PageRange, Tag("range")]
        | Annotated[Uploaded, Tag("uploaded")]
        | Annotated[CollectionWalk, Tag("walk")],
        Discriminator(_kind),
    ]
)


def read_part(body: str) -> PartReady:
    """Parse a Chunks body.

    Raises:
        MalformedMessage: it is no JSON, or a field is wrong; says which.
        NewerMessage: a later version of Ragline wrote it.
    """
    return _read(TypeAdapter(PartReady), body)


def read_page_work(body: str) -> PageWork:
    """Parse a Pages body; raises as ``read_part``."""
    return _read(_page_work, body)


def read_index_op(body: str) -> IndexOp:
    """Parse an IndexOps body; raises as ``read_part``."""
    return _read(_index_op, body)


def read_analysis_work(body: str) -> AnalysisWork:
    """Parse an Analyses body; raises as ``read_part``."""
    return _read(TypeAdapter(AnalysisWork), body)


def _read(kind: TypeAdapter[M], body: str) -> M:
    try:
        return kind.validate_json(body)
    except ValidationError as error:
        version = _version(body)
        if version > SCHEMA_VERSION:
            raise NewerMessage(
                f"message of version {version}; this deployment knows {SCHEMA_VERSION}."
            ) from error
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if part not in _TAGS) or "body"
        raise MalformedMessage(f"message not understood: {place}: {first['msg']}") from error


def _version(body: str) -> int:
    """What the message says of itself, whatever else is wrong with it; 0 for nothing."""
    try:
        version = json.loads(body)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return version if type(version) is int else 0


_TAGS = {"range", "uploaded", "walk", "upsert", "delete", "drop", "optimize"}
