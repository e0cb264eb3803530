"""What a document's metadata may hold: few, small, typed values that an index can filter by."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ragline.domain.documents import Metadata, Scalar
from ragline.domain.errors import InvalidRequest

MAX_FIELDS = 50
MAX_CHARACTERS = 1_024
RESERVED = frozenset({"document_id", "page", "collection"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_INT64 = range(-(2**63), 2**63)


def check_metadata(values: Mapping[str, object]) -> Metadata:
    """The same fields, known to be storable: at most 50, each a short string, a number or a bool.

    Raises:
        InvalidRequest: names the field, and what is allowed.
    """
    if len(values) > MAX_FIELDS:
        raise InvalidRequest(f"metadata has {len(values)} fields; at most {MAX_FIELDS}.")
    return {_name(name): _scalar(name, value) for name, value in values.items()}


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"metadata field {name[:80]!r} is not a valid name: use 1 to 64 lower-case letters, "
            "digits or '_', starting with a letter."
        )
    if name in RESERVED:
        raise InvalidRequest(f"metadata field {name!r} is reserved; choose another name.")
    return name


def _scalar(name: str, value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value not in _INT64:
            raise InvalidRequest(f"metadata field {name!r} is an integer of more than 64 bits.")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidRequest(f"metadata field {name!r} is no finite number.")
        return value
    if isinstance(value, str):
        return _string(name, value)
    raise InvalidRequest(f"metadata field {name!r} must be a string, a number, true or false.")


def _string(name: str, value: str) -> str:
    if len(value) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"metadata field {name!r} has {len(value):,} characters; at most {MAX_CHARACTERS:,}."
        )
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidRequest(f"metadata field {name!r} has half a surrogate pair: it is no text.")
    return value
