from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.chunking import Choice, Chunking, Strategy
from ragline.domain.collections import Census, CollectionSettings, WalkKind
from ragline.domain.documents import Partition, Status
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import CollectionWalk, PageRange, Uploaded
from ragline.usecases import collections, walk
from ragline.usecases.splitting import Outcome
from tests.unit.pipeline import HANDBOOK, LIMITS, Clock, Pipeline

TEXT = "# Gate\n\nThe gate opens at nine. " + "A porter guards it and he sleeps. " * 6
BY_SENTENCE = Choice(Strategy.SENTENCE, 32, 4)
SENTENCE = Chunking(Strategy.SENTENCE, 32, 4)
DEFAULT = LIMITS.chunking


@dataclass
class Library(Pipeline):
    """A pipeline whose collection can be configured."""

    def settings(self) -> CollectionSettings:
        return self.ledger.collection(HANDBOOK)

    def configure(self, choice: Choice | None, **options: bool) -> CollectionSettings:
        return collections.configure(
            HANDBOOK, choice, DEFAULT, ledger=self.ledger, queues=self.queues, **options
        )

    def delete_all(self) -> CollectionSettings:
        return collections.delete(HANDBOOK, ledger=self.ledger, queues=self.queues)

    def census(self, chunking: Chunking = SENTENCE) -> Census:
        return collections.census(HANDBOOK, chunking, ledger=self.ledger)


def library(*documents: str) -> Library:
    made = Library()
    for document_id in documents:
        made.drop(f"{TEXT} This is {document_id}.", document_id)
    made.run()
    return made


def only_walks(made: Library) -> list[CollectionWalk]:
    return [one for one in made.queues.pages if isinstance(one, CollectionWalk)]


def restarts(made: Library) -> list[Uploaded]:
    return [one for one in made.queues.pages if isinstance(one, Uploaded)]


def test_a_document_is_cut_as_its_collection_asks_for() -> None:
    plain, chosen = library("doc"), Library()
    chosen.configure(BY_SENTENCE)
    chosen.drop(f"{TEXT} This is doc.")
    chosen.run()
    assert chosen.document().fingerprint.endswith(f"/{SENTENCE}")
    assert plain.document().fingerprint.endswith(f"/{DEFAULT}")
    assert chosen.document().progress.chunks_total < plain.document().progress.chunks_total


def test_another_choice_makes_a_new_generation_of_every_document() -> None:
    made = library("one", "two", "three")
    settings = made.configure(BY_SENTENCE)
    assert (settings.chunking, settings.under_way) == (SENTENCE, WalkKind.RECUT)
    assert made.census().behind == 3
    made.run()
    for document_id in ("one", "two", "three"):
        document = made.document(document_id)
        assert (document.generation, document.live_generation) == (2, 2)
        assert document.status is Status.INDEXED
    walk = made.settings().walk
    assert walk and walk.ended_at and (walk.seen, walk.changed, walk.left) == (3, 3, 0)
    assert made.census().behind == 0
    assert not made.examine().findings


def test_the_old_generation_answers_until_the_new_one_is_live() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    while not restarts(made):
        for message in made.waiting_pages():
            made.split_work(message)
    assert {hit.passage.generation for hit in made.search("porter")} == {1}
    restart = restarts(made)[0]
    made.split_work(restart)
    assert made.document().generation == 2
    assert {hit.passage.generation for hit in made.search("porter")} == {1}
    made.run()
    assert {hit.passage.generation for hit in made.search("porter")} == {2}


def test_the_same_choice_again_changes_nothing() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    made.run()
    before = made.settings()
    assert made.configure(BY_SENTENCE) == before
    assert not made.queues.pages
    assert made.document().generation == 2


def test_the_default_by_another_name_cuts_nothing_anew() -> None:
    made = library("doc")
    made.configure(Choice(max_tokens=LIMITS.chunk_tokens))
    assert not made.queues.pages
    assert made.settings().chunking == DEFAULT


def test_no_choice_is_the_deployments_own_again() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    made.run()
    assert made.configure(None).chunking is None
    made.run()
    assert made.document().fingerprint.endswith(f"/{DEFAULT}")
    assert made.document().generation == 3


def test_asking_again_has_those_cut_anew_that_an_older_version_cut() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    made.run()
    made.configure(BY_SENTENCE, again=True)
    made.run()
    assert made.document().generation == 2
    made.limits = replace(LIMITS, pages_per_range=20)  # another version, as far as one can tell
    made.configure(BY_SENTENCE, again=True)
    made.run()
    assert made.document().generation == 3


