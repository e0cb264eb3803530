"""Passwords: from the upload to the parser, and then forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragline.adapters.memory.passwords import MemoryPasswords
from ragline.domain.documents import Status
from ragline.domain.errors import Conflict, InvalidRequest
from ragline.usecases.passwords import sweep
from ragline.usecases.splitting import Outcome
from ragline.usecases.upload import Limits, UploadRequest, register, store
from tests import samples
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline

PASSWORD = "user"
NAME = "secret.pdf"
BIG = Limits(file_bytes=1_000_000, upload_expires=3_600)


def asked(**fields: object) -> UploadRequest:
    given = {"filename": NAME, "size": 0, "document_id": "doc", "password": PASSWORD} | fields
    return UploadRequest(partition=HANDBOOK, **given)  # type: ignore[arg-type]


def stored(pipeline: Pipeline, data: bytes, **fields: object) -> Outcome:
    """Uploaded with a password, and split as far as one event goes."""
    done = store(
        asked(**fields),
        data,
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        limits=BIG,
        passwords=pipeline.passwords,
    )
    return pipeline.split(done.document.upload_key, "1")


def test_a_password_given_at_the_upload_opens_the_document_and_is_forgotten() -> None:
    pipeline = Pipeline()
    assert stored(pipeline, samples.encrypted_pdf()) is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert not pipeline.passwords.kept()


def test_without_a_password_the_document_fails_and_says_that_one_is_needed() -> None:
    pipeline = Pipeline()
    pipeline.drop(samples.encrypted_pdf(), filename=NAME)
    failed = pipeline.document()
    assert failed.reason
    assert (failed.status, failed.reason.code) == (Status.FAILED, "encrypted")
    assert "no password was given" in failed.reason.message


def test_a_wrong_password_is_named_as_such_never_repeated_and_forgotten() -> None:
    pipeline = Pipeline()
    stored(pipeline, samples.encrypted_pdf(), password="Schnee-42")
    failed = pipeline.document()
    assert failed.reason
    assert failed.reason.code == "encrypted"
    assert "not its own" in failed.reason.message
    assert "Schnee-42" not in repr(failed)
    assert not pipeline.passwords.kept()


def test_a_document_that_needs_no_password_asks_for_none() -> None:
    pipeline = Pipeline()
    stored(pipeline, samples.pdf(), password="")
    pipeline.run()
    assert pipeline.passwords.asked == 0


def test_a_retry_with_the_password_needs_no_force() -> None:
    pipeline = Pipeline()
    pipeline.drop(samples.encrypted_pdf(), filename=NAME)
    with pytest.raises(Conflict, match="Only its password, or force, tries that again"):
        pipeline.retry()
    pipeline.retry(password=PASSWORD, passwords=pipeline.passwords)
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert not pipeline.passwords.kept()


def test_a_password_mends_no_other_failure() -> None:
    pipeline = Pipeline()
    pipeline.drop(samples.corrupt_pdf(), filename=NAME)
    with pytest.raises(Conflict, match="corrupt"):
        pipeline.retry(password=PASSWORD, passwords=pipeline.passwords)
    assert not pipeline.passwords.kept()


def test_a_dry_run_keeps_nothing() -> None:
    pipeline = Pipeline()
    pipeline.drop(samples.encrypted_pdf(), filename=NAME)
    pipeline.retry(password=PASSWORD, passwords=pipeline.passwords, dry_run=True)
    assert not pipeline.passwords.kept()


def test_the_password_stays_until_the_last_range_is_split() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, pages_per_range=1))
    assert stored(pipeline, samples.encrypted_pdf(pages=3)) is Outcome.RANGES_SENT
    waiting = pipeline.waiting_pages()
    assert len(waiting) == 3
    for message in waiting:
        assert pipeline.passwords.kept()
        pipeline.split_work(message)
    assert not pipeline.passwords.kept()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


@pytest.mark.parametrize("password", ["x" * 256, "a\nb", "\0", "\ud800"])
def test_what_can_be_no_password_is_refused_without_repeating_it(password: str) -> None:
    pipeline = Pipeline()
    with pytest.raises(InvalidRequest, match="password") as error:
        register(
            asked(size=5, password=password),
            ledger=pipeline.ledger,
            objects=pipeline.objects,
            limits=BIG,
            passwords=pipeline.passwords,
        )
    assert password not in str(error.value)
    assert pipeline.ledger.get("default", "doc") is None


def test_a_request_does_not_show_its_password() -> None:
    assert "Schnee" not in repr(asked(password="Schnee-42"))


def test_passwords_that_nobody_will_come_for_are_swept() -> None:
    pipeline = Pipeline.timed()
    pipeline.passwords = MemoryPasswords(pipeline.clock)
    for document_id in ("waits", "gone", "deleted"):
        pipeline.passwords.put("default", document_id, PASSWORD)
    register(
        asked(document_id="waits", size=9),
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        limits=BIG,
        passwords=pipeline.passwords,
    )
    pipeline.drop("# A text", "deleted")
    pipeline.delete("deleted")

    def swept() -> set[str]:
        sweep(pipeline.passwords, pipeline.ledger, pipeline.clock(), BIG.upload_expires)
        return {one.document_id for one in pipeline.passwords.kept()}

    assert swept() == {"waits", "gone", "deleted"}  # they may have come a moment ago
    pipeline.clock.move(minutes=16)
    assert swept() == {"waits"}
    pipeline.clock.move(hours=2)
    assert swept() == {"waits"}  # its bytes are still awaited
    pipeline.reconcile()
    assert swept() == set()


def test_the_password_of_a_replacement_is_kept_while_its_bytes_may_come() -> None:
    pipeline = Pipeline.timed()
    pipeline.passwords = MemoryPasswords(pipeline.clock)
    pipeline.drop("# A text")
    pipeline.run()
    pipeline.passwords.put("default", "doc", PASSWORD)
    pipeline.clock.move(minutes=45)
    assert sweep(pipeline.passwords, pipeline.ledger, pipeline.clock(), 3_600) == 0
    pipeline.clock.move(minutes=45)
    assert sweep(pipeline.passwords, pipeline.ledger, pipeline.clock(), 3_600) == 1
