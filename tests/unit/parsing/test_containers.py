"""Zip archives and mails: the files in them, and only those, whatever they are called."""

from __future__ import annotations

import io
import zipfile
import zlib
from email.message import EmailMessage
from pathlib import Path

import pytest
import pyzipper
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    EncryptedDocument,
    FileTooLarge,
    LimitExceeded,
)
from ragline.parsing import Source, extract, members, survey
from ragline.parsing.names import clean_path, decoded, numbered
from tests import samples


def files(data: bytes, password: str = "") -> dict[str, bytes]:
    return {one.path: one.read() for one in members(Source(data, "a.zip", password=password))}


def test_an_archive_gives_its_files_without_what_systems_leave_behind() -> None:
    data = samples.zipped(
        {
            "reports/2025/a.txt": "A",
            "b.md": "# B",
            "reports/": "",
            "__MACOSX/._b.md": "x",
            ".DS_Store": "x",
            ".git/config": "x",
            "Thumbs.db": "x",
            "empty.txt": "",
        }
    )
    assert files(data) == {"reports/2025/a.txt": b"A", "b.md": b"# B"}
    assert survey(Source(data)).members == 2


def test_an_archive_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(samples.zipped({"a.txt": "A"}))
    assert [(one.path, one.size, one.read()) for one in members(Source(path))] == [
        ("a.txt", 1, b"A")
    ]


