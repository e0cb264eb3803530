"""Files in archives and mails become documents of their own, once each, within bounds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
import pyzipper

from ragline.domain.children import MAX_DEPTH, child_id
from ragline.domain.documents import Status
from ragline.domain.errors import CorruptDocument, OutOfTime, ServiceUnavailable
from ragline.domain.messages import Uploaded
from ragline.domain.tenants import Caps
from ragline.ports import Member
from ragline.usecases.splitting import Outcome
from tests.samples import pdf, zipped
from tests.unit.bucket import Bucket
from tests.unit.pipeline import LIMITS

FILES = 300
PAPERS = {
    "minutes.txt": "The gate opens at nine.",
    "2026/größe.txt": "The brake of the crane is worn.",
    "2026/notes.md": "# Lamps\n\nThe lamp over the door is out.",
}


def archive(**members: str | bytes) -> bytes:
    """Members by name, ``__`` for a dot."""
    named: dict[str, str | bytes] = {
        name.replace("__", "."): data for name, data in members.items()
    }
    return zipped(named)


def locked(members: dict[str, bytes], password: bytes) -> bytes:
    target = io.BytesIO()
    with pyzipper.AESZipFile(target, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password)
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def mail(**attachments: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Papers", "a@example.org", "b@example.org"
    message.set_content("Enclosed is what you asked for, about the harbour.")
    for name, data in attachments.items():
        message.add_attachment(
            data,
            maintype="application",
            subtype="octet-stream",
            filename=name.replace("__", "."),
        )
    return message.as_bytes()


def test_each_file_of_an_archive_is_a_document_and_the_archive_is_its_list_of_contents() -> None:
    bucket = Bucket()
    bucket.take_in(zipped(PAPERS))
    parent = bucket.pipeline.document()
    assert (parent.status, parent.children) == (Status.INDEXED, 3)
    assert parent.progress.chunks_total > 0
    assert bucket.children().keys() == PAPERS.keys()
    for path, child in bucket.children().items():
        assert child.status is Status.INDEXED
        assert child.document_id == child_id("doc", path)
        assert (child.parent, child.filename) == ("doc", path.rpartition("/")[2])
        assert child.metadata == parent.metadata
        assert child.trace_id == parent.trace_id
        assert child.partition == parent.partition
    assert child_id("doc", "minutes.txt") in bucket.answers("gate opens")
    assert "doc" in bucket.answers("minutes.txt")
    assert bucket.pipeline.examine().healthy


def test_attachments_of_a_mail_are_documents_and_its_body_is_its_own() -> None:
    bucket = Bucket()
    bucket.take_in(mail(minutes__txt=b"The gate opens at nine."), filename="post.eml")
    assert bucket.pipeline.document().status is Status.INDEXED
    assert list(bucket.children()) == ["minutes.txt"]
    assert "doc" in bucket.answers("harbour")
    assert child_id("doc", "minutes.txt") in bucket.answers("gate")


def test_an_archive_in_a_mail_is_opened_too() -> None:
    bucket = Bucket()
    bucket.take_in(mail(papers__zip=zipped(PAPERS)), filename="post.eml")
    inner = child_id("doc", "papers.zip")
    assert bucket.children(inner).keys() == PAPERS.keys()
    assert all(one.status is Status.INDEXED for one in bucket.children(inner).values())


def test_what_is_no_document_is_named_on_the_archive_and_the_rest_goes_on() -> None:
    bucket = Bucket()
    program = b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20
    bucket.take_in(archive(setup__exe=program, minutes__txt="The gate opens at nine."))
    assert bucket.pipeline.document().status is Status.INDEXED
    assert list(bucket.children()) == ["minutes.txt"]
    assert bucket.skipped() == {"setup.exe": "unsupported_type"}


def test_a_damaged_file_is_a_document_that_says_so() -> None:
    bucket = Bucket()
    bucket.take_in(archive(bad__pdf=b"%PDF-1.7 and nothing more", minutes__txt="Nine."))
    assert bucket.children()["bad.pdf"].status is Status.FAILED
    assert bucket.pipeline.document().status is Status.INDEXED


def test_a_file_that_the_collection_holds_already_is_named_as_its_duplicate() -> None:
    bucket = Bucket()
    bucket.take_in(b"The gate opens at nine.", "known", "minutes.txt")
    bucket.take_in(zipped(PAPERS))
    assert bucket.skipped() == {"minutes.txt": "duplicate"}
    assert len(bucket.children()) == 2
    assert bucket.pipeline.document().status is Status.INDEXED


def test_two_files_of_an_archive_with_the_same_bytes_are_one_document() -> None:
    bucket = Bucket()
    bucket.take_in(archive(a__txt="The gate.", b__txt="The gate."))
    assert list(bucket.children()) == ["a.txt"]
    assert bucket.skipped() == {"b.txt": "duplicate"}


def test_paths_that_point_elsewhere_stay_within_the_archive() -> None:
    bucket = Bucket()
    bucket.take_in(
        zipped(
            {
                "../../etc/passwd": "one gate",
                "/root/abs.txt": "two gates",
                "C:\\windows\\three.txt": "three gates",
                "日本/議事録.txt": "four gates",
            }
        )
    )
    assert len(bucket.children()) == 4
    for path, child in bucket.children().items():
        assert ".." not in path
        assert not path.startswith("/")
        assert child.status is Status.INDEXED
        assert child.upload_key.startswith(f"uploads/default/handbook/{child.document_id}/")


def test_an_archive_without_a_file_is_empty() -> None:
    bucket = Bucket()
    bucket.take_in(zipped({}))
    assert bucket.pipeline.document().status is Status.EMPTY


# Bounds


def nested(depth: int) -> bytes:
    data = zipped({"innermost.txt": "The gate opens at nine."})
    for level in range(depth):
        inside: dict[str, str | bytes] = {f"level{level}.zip": data}
        data = zipped(inside | {f"note{level}.txt": f"note number {level}"})
    return data


def documents(bucket: Bucket) -> list[str]:
    found = bucket.pipeline.ledger.list(bucket.pipeline.document().partition, limit=500)
    assert all(one.terminal for one in found.documents)
    return [one.filename for one in found.documents]


def test_archives_are_opened_in_one_another_down_to_a_limit() -> None:
    bucket = Bucket()
    bucket.take_in(nested(6))
    names = documents(bucket)
    assert len(names) == 2 * MAX_DEPTH + 1
    assert "innermost.txt" not in names
    deepest = next(
        one
        for one in bucket.pipeline.ledger.list(bucket.pipeline.document().partition).documents
        if one.origin and one.origin.depth == MAX_DEPTH and one.filename.endswith(".zip")
    )
    assert deepest.status is Status.INDEXED  # its list of contents
    (told,) = bucket.pipeline.ledger.failures("default", deepest.document_id)
    assert told.reason.code == "limit_exceeded"
    assert "3 documents within one another" in told.reason.message


def test_an_archive_of_archives_of_archives_ends_within_its_share() -> None:
    data = b"".join(bytes([n % 251]) for n in range(5_000))
    for level in range(4):
        inside: dict[str, str | bytes] = {f"{level}-{n}.zip": data + bytes([n]) for n in range(8)}
        data = zipped(inside)
    bucket = Bucket()
    bucket.take_in(data)
    assert len(documents(bucket)) <= 1 + 8 + 64 + 512
    assert bucket.pipeline.examine().healthy


def test_an_archive_that_holds_itself_is_no_endless_story(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    outer = zipped({"r.zip": "to be replaced by the archive's own bytes"})

    reader = type(bucket.pipeline.splitting.reader)
    members = reader.members

    def of_itself(self: Any, wanted: Any) -> Any:  # as the quine r.zip has it
        for one in members(self, wanted):
            yield replace(one, size=len(outer), read=lambda: outer)

    monkeypatch.setattr(reader, "members", of_itself)
    bucket.take_in(outer, filename="r.zip")
    assert documents(bucket) == ["r.zip"]
    assert bucket.skipped() == {"r.zip": "duplicate"}


def test_an_archive_of_too_many_files_fails_and_names_the_limit() -> None:
    bucket = Bucket()
    bucket.take_in(zipped({f"{n}.txt": f"number {n}" for n in range(1_001)}))
    parent = bucket.pipeline.document()
    assert parent.status is Status.FAILED
    assert parent.reason is not None
    assert "1,000" in parent.reason.message
    assert not bucket.children()


def test_hundreds_of_files_are_as_many_documents_and_go_together() -> None:
    bucket = Bucket()
    bucket.take_in(zipped({f"{n}.txt": f"number {n}" for n in range(FILES)}))
    assert len(bucket.children()) == FILES
    assert all(one.status is Status.INDEXED for one in bucket.children().values())
    bucket.pipeline.delete()
    assert not bucket.answers("number")
    assert not bucket.children()
    bucket.settle()
    assert bucket.pipeline.examine().healthy
    assert not list(bucket.objects.list(""))


def test_a_cap_of_the_tenant_leaves_the_rest_in_the_archive_and_a_retry_fetches_it() -> None:
    bucket = Bucket()
    bucket.pipeline.ledger.cap("default", Caps(documents=3))
    bucket.take_in(zipped(PAPERS))
    assert bucket.pipeline.document().status is Status.INDEXED
    assert list(bucket.skipped().values()) == ["quota_exceeded"]
    assert len(bucket.children()) == 2
    bucket.pipeline.ledger.cap("default", Caps())
    bucket.pipeline.retry()
    bucket.settle()
    assert bucket.skipped() == {}
    assert len(bucket.children()) == 3
    assert {one.generation for one in bucket.children().values()} == {1}


def test_a_retry_of_a_locked_archive_for_what_was_left_in_it_takes_its_password_along() -> None:
    bucket = Bucket()
    pipeline = bucket.pipeline
    pipeline.ledger.cap("default", Caps(documents=2))
    pipeline.passwords.put("default", "doc", "user")
    bucket.take_in(locked({name: text.encode() for name, text in PAPERS.items()}, b"user"))
    assert list(bucket.skipped().values()) == ["quota_exceeded"] * 2
    pipeline.ledger.cap("default", Caps())
    pipeline.retry(password="user", passwords=pipeline.passwords)
    bucket.settle()
    assert pipeline.document().status is Status.INDEXED
    assert bucket.skipped() == {}
    assert not pipeline.passwords.kept()


# Redelivery, crashes, races


def test_a_redelivery_takes_nothing_out_twice() -> None:
    bucket = Bucket()
    key = bucket.push(zipped(PAPERS))
    _, order, _ = bucket.next_event()
    bucket.pipeline.split(key, order)
    events = list(bucket.objects.events)
    bucket.pipeline.split(key, order)
    assert bucket.objects.events == events
    bucket.settle()
    bucket.pipeline.split(key, order)
    bucket.settle()
    assert {one.generation for one in bucket.children().values()} == {1}


class Dying:
    """Lets so many writes through, and then none."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def on(self, owner: Any, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        for name in names:
            monkeypatch.setattr(owner, name, self._after(getattr(owner, name)))

    def _after(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any, **named: Any) -> Any:
            if self.left == 0:
                raise ServiceUnavailable("the worker died.")
            self.left -= 1
            return write(*args, **named)

        return checked


