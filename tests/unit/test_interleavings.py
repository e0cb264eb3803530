"""Whatever is delivered twice, late, out of order or half way: at rest, the ledger is true.

A random life of a few documents: uploads, replacements and deletions, by the API and by the bucket;
the bucket's events and the queues' messages in any order and any number of times; workers that die
before or after any call; letters that die; retries; a reconciler now and then. At rest the doctor
must find nothing, and what is in the bucket must be what is found, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.chunking import Choice, Strategy
from ragline.domain.chunks import Filter
from ragline.domain.collections import WalkKind
from ragline.domain.documents import Status, dropped_id
from ragline.domain.errors import Conflict, NotFound, TransientError
from ragline.domain.keys import upload_key
from ragline.domain.messages import (
    CollectionWalk,
    Delete,
    IndexOp,
    PageRange,
    PageWork,
    PartReady,
    Uploaded,
    Upsert,
    new_nonce,
)
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases import collections, dead_letters, documents, upload
from ragline.usecases.delivery import ByQueue
from ragline.usecases.migrate import Means, migrate, plan
from ragline.usecases.reconcile import reconcile
from ragline.usecases.remove import remove_upload
from ragline.usecases.retry import retry
from tests.unit.pipeline import HANDBOOK, Pipeline
from tests.unit.pipeline import LIMITS as PIPELINE_LIMITS

TENANT = HANDBOOK.tenant
LIMITS = upload.Limits(file_bytes=1_000_000, upload_expires=3_600)
REGISTERED = [f"doc-{n}" for n in range(3)]
KEYS = {one: upload_key(HANDBOOK, one, "a.md") for one in REGISTERED}
KEYS |= {dropped_id(key): key for key in (f"uploads/{HANDBOOK}/drop-{n}.md" for n in range(2))}


IN_RANGES = replace(PIPELINE_LIMITS, bytes_per_range=300)
"""Of what lives here, the longest documents are split in five ranges, the shortest whole."""


class Killed(BaseException):
    """The worker died: nobody catches this, and no answer is given."""


@dataclass
class Clock:
    moment: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


NEW = HashEmbedder(128)
"""The model that is migrated to."""


class Mortal:
    """A port whose user dies at a given call, counted over all ports; before or after it."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port, self._fate = port, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._fate.wrapped(found) if callable(found) else found


class MortalIndexes(Mortal):
    """The same of each index that they hand out; handing it out is no call."""

    def of(self, fingerprint: str) -> Any:
        return Mortal(self._port.of(fingerprint), self._fate)


@dataclass
class Fate:
    calls_left: int
    after: bool

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*args: Any, **kwargs: Any) -> Any:
            self.calls_left -= 1
            if self.calls_left == 0 and not self.after:
                raise Killed
            done = call(*args, **kwargs)
            if self.calls_left == 0:
                raise Killed
            return done

        return mortal


CHOICES = (None, Choice(Strategy.SENTENCE, 32, 0), Choice(Strategy.PARENT_CHILD, 24, 0))
"""How the collection is cut; each way ends passages where paragraphs end."""


@dataclass(frozen=True)
class Event:
    """What the bucket tells the splitter."""

    key: str
    sequencer: str
    removed: bool = False