def test_a_walk_takes_a_page_for_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)
    made = library("a", "b", "c", "d", "e")
    made.configure(BY_SENTENCE)
    steps = 0
    while walks := only_walks(made):
        made.waiting_pages()
        (message,) = walks
        before = made.settings().walk
        assert walk.walk_on(message, made.splitting) in {Outcome.WALKING, Outcome.WALKED}
        after = made.settings().walk
        assert before and after and after.changed - before.changed <= 2
        steps += 1
    assert steps == 6  # three pages, twice


@pytest.mark.parametrize("twice", range(4))
def test_a_step_that_is_delivered_twice_is_taken_once(
    twice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)
    made = library("a", "b", "c")
    made.configure(BY_SENTENCE)
    for step in range(20):
        for message in made.waiting_pages():
            made.split_work(message)
            if step == twice:
                made.split_work(message)
        made.run()
    found = made.settings().walk
    assert found and found.ended_at and (found.seen, found.changed) == (3, 3)
    assert [made.document(one).generation for one in "abc"] == [2, 2, 2]


def test_a_walk_whose_message_was_lost_goes_on_when_it_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walk, "PAGE", 1)
    made = library("a", "b")
    made.configure(BY_SENTENCE)
    (first,) = made.waiting_pages()
    made.split_work(first)
    made.waiting_pages()  # lost
    made.configure(BY_SENTENCE)
    made.run()
    assert made.settings().under_way is None
    assert made.document("a").generation == 2


def test_a_walk_goes_on_though_its_settings_are_written_anew_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    made.configure(None)
    listed, sent = made.ledger.list, made.waiting_pages()

    def chosen_meanwhile(*about: Any, **how: Any) -> Any:
        monkeypatch.undo()
        made.configure(Choice(DEFAULT.strategy, DEFAULT.max_tokens, DEFAULT.overlap_tokens))
        made.waiting_pages()  # what helps the walk along came too early, and found nothing to do
        return listed(*about, **how)

    monkeypatch.setattr(made.ledger, "list", chosen_meanwhile)
    assert made.split_work(sent[-1]) is Outcome.WALKING
    made.run()
    assert made.settings().under_way is None
    assert made.settings().chunking == DEFAULT


def test_a_document_whose_chunks_failed_is_cut_anew_before_a_retry_brings_the_old_ones() -> None:
    made = Library()
    made.drop(TEXT)
    for part in made.waiting_parts():
        made.letter("chunks", part.model_dump_json())
    assert made.document().status is Status.FAILED
    made.configure(BY_SENTENCE)
    made.run()
    assert made.document().status is Status.INDEXED
    assert made.document().fingerprint.endswith(f"/{SENTENCE}")


def test_a_newer_choice_ends_the_older_walk() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    (older,) = only_walks(made)
    made.configure(Choice(Strategy.FIXED, 24, 0))
    assert made.split_work(older) is Outcome.STALE
    made.run()
    assert "/fixed-24-0-text" in made.document().fingerprint


def test_a_document_without_its_upload_keeps_its_generation_and_says_so() -> None:
    made = library("doc", "lost")
    made.objects.delete([made.document("lost").upload_key])
    made.configure(BY_SENTENCE)
    made.run()
    found = made.settings().walk
    assert found and (found.changed, found.left) == (1, 1)
    assert made.document("lost").live_generation == 1
    (failure,) = made.ledger.failures("default", "lost")
    assert "not in the bucket" in failure.reason.message
    assert made.census().behind == 1


def test_a_document_that_fails_anew_answers_as_it_was() -> None:
    made = library("doc")
    made.objects.put(made.document().upload_key, b"PK\x03\x04 no archive")
    made.configure(BY_SENTENCE)
    made.run()
    document = made.document()
    assert (document.status, document.live_generation) == (Status.FAILED, 1)
    assert document.reason and document.advice
    assert made.search("porter")
    assert made.census().behind == 1