LEDGER_WRITES = ["create", "count_children", "record_child", "claim_content", "record_whole"]


@pytest.mark.parametrize("writes", range(40))
def test_a_crash_between_any_two_writes_is_mended_by_the_redelivery(
    writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket()
    key = bucket.push(archive(a__txt="The gate opens.", b__txt="The brake is worn."))
    _, order, _ = bucket.next_event()
    with monkeypatch.context() as patched:
        dying = Dying(writes)
        dying.on(bucket.pipeline.ledger, LEDGER_WRITES, patched)
        dying.on(bucket.objects, ["put"], patched)
        dying.on(bucket.pipeline.queues, ["send_parts"], patched)
        try:
            bucket.pipeline.split(key, order)
            survived = dying.left > 0
        except ServiceUnavailable:
            survived = False
    assert survived == (writes > 16)
    bucket.pipeline.split(key, order)
    bucket.settle()
    assert {path: one.status for path, one in bucket.children().items()} == {
        "a.txt": Status.INDEXED,
        "b.txt": Status.INDEXED,
    }
    assert bucket.pipeline.document().status is Status.INDEXED
    assert bucket.pipeline.examine().healthy


def test_what_does_not_fit_into_one_invocation_goes_on_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    key = bucket.push(zipped({f"{n}.txt": f"number {n}" for n in range(5)}))
    _, order, _ = bucket.next_event()
    bucket.pipeline.limits = replace(LIMITS, seconds=100)
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))
    outcome = bucket.pipeline.split(key, order)
    monkeypatch.undo()
    assert outcome is Outcome.PUT_BACK
    assert 0 < len(bucket.objects.events) < 5
    (rest,) = bucket.pipeline.queues.pages
    assert isinstance(rest, Uploaded)
    assert rest.nonce
    assert bucket.pipeline.document().status is Status.SPLITTING
    bucket.settle()
    assert len(bucket.children()) == 5
    assert {one.generation for one in bucket.children().values()} == {1}


