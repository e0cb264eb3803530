"""The users of the deployed stack, and what must be true of it whatever happens to its workers."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from ragline import wiring
from ragline.domain.documents import Document, Partition, Status, dropped_id
from ragline.domain.errors import RequestError
from ragline.domain.keys import upload_key
from ragline.domain.lifecycle import TROUBLED
from ragline.ports import Indexes
from ragline.usecases import documents, upload
from ragline.usecases.retry import retry
from ragline.usecases.search import SearchRequest, search
from tests.contract.aws import REGION
from tests.faults.cloud import BUCKET, Cloud, Died, Disorder, aws, deployed, forget
from tests.faults.injection import Faults, Killed
from tests.reading import chunks_of
from tests.unit.pipeline import WordTokenizer

T = TypeVar("T")

SHELF = Partition("default", "shelf")
TRIES = 200
"""How often a client repeats a call that failed; longer than an outage."""

ROUNDS = 12
"""Maintenance runs, a lease apart, after which nothing may be under way any more."""

_SCHEDULED = {
    "version": "0",
    "id": "8476a536",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-11-06T12:00:00Z",
    "region": REGION,
    "resources": [],
    "detail": {},
}

_LIMITS = upload.Limits(file_bytes=1_000_000, upload_expires=3_600)


@dataclass(frozen=True)
class Version:
    """The bytes of one upload; every chunk of it holds the word ``marker`` and no other does."""

    marker: str
    filename: str
    data: bytes = field(repr=False)

    @cached_property
    def texts(self) -> frozenset[str]:
        """Of its chunks, cut as the splitter has to cut them."""
        cut = chunks_of(self.data, self.filename, tokenizer=WordTokenizer(), limits=wiring.limits())
        return frozenset(chunk.text for chunk in cut)


class World:
    """``holds``: document → the version that it must end with, None once it is deleted.
    ``gone``: markers that no query may show any more, by document. ``twins``: documents of the same
    bytes, of which one is indexed and the others are told so. ``partial``: documents that said that
    some of their chunks failed. ``probe`` is asked after every delivery what is wrong.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.holds: dict[str, Version | None] = {}
        self.twins: set[str] = set()
        self.partial: set[str] = set()
        self.probe: Callable[[], list[str]] = list
        self.wrong: list[str] = []
        cloud.delivered = self._look
        self.uploaded: defaultdict[str, list[Version]] = defaultdict(list)
        self.gone: defaultdict[str, set[str]] = defaultdict(set)

    def upload(self, document_id: str, version: Version, *, checksum: bool = True) -> str:
        """Register and put the bytes, as a client of the API; returns the id they went to."""
        request = upload.UploadRequest(
            SHELF,
            version.filename,
            len(version.data),
            checksum=hashlib.sha256(version.data).hexdigest() if checksum else "",
            document_id=document_id,
        )
        registered = self._ask(
            lambda: upload.register(
                request, ledger=wiring.ledger(), objects=wiring.objects(), limits=_LIMITS
            )
        )
        owner = registered.document.document_id
        self._note(owner, version)
        if registered.upload:
            self.put(registered.document.upload_key, version)
        return owner

    def drop(self, version: Version) -> str:
        """Put a file into the bucket that nobody registered; returns its key."""
        key = f"uploads/{SHELF}/{version.filename}"
        self._note(dropped_id(key), version)
        self.put(key, version)
        return key

    def put(self, key: str, version: Version) -> None:
        aws("s3").put_object(Bucket=BUCKET, Key=key, Body=version.data)

    def delete(self, document_id: str) -> None:
        """By the API: gone from answers when the call returns."""
        self._ask(
            lambda: documents.delete(
                SHELF.tenant,
                document_id,
                ledger=wiring.ledger(),
                objects=wiring.objects(),
                queues=wiring.queues(),
            )
        )
        self.holds[document_id] = None
        self.gone[document_id] |= {one.marker for one in self.uploaded[document_id]}

    def remove(self, document_id: str, key: str) -> None:
        """By deleting the object: gone when the event was worked on."""
        aws("s3").delete_object(Bucket=BUCKET, Key=key)
        self.holds[document_id] = None

    def retry(self, document_id: str) -> None:
        """By the API: what failed is tried once more."""
        self._ask(
            lambda: retry(
                SHELF.tenant,
                document_id,
                ledger=wiring.ledger(),
                objects=wiring.objects(),
                queues=wiring.queues(),
                force=True,
            )
        )

    def retry_troubled(self) -> None:
        """An operator's redrive: of all that failed, until nothing is failed any more."""
        for _ in range(3):
            troubled = [
                name
                for name in self.holds
                if (found := self.document(name)).status in TROUBLED
                and not self.a_twin_holds(found)
            ]
            if not troubled:
                return
            for name in troubled:
                self.retry(name)
            self.rest()

    def a_twin_holds(self, document: Document) -> bool:
        """Whether it failed, and another document that has its bytes is indexed instead."""
        others = self.twins - {document.document_id} if document.document_id in self.twins else ()
        failed = document.status is Status.FAILED
        return failed and any(self.document(one).status is Status.INDEXED for one in others)

    def document(self, document_id: str) -> Document:
        found = wiring.ledger().get(SHELF.tenant, document_id)
        assert found is not None, f"{document_id} is unknown"
        return found

    def shown(self, document_id: str, marker: str) -> set[str]:
        """The texts of the document with this word that a query shows now."""
        request = SearchRequest(SHELF, marker, limit=100, mode="bm25")
        found = search(
            request,
            embedder=wiring.embedder(),
            index=wiring.index(),
            ledger=wiring.ledger(),
        )
        return {
            hit.passage.chunk.text for hit in found.hits if hit.passage.document_id == document_id
        }

    @contextmanager
    def calmly(self) -> Iterator[None]:
        """Nothing goes wrong inside, and no call counts."""
        self.cloud.faults.armed = False
        yield
        self.cloud.deliver()
        self.cloud.faults.armed = True

    def rest(self) -> None:
        """Let everything be delivered, and time pass, until nothing is under way."""
        for _ in range(ROUNDS):
            self.cloud.deliver()
            self.cloud.clock.advance(timedelta(minutes=25))
            self._maintain()
            if not self.under_way():
                return
        raise AssertionError(f"does not come to rest: {self.under_way()}")

    def under_way(self) -> list[str]:
        """What still waits, by name."""
        waiting = [f"{count} in {name}" for name, count in self.cloud.waiting().items()]
        found = (wiring.ledger().get(SHELF.tenant, name) for name in self.holds)
        return waiting + [
            f"{document.document_id} is {document.status}"
            for document in found
            if document is not None and not document.terminal
        ]

    def _maintain(self) -> None:
        def ignored(answer: Any) -> None:
            """The schedule calls again."""

        self.cloud.alone(lambda: self.cloud.invoke("maintenance", _SCHEDULED), ignored)

    def _look(self) -> None:
        with self.cloud.faults.aside():
            self.wrong += [one for one in self.probe() if one not in self.wrong]

    def _note(self, document_id: str, version: Version) -> None:
        self.holds[document_id] = version
        self.uploaded[document_id].append(version)
        self.gone[document_id].discard(version.marker)

    def _ask(self, request: Callable[[], T]) -> T:
        """A call to the API by a client that repeats it until it is answered."""
        for _ in range(TRIES):
            answers: list[Any] = []
            self.cloud.alone(lambda: self._serve(request), answers.append)
            if not answers:  # it stands still while everything else goes on
                self.cloud.deliver()
            if not isinstance(answers[0], Died):
                answer: T = answers[0]
                return answer
        raise AssertionError(f"the API never answered: {answers[0]}")

    def _serve(self, request: Callable[[], T]) -> T | RequestError:
        try:
            with self.cloud.faults.watching():
                return request()
        except RequestError as refusal:  # an answer too
            return refusal
        except (Exception, Killed) as error:
            if isinstance(error, Killed):
                forget()
            raise Died(repr(error)) from error


@contextmanager
def world(
    faults: Faults | None = None,
    disorder: Disorder | None = None,
    indexes: Indexes | None = None,
    at_once: int = 1,
) -> Iterator[World]:
    """``at_once``: the documents of a batch that the embedder has under way."""
    with deployed(faults or Faults(), disorder, indexes, at_once) as cloud:
        yield World(cloud)


def key_of(document_id: str, version: Version) -> str:
    return upload_key(SHELF, document_id, version.filename)
