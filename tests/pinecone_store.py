"""What a Pinecone document index does, as far as it is documented, for ``pinecone_server``.

The rules are those of the published specification and guides: limits, required fields, which
operators a field takes, visibility some time after a write.
https://github.com/pinecone-io/pinecone-api/blob/main/2026-07/db_data_2026-07.oas.yaml
"""

from __future__ import annotations

import importlib
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragline.adapters.memory.index import okapi

Doc = dict[str, Any]

_stemmer: Any = importlib.import_module("snowballstemmer").stemmer("english")

ID = re.compile(r"[\x01-\x7f]{1,512}")
METADATA_BYTES = 40_960
TEXT_BYTES, TEXT_TOKENS, TOKEN_BYTES = 102_400, 10_000, 40
QUERY_BYTES = 10_240
RESULT_BYTES = 4 * 1024 * 1024

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda a, b: a == b,
    "$ne": lambda a, b: a != b,
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


class Refused(Exception):
    """A request that Pinecone answers with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def bad(message: str) -> Refused:
    return Refused(400, "INVALID_ARGUMENT", message)


@dataclass(slots=True)
class Namespace:
    """``log``: writes that are acknowledged but not shown yet, each with its time and number."""

    filterable: frozenset[str] | None
    documents: dict[str, Doc] = field(default_factory=dict)
    log: list[tuple[float, int, Callable[[dict[str, Doc]], None]]] = field(default_factory=list)
    written: int = 0
    shown: int = 0


class Store:
    """Namespaces of documents. ``delay``: seconds until a write is shown; it may be changed.

    ``takes``: of how many documents the next upserts are taken; then all are.
    """

    def __init__(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        self.fields = dict(fields)
        self.delay = 0.0
        self.takes: list[int] = []
        self.namespaces: dict[str, Namespace] = {}
        self.read_units = 0

    @property
    def dimension(self) -> int | None:
        dense = (f["dimension"] for f in self.fields.values() if f["type"] == "dense_vector")
        return next(dense, None)

    def create(self, name: str, schema: Mapping[str, Any] | None) -> None:
        if name in self.namespaces:
            raise Refused(409, "ALREADY_EXISTS", f"Namespace {name} already exists")
        names = None if schema is None else frozenset(schema["fields"])
        self.namespaces[name] = Namespace(names)

    def drop(self, name: str) -> None:
        if self.namespaces.pop(name, None) is None:
            raise Refused(404, "NOT_FOUND", "Namespace not found")

    def shown(self, name: str) -> Namespace | None:
        """The namespace with every write that is old enough."""
        space = self.namespaces.get(name)
        while space and space.log and space.log[0][0] + self.delay <= time.monotonic():
            _, space.shown, write = space.log.pop(0)
            write(space.documents)
        return space

    def upsert(self, name: str, documents: Sequence[Doc]) -> tuple[int, int]:
        if not 1 <= len(documents) <= 1000:
            raise bad(f"{len(documents)} documents in the request; 1 to 1000 are allowed")
        for document in documents:
            self._check(document)
        if len({document["_id"] for document in documents}) < len(documents):
            raise bad("duplicate _id in the request")
        space = self.namespaces.setdefault(name, Namespace(None))
        taken = list(documents)[: self.takes.pop(0) if self.takes else None]
        fresh = {document["_id"]: dict(document) for document in taken}
        return len(taken), self._write(space, lambda held: held.update(fresh))

    def delete(self, name: str, body: Mapping[str, Any]) -> tuple[int | None, int]:
        space = self.shown(name)
        if space is None:
            raise Refused(404, "NOT_FOUND", "Namespace not found")
        if len({"ids", "filter", "delete_all"} & set(body)) != 1:
            raise bad("exactly one of ids, filter or delete_all must be given")
        passes = self._where(space, body.get("filter"))
        ids = set(body.get("ids", ()))

        def goes(document: Doc) -> bool:
            return document["_id"] in ids if ids else passes(document)

        def write(held: dict[str, Doc]) -> None:
            for key in [key for key, document in held.items() if goes(document)]:
                del held[key]

        matched = sum(map(passes, space.documents.values())) if "filter" in body else None
        return matched, self._write(space, write)

    def search(self, name: str, body: Mapping[str, Any]) -> tuple[list[Doc], int]:
        top_k = body["top_k"]
        if type(top_k) is not int or not 1 <= top_k <= 10_000:
            raise bad("top_k must be between 1 and 10000")
        if len(body["score_by"]) != 1:
            raise bad("one scoring clause is supported here")
        space = self.shown(name)
        if space is None:
            return [], 0
        documents = list(space.documents.values())
        scores = self._scores(body["score_by"][0], documents)
        passes = self._where(space, body.get("filter"))
        found = [
            (score, document)
            for score, document in zip(scores, documents, strict=True)
            if score is not None and passes(document)
        ]
        best = sorted(found, key=lambda pair: -pair[0])[:top_k]
        wanted = body.get("include_fields") or []
        matches = [
            {"_id": document["_id"], "_score": score} | _only(document, wanted)
            for score, document in best
        ]
        self._check_result(matches)
        return matches, space.shown

    def fetch(self, name: str, body: Mapping[str, Any]) -> dict[str, Doc]:
        space = self.shown(name)
        if not 1 <= len(body.get("ids", ())) <= 1000:
            raise bad("1 to 1000 ids are allowed")
        held = space.documents if space else {}
        wanted = body.get("include_fields") or ["*"]
        found = {key: _only(held[key], wanted) | {"_id": key} for key in body["ids"] if key in held}
        self._check_result(found)
        return found

    def ids(self, name: str, prefix: str) -> list[str]:
        space = self.shown(name)
        return sorted(key for key in (space.documents if space else ()) if key.startswith(prefix))

    def _write(self, space: Namespace, write: Callable[[dict[str, Doc]], None]) -> int:
        space.written += 1
        space.log.append((time.monotonic(), space.written, write))
        return space.written

    def _check(self, document: Doc) -> None:
        if not ID.fullmatch(document.get("_id", "")):
            raise bad("_id must be 1-512 ASCII characters")
        for name, kind in self.fields.items():
            value = document.get(name)
            if kind["type"] == "dense_vector":
                self._check_vector(value)
            elif value is not None:
                words = _words(value)
                if len(value.encode()) > TEXT_BYTES or len(words) > TEXT_TOKENS:
                    raise bad(f"field {name!r} exceeds 100 KB or 10,000 tokens")
        metadata = {k: v for k, v in document.items() if k != "_id" and k not in self.fields}
        for name, value in metadata.items():
            if name.startswith(("_", "$")) or not _is_metadata(value):
                raise bad(f"metadata field {name!r} is not a string, number, boolean or list")
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > METADATA_BYTES:
            raise bad("metadata exceeds 40 KB")

    def _check_vector(self, values: Any) -> None:
        if not isinstance(values, list):
            raise bad("a document lacks its dense vector")
        if len(values) != self.dimension:
            raise bad(f"Vector dimension {len(values)} does not match {self.dimension}")
        if not any(values):
            raise bad("Dense vectors must contain at least one non-zero value")

    def _check_result(self, result: Any) -> None:
        self.read_units += 1
        if len(json.dumps(result, ensure_ascii=False).encode()) > RESULT_BYTES:
            raise bad("the result exceeds 4 MB")

    def _scores(self, clause: Mapping[str, Any], documents: Sequence[Doc]) -> list[float | None]:
        (name,) = clause["fields"] if "fields" in clause else [clause["field"]]
        kind = self.fields.get(name)
        if kind is None:
            raise bad(f"the schema has no field {name!r}")
        if clause["type"] == "dense_vector":
            self._check_vector(clause["values"])
            return [_cosine(document[name], clause["values"]) for document in documents]
        if clause["type"] != "text" or "full_text_search" not in kind:
            raise bad(f"field {name!r} cannot be scored by {clause['type']!r}")
        query = clause["query"].strip()
        if not query or len(query.encode()) > QUERY_BYTES:
            raise bad("query must be 1 byte to 10 KB")
        texts = [Counter(_words(document.get(name, ""), kind)) for document in documents]
        return [score or None for score in okapi(_words(query, kind), texts)]

    def _where(self, space: Namespace, expression: Any) -> Callable[[Doc], bool]:
        if expression is None:
            return lambda document: True
        if not expression:
            raise bad("filter must not be empty")
        tests = [self._test(space, name, value) for name, value in expression.items()]
        return lambda document: all(test(document) for test in tests)

    def _test(self, space: Namespace, name: str, value: Any) -> Callable[[Doc], bool]:
        if name in {"$and", "$or"}:
            parts = [self._where(space, one) for one in value]
            if name == "$and":
                return lambda document: all(part(document) for part in parts)
            return lambda document: any(part(document) for part in parts)
        if name in self.fields:
            raise bad(f"field {name!r} takes no comparison")
        if space.filterable is not None and name not in space.filterable:
            return lambda document: False  # not indexed for filtering
        return lambda document: all(
            name in document and _compare(document[name], operator, operand)
            for operator, operand in value.items()
        )


def _compare(held: Any, operator: str, operand: Any) -> bool:
    values = held if isinstance(held, list) else [held]
    if operator == "$in":
        if len(operand) > 10_000:
            raise bad("$in takes at most 10,000 values")
        return any(value in operand for value in values)
    if operator not in _COMPARE or isinstance(held, list):
        raise bad(f"{operator} cannot be used here")
    if operator in {"$gt", "$gte", "$lt", "$lte"} and isinstance(held, str):
        raise bad(f"{operator} takes a number")
    return _COMPARE[operator](held, operand)


def _is_metadata(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str | bool | int | float)


def _only(document: Doc, wanted: Sequence[str]) -> Doc:
    names = document if "*" in wanted else wanted
    return {name: document[name] for name in names if name in document}


def _words(text: str, kind: Mapping[str, Any] | None = None) -> list[str]:
    """Split at what is no letter or digit, lower case, stemmed if so declared, capped."""
    words: Iterator[str] = (word.lower() for word in re.findall(r"\w+", text.replace("_", " ")))
    if kind and kind["full_text_search"].get("stemming"):
        words = iter(_stemmer.stemWords(list(words)))
    return [word for word in words if len(word.encode()) <= TOKEN_BYTES]


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))