def test_an_invocation_without_time_for_a_single_file_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    bucket.pipeline.limits = replace(LIMITS, seconds=100)
    key = bucket.push(zipped(PAPERS))
    _, order, _ = bucket.next_event()
    ticks = iter(range(0, 100_000, 70))
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))
    with pytest.raises(OutOfTime):
        bucket.pipeline.split(key, order)


def test_an_archive_that_is_deleted_while_it_is_opened_leaves_nothing() -> None:
    bucket = Bucket()
    key = bucket.push(zipped(PAPERS))
    _, order, _ = bucket.next_event()
    create = bucket.pipeline.ledger.create

    def deleted_first(new: Any, *more: Any) -> Any:
        if new.origin and new.origin.path == "2026/notes.md":
            bucket.pipeline.delete()
        return create(new, *more)

    bucket.pipeline.ledger.create = deleted_first  # type: ignore[method-assign,assignment]
    assert bucket.pipeline.split(key, order) is Outcome.STALE
    bucket.settle()
    assert not bucket.children()
    assert not bucket.answers("gate lamp brake")
    assert not list(bucket.objects.list("uploads/"))
    assert bucket.pipeline.examine().healthy


def test_an_archive_deleted_as_its_worker_dies_is_cleared_by_the_redelivery() -> None:
    bucket = Bucket()
    key = bucket.push(zipped(PAPERS))
    _, order, _ = bucket.next_event()
    get = bucket.pipeline.ledger.get
    create = bucket.pipeline.ledger.create
    dying: list[bool] = []

    def deleted_first(new: Any, *more: Any) -> Any:
        bucket.pipeline.delete()
        dying.append(True)
        return create(new, *more)

    def dead(tenant: str, document_id: str) -> Any:
        if dying:
            raise ServiceUnavailable("the worker died.")
        return get(tenant, document_id)

    bucket.pipeline.ledger.create = deleted_first  # type: ignore[method-assign,assignment]
    bucket.pipeline.ledger.get = dead  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable):
        bucket.pipeline.split(key, order)
    bucket.pipeline.ledger.create = create  # type: ignore[method-assign]
    bucket.pipeline.ledger.get = get  # type: ignore[method-assign]
    bucket.objects.put(key, zipped(PAPERS))  # still there as the event comes again
    bucket.objects.events.clear()
    assert bucket.pipeline.split(key, order) is Outcome.STALE
    bucket.settle()
    assert not bucket.children()
    assert bucket.pipeline.examine().healthy