def test_the_text_of_an_archive_is_its_list_of_contents() -> None:
    data = samples.zipped({"a.txt": "A", "reports/b.txt": "BB", "reports/c.txt": "CCC"})
    found = extract(Source(data, "all/papers.zip"))
    assert found.title == "papers.zip"
    assert [(block.kind, block.text) for block in found.blocks] == [
        ("table", "| File | Bytes |\n| --- | --- |\n| a.txt | 1 |"),
        ("heading", "reports"),
        ("table", "| File | Bytes |\n| --- | --- |\n| b.txt | 2 |\n| c.txt | 3 |"),
    ]


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Users\\me\\a.txt", "Users/me/a.txt"),
        ("a/./b//c.txt", "a/b/c.txt"),
        ("evil\x00\r\nname.txt", "evil name.txt"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("...", "unnamed"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_no_path_leads_out_of_its_archive(name: str, clean: str) -> None:
    assert clean_path(name) == clean


@given(st.text(max_size=1500))
def test_any_name_becomes_a_short_path_that_stays_below(name: str) -> None:
    path = clean_path(name)
    assert path and len(path.encode()) <= 600
    assert not path.startswith("/") and "\\" not in path
    assert all(part.strip(". ") for part in path.split("/"))
    assert clean_path(path) == path


def test_files_of_the_same_path_are_told_apart_by_a_number() -> None:
    assert numbered(["a/b.txt", "a/b.txt", "c", "a/b.txt", "c"]) == [
        "a/b.txt",
        "a/b (2).txt",
        "c",
        "a/b (3).txt",
        "c (2)",
    ]


def test_names_without_a_declared_encoding_are_read_as_they_look() -> None:
    japanese = ["報告書/会議の議事録.txt", "報告書/予算と決算の資料.txt", "写真/東京の風景.jpg"]
    assert decoded([name.encode("cp932") for name in japanese]) == japanese
    assert decoded(["Übersicht.txt".encode()]) == ["Übersicht.txt"]
    assert decoded(["Übersicht.txt".encode("cp437")]) == ["Übersicht.txt"]


def with_password() -> bytes:
    target = io.BytesIO()
    with pyzipper.AESZipFile(
        target, "w", compression=zipfile.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(b"open sesame")
        archive.writestr("secret.txt", "The vault is behind the painting.")
    return target.getvalue()


def stored(name: str, body: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(name, body)
    return target.getvalue()


def by_zip_crypto(name: str, content: bytes, password: bytes) -> bytes:
    """A stored file in the old encryption, which no library here writes.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 6.1
    """
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc(byte: int, value: int) -> int:
        return zlib.crc32(bytes([byte]), value ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def update(byte: int) -> None:
        keys[0] = crc(byte, keys[0])
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc(keys[1] >> 24, keys[2])

    def locked(byte: int) -> int:
        short = (keys[2] | 2) & 0xFFFF
        update(byte)
        return byte ^ (((short * (short ^ 1)) >> 8) & 0xFF)

    for byte in password:
        update(byte)
    checksum = zlib.crc32(content)
    body = bytes(map(locked, bytes(11) + bytes([checksum >> 24]) + content))
    plain = stored(name, body)
    # Both headers: the flag, the checksum, and the size that is unpacked.
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        head = plain.index(mark) + at
        size = head + 16
        plain = plain[:head] + b"\x01" + plain[head + 1 :]
        plain = plain[: size - 8] + checksum.to_bytes(4, "little") + plain[size - 4 :]
        plain = plain[:size] + len(content).to_bytes(4, "little") + plain[size + 4 :]
    return plain


def test_an_archive_under_a_password_needs_it_and_says_whether_it_was_wrong() -> None:
    check_locked(with_password())


def test_the_old_encryption_is_read_too() -> None:
    check_locked(by_zip_crypto("secret.txt", b"The vault is behind the painting.", b"open sesame"))


def check_locked(data: bytes) -> None:
    assert files(data, "open sesame") == {"secret.txt": b"The vault is behind the painting."}
    with pytest.raises(EncryptedDocument, match="no password was given"):
        files(data)
    with pytest.raises(EncryptedDocument, match=r"password does not open secret\.txt"):
        files(data, "open barley")
    with pytest.raises(EncryptedDocument):
        extract(Source(data))
    with pytest.raises(EncryptedDocument):
        survey(Source(data))


def test_too_many_files_or_bytes_are_a_named_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = samples.zipped({f"{number}.txt": "x" * 50 for number in range(11)})
    monkeypatch.setattr("ragline.parsing.containers.MAX_FILES_INSIDE", 10)
    with pytest.raises(LimitExceeded, match="11 files, more than the limit of 10"):
        files(data)
    monkeypatch.undo()
    monkeypatch.setattr("ragline.parsing.containers.MAX_BYTES_INSIDE", 500)
    with pytest.raises(FileTooLarge):
        files(data)


def test_one_file_too_large_or_packed_too_well_leaves_the_others_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragline.parsing.containers.MAX_FILE_INSIDE", 5000)
    monkeypatch.setattr("ragline.parsing.containers.RATIO_FREE", 100)
    held: dict[str, str | bytes] = {"bomb.bin": bytes(4900), "good.txt": "Good."}
    data = samples.zipped({"large.bin": "x" * 6000} | held)
    large, bomb, good = members(Source(data))
    with pytest.raises(FileTooLarge, match=r"large\.bin"):
        large.read()
    with pytest.raises(Bomb, match=r"bomb\.bin"):
        bomb.read()
    assert good.read() == b"Good."


def test_a_bomb_of_zeros_and_one_of_shared_bytes_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Bomb, match="times its size"):
        files(samples.zipped({"zeros.txt": bytes(40 * 2**20)}))
    monkeypatch.setattr("ragline.parsing.archives.RATIO_FREE", 10)
    data = samples.zipped({f"{number}.txt": bytes(range(200)) for number in range(5)})
    with pytest.raises(Bomb, match="share their bytes"):
        files(shared(data))


def shared(data: bytes) -> bytes:
    """The archive with its directory said six times over."""
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    directory = data[start:end]
    count = (5 * 6).to_bytes(2, "little")
    tail = data[end : end + 8] + count * 2 + (6 * len(directory)).to_bytes(4, "little")
    return data[:start] + directory * 6 + tail + data[end + 16 :]


def test_a_damaged_file_in_an_archive_is_named() -> None:
    data = bytearray(samples.zipped({"a.txt": "The mercury column. " * 20}))
    data[40] ^= 0xFF
    with pytest.raises(CorruptDocument, match=r"a\.txt"):
        files(bytes(data))


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada <ada@example.com>"
    message["To"] = "Bo <bo@example.com>"
    message["Date"] = "Mon, 03 Feb 2025 10:00:00 +0000"
    message["Subject"] = "Papers"
    message.set_content("See attached.")
    return message


def test_a_mail_gives_its_attachments_and_forwarded_mails() -> None:
    inner = mail()
    inner.replace_header("Subject", "Re: a/b")
    inner.add_attachment(b"inner", maintype="application", subtype="pdf", filename="inner.pdf")
    message = mail()
    message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="Größe.pdf")
    message.add_attachment(b"%PDF-2", maintype="application", subtype="pdf", filename="Größe.pdf")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", disposition="inline")
    message.add_attachment(b"sig", maintype="application", subtype="pkcs7-signature", filename="s")
    message.add_attachment(inner)
    data = message.as_bytes()
    found = files(data)
    assert list(found) == ["Größe.pdf", "Größe (2).pdf", "Re: a_b.eml"]
    assert found["Größe (2).pdf"] == b"%PDF-2"
    assert list(files(found["Re: a_b.eml"])) == ["inner.pdf"]
    assert extract(Source(data)).blocks[-1].text == (
        "Attachments: Größe.pdf, Größe (2).pdf, Re: a_b.eml"
    )


def test_an_attached_path_is_only_a_name() -> None:
    message = mail()
    message.add_attachment(b"x", maintype="text", subtype="x", filename="../../etc/passwd")
    assert list(files(message.as_bytes())) == [".._.._etc_passwd"]


def test_other_formats_hold_no_files() -> None:
    assert not files(samples.docx()) and not files(samples.html())
