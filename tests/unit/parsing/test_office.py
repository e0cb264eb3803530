"""Office files under a password open with it, and say what is wrong without it."""

from __future__ import annotations

import io

import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from ragline.domain.errors import EncryptedDocument, LimitExceeded
from ragline.parsing import Format, Source, extract, survey
from ragline.parsing.office import unlocked
from tests import samples


@pytest.fixture(scope="module")
def locked() -> bytes:
    return encrypted(samples.docx(), "open sesame")


def encrypted(data: bytes, password: str) -> bytes:
    target = io.BytesIO()
    OOXMLFile(io.BytesIO(data)).encrypt(password, target)
    return target.getvalue()


def test_an_office_file_under_a_password_is_read_with_it(locked: bytes) -> None:
    source = Source(locked, "handbook.docx", password="open sesame")
    assert survey(source).format == Format.DOCX
    assert samples.SENTENCE in [block.text for block in extract(source).blocks]


def test_a_wrong_password_and_none_are_told_apart(locked: bytes) -> None:
    with pytest.raises(EncryptedDocument, match="no password was given"):
        extract(Source(locked, "handbook.docx"))
    with pytest.raises(EncryptedDocument, match="the password does not open it"):
        survey(Source(locked, "handbook.docx", password="open barley"))


def test_no_error_holds_the_password(locked: bytes) -> None:
    with pytest.raises(EncryptedDocument) as caught:
        extract(Source(locked, "handbook.docx", password="open barley"))
    shown = [str(caught.value), str(caught.value.__cause__), repr(Source(b"", password="barley"))]
    assert not any("barley" in text for text in shown)


def test_a_workbook_that_is_only_protected_against_changes_opens_as_in_excel() -> None:
    data = encrypted(samples.xlsx(), "VelvetSweatshop")
    assert survey(Source(data, "prices.xlsx")).format == Format.XLSX


def test_a_container_that_only_looks_encrypted_is_refused_by_name() -> None:
    for password in ("", "open sesame"):
        with pytest.raises(EncryptedDocument, match="is encrypted, and"):
            unlocked(Source(samples.encrypted_office(), password=password))


def test_a_file_that_asks_for_endless_hashing_is_refused(
    locked: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragline.parsing.office._MAX_SPINS", 99_999)
    with pytest.raises(LimitExceeded, match="asks for 100,000 rounds"):
        unlocked(Source(locked, password="open sesame"))


def test_other_files_pass_through_untouched() -> None:
    source = Source(samples.docx(), "handbook.docx", password="open sesame")
    assert unlocked(source) is source