# New versions


def test_a_new_version_deletes_what_went_replaces_what_changed_and_leaves_the_rest() -> None:
    bucket = Bucket()
    bucket.take_in(archive(stays__txt="The lamp.", changes__txt="The gate.", goes__txt="A brake."))
    bucket.take_in(archive(stays__txt="The lamp.", changes__txt="The door.", comes__txt="A crane."))
    assert {path: one.generation for path, one in bucket.children().items()} == {
        "stays.txt": 1,
        "changes.txt": 2,
        "comes.txt": 1,
    }
    assert not bucket.answers("brake") & {child_id("doc", "goes.txt")}
    assert child_id("doc", "changes.txt") in bucket.answers("door")
    assert bucket.pipeline.examine().healthy


def test_files_that_swap_or_move_between_versions_keep_their_bytes() -> None:
    bucket = Bucket()
    bucket.take_in(archive(a__txt="The gate.", b__txt="The lamp.", c__txt="The brake."))
    bucket.take_in(archive(a__txt="The lamp.", b__txt="The gate.", d__txt="The brake."))
    assert set(bucket.children()) == {"a.txt", "b.txt", "d.txt"}
    found = {path: bucket.objects.get(one.upload_key) for path, one in bucket.children().items()}
    assert found == {"a.txt": b"The lamp.", "b.txt": b"The gate.", "d.txt": b"The brake."}
    assert all(one.status is Status.INDEXED for one in bucket.children().values())
    assert bucket.pipeline.examine().healthy