Delivery = Event | PageWork | PartReady | IndexOp


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.pipeline = Pipeline(ledger=MemoryLedger(self.clock), limits=IN_RANGES)
        self.events: list[Event] = []
        self.sequence = 0
        self.choice: Choice | None = None
        self._watch_deletes()

    # What users do ------------------------------------------------------------------------------

    @rule(one=st.sampled_from(REGISTERED), size=st.integers(1, 40))
    def register_and_put(self, one: str, size: int) -> None:
        self._register(one)
        self._put(one, size)

    @rule(one=st.sampled_from(REGISTERED))
    def register(self, one: str) -> None:
        self._register(one)

    @rule(one=st.sampled_from(sorted(KEYS)), size=st.integers(1, 40))
    def put(self, one: str, size: int) -> None:
        """Replaces, or drops; by a URL that may have outlived its document."""
        if one not in REGISTERED or self.pipeline.ledger.get(TENANT, one):
            self._put(one, size)

    @rule(one=st.sampled_from(sorted(KEYS)))
    def delete(self, one: str) -> None:
        ports = self._ports(None)
        try:
            documents.delete(TENANT, one, **ports)
        except NotFound:
            assert self.pipeline.ledger.get(TENANT, one) is None

    @rule(one=st.sampled_from(sorted(KEYS)))
    def remove_from_the_bucket(self, one: str) -> None:
        self.pipeline.objects.delete([KEYS[one]])

    @rule(one=st.sampled_from(sorted(KEYS)), force=st.booleans())
    def retry(self, one: str, force: bool) -> None:
        with suppress(Conflict, NotFound):
            retry(TENANT, one, force=force, **self._ports(None))

    @rule()
    def migrate(self) -> None:
        """To another model: what is live now, by messages that come among all others."""
        ports, target = self._ports(None), self.pipeline.indexes.of(NEW.fingerprint)
        means = Means(
            ports["ledger"], ports["objects"], NEW.fingerprint, NEW, ByQueue(**ports), new_nonce()
        )
        for _ in migrate(plan(ledger=self.pipeline.ledger, target=target).tasks, means):
            pass

    @rule(choice=st.sampled_from(CHOICES))
    def configure(self, choice: Choice | None) -> None:
        ports, default = self._ports(None), IN_RANGES.chunking
        with suppress(Conflict):
            collections.configure(
                HANDBOOK, choice, default, ledger=ports["ledger"], queues=ports["queues"]
            )
            self.choice = choice

    @rule()
    def delete_all(self) -> None:
        with suppress(NotFound):
            collections.delete(HANDBOOK, ledger=self.pipeline.ledger, queues=self.pipeline.queues)
            self.choice = None

    # What the cloud does ------------------------------------------------------------------------

    @rule(which=st.integers(0, 10_000), again=st.booleans())
    def deliver(self, which: int, again: bool) -> None:
        self._deliver(which, again, None)

    @rule(which=st.integers(0, 10_000), calls=st.integers(1, 30), after=st.booleans())
    def die_while_working(self, which: int, calls: int, after: bool) -> None:
        self._deliver(which, False, Fate(calls, after))

    @rule(which=st.integers(0, 10_000), again=st.booleans())
    def give_up(self, which: int, again: bool) -> None:
        """A message becomes a dead letter."""
        waiting = [one for one in self._waiting() if not isinstance(one, Event)]
        if not waiting:
            return
        message = waiting[which % len(waiting)]
        if not again:
            self._take(message)
        source = {PartReady: "chunks", Upsert: "index_ops", Delete: "index_ops"}
        ports = self._ports(None)
        try:
            dead_letters.record(
                source.get(type(message), "pages"), f"m{which}", message.model_dump_json(), **ports
            )
        except TransientError:
            self._put_back(message)

    @rule(minutes=st.integers(0, 200))
    def reconcile(self, minutes: int) -> None:
        self.clock.moment += timedelta(minutes=minutes)
        reconcile(now=self.clock.moment, **self._ports(None))

    # At rest ------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "pipeline"):
            return
        self._rest()
        for one in KEYS:
            self.retry(one, force=True)
        self._rest()
        self._finish_walks()
        report = self.pipeline.examine(self.clock.moment)
        assert report.healthy, [*report.findings]
        for one, key in KEYS.items():
            self._check(one, key)
        self.migrate()
        self._rest()
        self.pipeline.embedder = NEW  # the switch: everything is found as before
        report = self.pipeline.examine(self.clock.moment)
        assert report.healthy, [*report.findings]
        for one, key in KEYS.items():
            self._check(one, key)

    def _finish_walks(self) -> None:
        """One whose message is a dead letter stands still until it is asked for again."""
        if self.pipeline.ledger.collection(HANDBOOK).under_way is WalkKind.DELETE:
            self.delete_all()
            self._rest()
        self.configure(self.choice)
        self._rest()
        settings = self.pipeline.ledger.collection(HANDBOOK)
        assert settings.under_way is None
        wanted = f"/{settings.chunking or IN_RANGES.chunking}"
        for document in self.pipeline.ledger.list(HANDBOOK).documents:
            if document.status is Status.INDEXED:
                assert document.fingerprint.endswith(wanted), document

    def _check(self, one: str, key: str) -> None:
        document = self.pipeline.ledger.get(TENANT, one)
        there = self.pipeline.objects.get(key)
        found = {
            hit.passage.chunk.text.split()[-1]
            for hit in self.pipeline.search("word", limit=100, where=Filter(document_ids=[one]))
        }
        if document is None or there is None:
            assert document is None or document.status in {Status.DELETED, Status.FAILED}
            if document is not None and document.status is Status.FAILED:
                assert document.reason is not None
            assert not found
            return
        assert document.status is Status.INDEXED, document
        assert found == {there.decode().split()[-1]}

    def _rest(self) -> None:
        for _ in range(30):
            while self._waiting():
                self._deliver(0, False, None)
            self.clock.moment += timedelta(hours=3)
            looked = reconcile(now=self.clock.moment, **self._ports(None))
            if not looked and not self._waiting():
                return
        raise AssertionError("it never came to rest")

    # How ----------------------------------------------------------------------------------------

    def _register(self, one: str) -> None:
        request = upload.UploadRequest(HANDBOOK, "a.md", 100, document_id=one)
        upload.register(
            request, ledger=self.pipeline.ledger, objects=self.pipeline.objects, limits=LIMITS
        )

    def _put(self, one: str, size: int) -> None:
        """Every paragraph ends with a word of this version alone."""
        self.sequence += 1
        mark = f"v{self.sequence}"
        text = "\n\n".join(f"A word on page {n} of it, {mark}" for n in range(size))
        self.pipeline.objects.put(KEYS[one], text.encode())
        self.events.append(Event(KEYS[one], f"{self.sequence:016X}"))

    def _watch_deletes(self) -> None:
        """The bucket tells of what is removed, whoever removes it."""
        delete = self.pipeline.objects.delete

        def watched(keys: Any) -> None:
            keys = list(keys)
            for key in keys:
                if key.startswith("uploads/") and self.pipeline.objects.size(key) is not None:
                    self.sequence += 1
                    self.events.append(Event(key, f"{self.sequence:016X}", removed=True))
            delete(keys)

        self.pipeline.objects.delete = watched  # type: ignore[method-assign]

    def _ports(self, fate: Fate | None) -> dict[str, Any]:
        ports: dict[str, Any] = {
            "ledger": self.pipeline.ledger,
            "objects": self.pipeline.objects,
            "queues": self.pipeline.queues,
        }
        return {name: Mortal(port, fate) for name, port in ports.items()} if fate else ports

    def _waiting(self) -> list[Delivery]:
        queues = self.pipeline.queues
        return [*self.events, *queues.pages, *queues.parts, *queues.ops]

    def _lists(self) -> list[list[Any]]:
        queues = self.pipeline.queues
        return [self.events, queues.pages, queues.parts, queues.ops]

    def _take(self, message: Delivery) -> None:
        for waiting in self._lists():
            for position, one in enumerate(waiting):
                if one is message:
                    del waiting[position]
                    return

    def _put_back(self, message: Delivery) -> None:
        kinds = {Event: 0, PartReady: 2, Upsert: 3, Delete: 3}
        self._lists()[kinds.get(type(message), 1)].append(message)

    def _deliver(self, which: int, again: bool, fate: Fate | None) -> None:
        waiting = self._waiting()
        if not waiting:
            return
        message = waiting[which % len(waiting)]
        self._take(message)
        if again:
            self._put_back(message)
        try:
            done = self._work(message, fate)
        except (Killed, TransientError):
            done = False
        if not done:
            self._put_back(message)

    def _work(self, message: Delivery, fate: Fate | None) -> bool:
        real = self.pipeline
        ports = self._ports(fate)
        mortal = Pipeline(
            ledger=ports["ledger"],
            objects=ports["objects"],
            queues=ports["queues"],
            indexes=MortalIndexes(real.indexes, fate) if fate else real.indexes,  # type: ignore[arg-type]
            limits=IN_RANGES,
        )
        match message:
            case Event(key, sequencer, removed=True):
                remove_upload(key, sequencer, **ports)
            case Event(key, sequencer):
                mortal.split(key, sequencer)
            case PartReady():
                return not mortal.embed([message])
            case PageRange() | Uploaded() | CollectionWalk():
                mortal.split_work(message)
            case _:
                return bool(mortal.apply([message]))
        return True


Life.TestCase.settings = settings(
    max_examples=int(os.environ.get("RAGLINE_LIVES", "150")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLife = Life.TestCase