def test_a_document_that_began_under_older_settings_is_found_by_the_second_pass() -> None:
    """It read the settings before they changed, and was in no listing of the first pass."""
    made = Library()
    old = made.splitting  # as read
    made.configure(BY_SENTENCE)
    (step,) = made.waiting_pages()
    made.split_work(step)
    key = f"uploads/{HANDBOOK}/late/late.md"
    made.objects.put(key, TEXT.encode())
    new = NewDocument(HANDBOOK, "late", "late.md", key, size=len(TEXT))
    fingerprint = f"parser/chunker/{old.limits.chunking}"
    assert made.ledger.begin(new, "1", fingerprint)
    made.run()
    assert made.document("late").fingerprint.endswith(f"/{SENTENCE}")
    assert made.document("late").status is Status.INDEXED


def test_ranges_planned_before_the_change_are_cut_as_it_asks_for() -> None:
    made = library("doc")
    started = made.document()
    made.configure(BY_SENTENCE)
    made.waiting_pages()
    made.drop(f"{TEXT} Another version.", sequencer="2")
    stale = replace(made.document(), fingerprint=started.fingerprint, status=Status.SPLITTING)
    made.ledger._records["default", "doc"] = replace(
        made.ledger._records["default", "doc"], document=stale
    )
    message = PageRange(
        tenant="default",
        collection="handbook",
        document_id="doc",
        generation=stale.generation,
        number=0,
        first_page=1,
        last_page=1,
        upload_key=stale.upload_key,
    )
    assert made.split_range(message) is Outcome.RESTARTED


def test_a_deleted_collection_loses_its_documents_and_its_settings() -> None:
    made = library("one", "two")
    made.configure(BY_SENTENCE)
    made.run()
    assert made.delete_all().under_way is WalkKind.DELETE
    made.run()
    assert [made.document(one).status for one in ("one", "two")] == [Status.DELETED] * 2
    assert made.settings().blank
    assert list(made.objects.list("uploads/")) == []
    with pytest.raises(NotFound, match="handbook"):
        collections.show(HANDBOOK, ledger=made.ledger)
    assert collections.names("default", ledger=made.ledger, objects=made.objects) == []


def test_what_comes_after_the_deletion_stays() -> None:
    clock = Clock()
    made = Library(ledger=MemoryLedger(clock), clock=clock)
    made.drop(TEXT, "old")
    made.run()
    made.delete_all()
    made.clock.move(hours=1)
    made.drop(f"{TEXT} New.", "new")
    made.run()
    assert made.document("old").status is Status.DELETED
    assert made.document("new").status is Status.INDEXED


def test_a_collection_that_is_being_deleted_cannot_be_configured() -> None:
    made = library("doc")
    made.delete_all()
    with pytest.raises(Conflict, match="being deleted"):
        made.configure(BY_SENTENCE)
    assert made.delete_all().under_way is WalkKind.DELETE  # asked again, it goes on
    made.run()
    assert made.configure(BY_SENTENCE).chunking == SENTENCE


def test_an_impossible_choice_changes_nothing() -> None:
    made = library("doc")
    with pytest.raises(InvalidRequest, match="max_tokens"):
        made.configure(Choice(max_tokens=3))
    assert made.settings() == CollectionSettings(HANDBOOK)


def test_collections_are_those_with_uploads_or_settings_of_the_tenant_alone() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    for partition in (Partition("default", "empty"), Partition("other", "secret")):
        kept = made.ledger.keep_collection(CollectionSettings(partition, SENTENCE))
        assert kept
    made.objects.put("uploads/default/dropped/a.md", b"text")
    made.objects.put("uploads/default/NO NAME/a.md", b"text")
    names = collections.names("default", ledger=made.ledger, objects=made.objects)
    assert names == ["dropped", "empty", "handbook"]


def test_a_census_counts_by_status_and_says_when_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = library("one", "two")
    made.drop(b"", "broken")
    made.run()
    found = made.census(DEFAULT)
    chunks = sum(made.document(one).progress.chunks_total for one in ("one", "two"))
    assert found == Census(3, {Status.FAILED: 1, Status.INDEXED: 2}, chunks, 0, True)
    monkeypatch.setattr(collections, "_PAGE", 1)
    few = collections.census(HANDBOOK, DEFAULT, ledger=made.ledger, most=2)
    assert (few.documents, few.complete) == (2, False)


def test_a_dead_letter_of_a_walk_is_kept_and_fails_nothing() -> None:
    made = library("doc")
    made.configure(BY_SENTENCE)
    (message,) = only_walks(made)
    assert made.letter("pages", message.model_dump_json()) is None
    assert made.document().status is Status.INDEXED
    assert list(made.objects.list("dead-letters/pages/"))
