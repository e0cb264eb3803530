"""Every reason for which a document cannot be read: reached by a file, named, with advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ragline.api import views
from ragline.domain.advice import ADVICE
from ragline.domain.documents import Status
from ragline.usecases.cut import Limits
from tests import samples
from tests.unit.pipeline import LIMITS, Pipeline

LONG = "".join(f"# Part {n}\n\nA sentence of its own, number {n}.\n\n" for n in range(40))
SMALL = replace(LIMITS, file_bytes=200)

REASONS: dict[str, tuple[str, Callable[[], bytes], Limits]] = {
    "encrypted": ("a.pdf", samples.encrypted_pdf, LIMITS),
    "no_text": ("a.pdf", samples.scanned_pdf, LIMITS),
    "corrupt": ("a.pdf", samples.corrupt_pdf, LIMITS),
    "too_large": ("a.pdf", samples.pdf, SMALL),
    "too_many_pages": ("a.pdf", samples.pdf, replace(LIMITS, pages=1)),
    "bomb": ("a.docx", samples.zip_bomb, LIMITS),
    "unsupported_type": ("a.bin", samples.junk, LIMITS),
    "timeout": ("a.md", samples.markdown, replace(LIMITS, seconds=-1.0)),
    "empty_file": ("a.pdf", bytes, LIMITS),
    "limit_exceeded": ("a.md", LONG.encode, replace(LIMITS, chunks=3)),
}
LIMIT_IN_MESSAGE = {
    "too_large": "max_file_bytes is 200",
    "too_many_pages": "max_pages is 1",
    "bomb": "limit of 200 times",
    "timeout": "the time limit for parsing",
    "limit_exceeded": "3",
}


@pytest.mark.parametrize("code", REASONS)
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(code: str) -> None:
    name, make, limits = REASONS[code]
    pipeline = Pipeline(limits=limits)
    pipeline.drop(make(), filename=name)
    pipeline.run()
    document = pipeline.document()
    reasons = [one.reason for one in pipeline.ledger.failures("default", "doc")]
    assert [reason.code for reason in reasons] == [code]
    assert document.status is (Status.EMPTY if code == "no_text" else Status.FAILED)
    assert LIMIT_IN_MESSAGE.get(code, "") in reasons[0].message
    shown = views.document(document)
    assert shown.advice
    if code != "no_text":  # an empty document says its own advice, by what its pages are
        assert shown.reason
        assert shown.reason.code == code
        assert shown.advice == ADVICE[code].format(id="doc")
        assert shown.advice not in shown.reason.message
    assert pipeline.search("barometer mercury") == []
    assert not pipeline.examine().findings


def test_the_advice_of_an_encrypted_document_is_a_command_that_runs_as_it_stands() -> None:
    pipeline = Pipeline()
    pipeline.drop(samples.encrypted_pdf(), filename="a.pdf")
    advice = views.document(pipeline.document()).advice
    assert advice
    assert "`ragline retry doc --password`" in advice


def test_every_reason_with_advice_is_reached() -> None:
    assert set(REASONS) == set(ADVICE)