@pytest.mark.parametrize("order", [("report.txt", "before.txt"), ("before.txt", "report.txt")])
def test_a_file_that_gives_its_name_to_another_is_still_there(order: tuple[str, ...]) -> None:
    bucket = Bucket()
    bucket.take_in(zipped({"report.txt": "The gate opens at nine."}))
    now = {"report.txt": "The lamp is out.", "before.txt": "The gate opens at nine."}
    bucket.take_in(zipped({name: now[name] for name in order}))
    assert bucket.skipped() == {}
    assert {one.status for one in bucket.children().values()} == {Status.INDEXED}
    assert child_id("doc", "before.txt") in bucket.answers("gate opens")
    assert bucket.pipeline.examine().healthy


def test_a_mail_replaced_by_one_without_attachments_has_no_children() -> None:
    bucket = Bucket()
    bucket.take_in(mail(minutes__txt=b"The gate."), filename="post.eml")
    bucket.take_in(mail(), filename="post.eml")
    assert bucket.pipeline.document().children == 0
    assert not bucket.children()
    assert bucket.pipeline.examine().healthy


def test_a_broken_new_version_leaves_the_children_of_the_one_that_answers() -> None:
    bucket = Bucket()
    bucket.take_in(zipped(PAPERS))
    bucket.take_in(zipped(PAPERS)[:200])
    assert bucket.pipeline.document().status is Status.FAILED
    assert len(bucket.children()) == 3
    assert bucket.answers("brake crane")


def test_a_child_that_was_deleted_alone_comes_back_with_the_next_upload() -> None:
    bucket = Bucket()
    bucket.take_in(zipped(PAPERS))
    name = child_id("doc", "minutes.txt")
    bucket.pipeline.delete(name)
    bucket.settle()
    assert len(bucket.children()) == 2
    bucket.take_in(zipped(PAPERS))
    assert bucket.children()["minutes.txt"].status is Status.INDEXED


# Deleting


def test_deleting_an_archive_deletes_all_in_it_at_once_however_deep() -> None:
    bucket = Bucket()
    bucket.take_in(mail(papers__zip=zipped(PAPERS)), filename="post.eml")
    assert bucket.answers("gate")
    bucket.pipeline.delete()
    assert not bucket.answers("gate brake lamp harbour minutes")  # before anything is cleared away
    bucket.settle()
    assert bucket.pipeline.index.count(bucket.pipeline.document().partition) == 0
    assert not list(bucket.objects.list(""))
    assert bucket.pipeline.examine().healthy
    assert not bucket.pipeline.ledger.children("default", "doc")


def test_removing_an_archive_from_the_bucket_deletes_all_in_it() -> None:
    bucket = Bucket()
    key = bucket.push(zipped(PAPERS))
    bucket.settle()
    bucket.objects.delete([key])
    key, order, removed = bucket.next_event()
    assert removed
    bucket.pipeline.removed(key, order)
    assert not bucket.answers("gate brake lamp")
    bucket.settle()
    assert bucket.pipeline.examine().healthy
    assert not list(bucket.objects.list("uploads/"))


@pytest.mark.parametrize("repaired_by", ["the same call", "the reconciler"])
@pytest.mark.parametrize("writes", range(5))
def test_a_deletion_that_broke_off_is_finished(
    writes: int, repaired_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket()
    timed = type(bucket.pipeline).timed(objects=bucket.objects)
    bucket.pipeline = timed
    bucket.take_in(mail(papers__zip=zipped(PAPERS)), filename="post.eml")
    with monkeypatch.context() as patched:
        dying = Dying(writes)
        dying.on(bucket.pipeline.ledger, ["delete", "delete_many"], patched)
        dying.on(bucket.objects, ["delete"], patched)
        dying.on(bucket.pipeline.queues, ["send_ops"], patched)
        with pytest.raises(ServiceUnavailable):
            bucket.pipeline.delete()
    if repaired_by == "the same call" or not writes:
        bucket.pipeline.delete()
    else:
        bucket.pipeline.clock.move(hours=1)
        bucket.pipeline.reconcile()
    assert not bucket.answers("gate brake lamp harbour")
    bucket.settle()
    assert not bucket.children()
    assert not list(bucket.objects.list(""))
    assert bucket.pipeline.examine().healthy


def test_a_document_that_only_claims_the_place_of_a_child_is_left_alone() -> None:
    bucket = Bucket()
    name = child_id("doc", "minutes.txt")
    bucket.take_in(b"My own text about a harbour.", name, "minutes.txt")
    bucket.take_in(zipped(PAPERS))
    assert bucket.skipped() == {"minutes.txt": "conflict"}
    bucket.pipeline.delete()
    bucket.settle()
    assert bucket.pipeline.document(name).status is Status.INDEXED
    assert bucket.answers("harbour") == {name}


def test_a_child_without_its_parent_is_found_and_deleted_by_the_doctor() -> None:
    bucket = Bucket()
    bucket.take_in(zipped(PAPERS))
    bucket.pipeline.ledger.delete("default", "doc")  # as a restored backup may have it
    bucket.objects.delete([bucket.pipeline.document().upload_key])
    bucket.objects.events.clear()
    kinds = {finding.kind.value for finding in bucket.pipeline.examine().findings}
    assert "orphan_child" in kinds
    bucket.pipeline.repair()
    bucket.settle()
    bucket.pipeline.repair()
    bucket.settle()
    assert not bucket.children()
    assert bucket.pipeline.examine().healthy


def test_an_encrypted_archive_fails_as_such() -> None:
    bucket = Bucket()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as plain:
        plain.writestr("a.txt", "The gate.")
    data = bytearray(target.getvalue())
    data[6] |= 1  # the flag of the local header, and of the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    bucket.take_in(bytes(data))
    parent = bucket.pipeline.document()
    assert parent.reason is not None
    assert (parent.status, parent.reason.code) == (Status.FAILED, "encrypted")


def test_a_pdf_in_an_archive_keeps_its_pages() -> None:
    bucket = Bucket()
    bucket.take_in(archive(handbook__pdf=pdf()))
    child = bucket.children()["handbook.pdf"]
    assert child.status is Status.INDEXED
    assert child.progress.pages_done > 0


def test_a_file_that_kills_its_reader_does_not_take_the_others_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    reader = type(bucket.pipeline.splitting.reader)
    members = reader.members

    def deadly() -> bytes:
        raise CorruptDocument("reading it crashed.")

    def until_it_dies(self: Any, wanted: Any) -> Any:
        """As a child process does that dies of one file: the rest is not told any more."""
        for one in members(self, wanted):
            if one.path != "b.txt":
                yield one
                continue
            tried: list[bool] = []

            def read() -> bytes:
                tried.append(True)  # noqa: B023 - read before the next one comes
                return deadly()

            yield replace(one, read=read)
            if tried:
                raise CorruptDocument("the child is gone.")

    monkeypatch.setattr(reader, "members", until_it_dies)
    bucket.take_in(archive(a__txt="The gate.", b__txt="The lamp.", c__txt="The brake."))
    assert set(bucket.children()) == {"a.txt", "c.txt"}
    assert bucket.skipped() == {"b.txt": "corrupt"}
    assert bucket.pipeline.document().status is Status.INDEXED


def test_a_reader_that_breaks_off_before_the_first_file_fails_the_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    listed: list[bool] = []
    reader = type(bucket.pipeline.splitting.reader)
    members = reader.members

    def broken(self: Any, wanted: Any) -> Any:
        if listed:
            raise CorruptDocument("the child is gone.")
        yield from members(self, wanted)
        listed.append(True)

    monkeypatch.setattr(reader, "members", broken)
    bucket.take_in(zipped(PAPERS))
    assert bucket.pipeline.document().status is Status.FAILED


def test_paths_as_a_hostile_reader_may_tell_them_are_made_fit_to_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    reader = type(bucket.pipeline.splitting.reader)
    told = ["a/" * 2_000 + "deep.txt", "half\ud800pair.txt", "line\nbreak.txt", "../up.txt", ""]

    def members(self: Any, wanted: Any) -> Any:
        for number, path in enumerate(told):
            data = f"gate number {number}".encode()
            yield Member(path, -5, partial(bytes, data))

    monkeypatch.setattr(reader, "members", members)
    bucket.take_in(zipped(PAPERS))
    assert len(bucket.children()) == len(told)
    for path, child in bucket.children().items():
        assert len(path.encode()) < 1_000
        assert path.isprintable()
        assert child.status is Status.INDEXED
