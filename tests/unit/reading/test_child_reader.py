"""The parsers in a process of their own: what they do to it, and what the caller then sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import (
    CorruptDocument,
    EncryptedDocument,
    FileTooLarge,
    ParsingTimeout,
    Throttled,
)
from ragline.domain.pages import PageKind, PageTrouble
from ragline.parsing.here import ReaderHere
from ragline.ports import OcrLine
from ragline.reading.claims import is_extraction
from ragline.reading.parent import ChildReader
from ragline.reading.process import environment
from tests import samples
from tests.reading import reading
from tests.unit.reading.rigged import PAGE_END

RIGGED = "tests.unit.reading.rigged"
MEGABYTES = 256


@pytest.fixture(scope="module")
def reader() -> Iterator[ChildReader]:
    reader = ChildReader(1_300)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def rigged() -> Iterator[ChildReader]:
    reader = ChildReader(MEGABYTES, module=RIGGED)
    yield reader
    reader.close()


def pages(*rigs: str) -> bytes:
    return PAGE_END.join(f"Page {n}. RIG: {rig}" for n, rig in enumerate(rigs, 1)).encode()


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_child_reads_just_what_this_process_would(reader: ChildReader, name: str) -> None:
    with reading(samples.SAMPLES[name](), name) as wanted:
        assert reader.survey(wanted) == ReaderHere().survey(wanted)
        assert same(reader.extract(wanted)) == same(ReaderHere().extract(wanted))


def test_one_child_reads_many_documents(reader: ChildReader) -> None:
    seen = set()
    for _ in range(3):
        with reading(samples.markdown(), "a.md") as wanted:
            reader.extract(wanted)
            seen.add(reader.pid)
    assert len(seen) == 1


def test_what_the_parsers_refuse_is_raised_here_with_its_words(reader: ChildReader) -> None:
    with reading(b"%PDF-1.7 and no more", "a.pdf") as wanted:
        with pytest.raises(CorruptDocument) as here:
            ReaderHere().survey(wanted)
        with pytest.raises(CorruptDocument) as there:
            reader.survey(wanted)
    assert str(there.value) == str(here.value)


def test_a_password_reaches_the_parser(reader: ChildReader) -> None:
    with reading(samples.encrypted_pdf(), "a.pdf") as wanted:
        with pytest.raises(EncryptedDocument, match="no password was given"):
            reader.extract(wanted)
        with pytest.raises(EncryptedDocument, match="not its own"):
            reader.extract(replace(wanted, password="another"))
        assert reader.extract(replace(wanted, password="user")).blocks


@pytest.mark.parametrize("rig", ["segfault", "abort", "leave", "babble"])
def test_a_file_that_kills_the_parser_is_corrupt_and_the_next_one_is_read(
    rigged: ChildReader, rig: str
) -> None:
    with (
        reading(f"FLAT RIG: {rig}".encode(), "a") as bad,
        pytest.raises(CorruptDocument, match="parser"),
    ):
        rigged.extract(bad)
    with reading(b"FLAT and sound", "b") as good:
        assert rigged.extract(good).blocks[0].text == "FLAT and sound"


@pytest.mark.parametrize("killers", [{1}, {2, 7}])
def test_pages_that_kill_the_parser_fail_alone(rigged: ChildReader, killers: set[int]) -> None:
    rigs = ["segfault" if number in killers else "none" for number in range(1, 8)]
    with reading(pages(*rigs), "a") as wanted:
        found = rigged.extract(wanted)
    failed = {page for page, kind in found.kinds.items() if kind is PageKind.FAILED}
    assert failed == killers
    assert list(found.kinds) == list(range(1, 8))
    assert [block.page for block in found.blocks] == sorted(set(range(1, 8)) - killers)
    assert {(trouble.page, trouble.code) for trouble in found.trouble} == {
        (page, "corrupt") for page in killers
    }
    assert found.trouble[0].message == f"The parser crashed on page {min(killers)}."


def test_only_the_pages_asked_for_are_tried(rigged: ChildReader) -> None:
    with reading(pages("segfault", "none", "abort", "none", "segfault"), "a") as wanted:
        found = rigged.extract(replace(wanted, first=2, last=4))
    assert list(found.kinds) == [2, 3, 4]
    assert found.kinds[3] is PageKind.FAILED


def test_a_document_whose_every_page_kills_is_corrupt(rigged: ChildReader) -> None:
    with (
        reading(pages(*["segfault"] * 3), "a") as wanted,
        pytest.raises(CorruptDocument, match="crashed on every page"),
    ):
        rigged.extract(wanted)


def test_a_death_that_does_not_repeat_costs_nothing(rigged: ChildReader) -> None:
    with reading(b"FLAT and sound", "a") as wanted:
        os.kill(rigged.pid, signal.SIGKILL)
        assert rigged.extract(wanted).blocks


@pytest.mark.parametrize("rig", ["hang", "spin"])
def test_a_parser_that_hangs_is_killed_at_the_deadline(rigged: ChildReader, rig: str) -> None:
    with reading(b"FLAT and sound", "b") as good:
        rigged.extract(good)
    begun, pid = time.monotonic(), rigged.pid
    with reading(f"FLAT RIG: {rig}".encode(), "a", 0.2) as bad, pytest.raises(ParsingTimeout):
        rigged.extract(bad)
    assert time.monotonic() - begun < 10
    assert not alive(pid)


def test_memory_beyond_the_limit_is_a_named_refusal(rigged: ChildReader) -> None:
    with (
        reading(b"FLAT RIG: swallow", "a") as wanted,
        pytest.raises(FileTooLarge, match=f"limit of {MEGABYTES} MB"),
    ):
        rigged.extract(wanted)


def test_a_parser_that_the_kernel_kills_needed_too_much_memory(rigged: ChildReader) -> None:
    with (
        reading(b"FLAT RIG: starved", "a") as wanted,
        pytest.raises(FileTooLarge, match="more memory than the limit"),
    ):
        rigged.extract(wanted)


def test_what_a_parser_prints_goes_nowhere(
    rigged: ChildReader, capfd: pytest.CaptureFixture[str]
) -> None:
    with reading(b"FLAT RIG: print", "a") as wanted:
        assert rigged.extract(wanted).blocks
    assert capfd.readouterr() == ("", "")


def test_a_parser_opens_no_connection(rigged: ChildReader) -> None:
    with reading(b"FLAT RIG: call", "a") as wanted, pytest.raises(CorruptDocument, match="Perm"):
        rigged.extract(wanted)


def test_a_bug_in_a_parser_is_a_damaged_file(rigged: ChildReader) -> None:
    with reading(b"FLAT RIG: bug", "a") as wanted, pytest.raises(CorruptDocument, match="KeyErr"):
        rigged.extract(wanted)


def test_the_child_has_no_credentials_and_no_settings() -> None:
    own = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "LEDGER_TABLE": "table",
        "PATH": "/usr/bin",
    }
    assert environment(own).keys() <= {
        "PATH",
        "PYTHONPATH",
        "PYTHONUTF8",
        "MALLOC_ARENA_MAX",
    }


def test_the_child_runs_in_that_environment(rigged: ChildReader) -> None:
    found = Path(f"/proc/{rigged.pid}/environ")
    if not found.exists():
        pytest.skip("nobody says here")
    names = {entry.partition(b"=")[0].decode() for entry in found.read_bytes().split(b"\0")}
    assert names - {""} == set(environment(os.environ))


def test_a_child_ends_with_its_parent() -> None:
    code = (
        "import os, signal\n"
        "from ragline.reading.parent import ChildReader\n"
        "reader = ChildReader(256)\n"
        "print(reader.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid, until = int(done.stdout), time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(pid)


class Engine:
    """An engine that must be asked here: it has seen the pictures that it was shown."""

    fingerprint = "engine-1"

    def __init__(self, answer: Sequence[OcrLine] | Exception) -> None:
        self.answer, self.shown = answer, 0

    def read(self, image: bytes) -> Sequence[OcrLine]:
        assert image.startswith(b"\x89PNG")
        self.shown += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


LINES = [OcrLine("A line", 1.0, 2.0, 30.5, 4.0, 0.9), OcrLine("und Säule", 0, 5, 9, 8)]


def test_an_engine_of_the_parent_is_asked_through_the_pipe(rigged: ChildReader) -> None:
    engine = Engine(LINES)
    with reading(b"FLAT RIG: look", "a") as wanted:
        text = rigged.extract(wanted, engine).blocks[0].text
    assert text == "engine-1: A line / und Säule / A line / und Säule"
    assert engine.shown == 2


@pytest.mark.parametrize("rig", ["lie", "show", "boast"])
def test_what_no_parser_of_ours_says_is_not_believed(rigged: ChildReader, rig: str) -> None:
    engine = Engine(LINES)
    with reading(f"FLAT RIG: {rig}".encode(), "a") as wanted, pytest.raises(CorruptDocument):
        (rigged.survey(wanted) if rig == "boast" else rigged.extract(wanted, engine))
    assert not engine.shown


@pytest.mark.parametrize(
    "told",
    [
        Extraction([], {3: PageKind.TEXT, 4: PageKind.TEXT}),
        Extraction([Block("paragraph", "x", page=2)]),
        Extraction([Block("paragraph", "x", page=10**20)]),
        Extraction([Block("heading", "x", level=9, page=3)]),
        Extraction([Block("paragraph", "x", page=3, turn=2)]),
        Extraction([], trouble=[PageTrouble(-1, "corrupt", "x")]),
    ],
)
def test_an_extraction_tells_of_what_was_asked_for(told: Extraction) -> None:
    with reading(b"x", "a") as file:
        wanted = replace(file, first=3, last=3)
        assert not is_extraction(told, wanted)
        block = Block("paragraph", "x", page=3)
        assert is_extraction(Extraction([block], {3: PageKind.TEXT}), wanted)


def test_a_picture_that_the_engine_refuses_is_refused_in_the_child(rigged: ChildReader) -> None:
    engine = Engine(FileTooLarge("too many pixels"))
    with reading(b"FLAT RIG: look", "a") as wanted, pytest.raises(FileTooLarge, match="pixels"):
        rigged.extract(wanted, engine)


def test_an_engine_that_is_overloaded_is_no_fault_of_the_file(rigged: ChildReader) -> None:
    engine = Engine(Throttled("slow down"))
    with reading(b"FLAT RIG: look", "a") as wanted:
        with pytest.raises(Throttled):
            rigged.extract(wanted, engine)
        engine.answer = LINES
        assert rigged.extract(wanted, engine).blocks


def test_members_come_one_by_one_and_only_those_that_are_asked_for(rigged: ChildReader) -> None:
    # Reading the second would kill the child: it is passed over unread.
    with reading(PAGE_END.join(["one", "RIG: segfault", "thrée"]).encode(), "a") as wanted:
        found = {}
        for member in rigged.members(wanted):
            found[member.path] = b"" if member.path == "1.txt" else member.read()
    assert found == {"0.txt": b"one", "1.txt": b"", "2.txt": "thrée".encode()}


def test_a_member_that_kills_the_parser_makes_its_archive_corrupt(rigged: ChildReader) -> None:
    with (
        reading(PAGE_END.join(["one", "RIG: segfault"]).encode(), "a") as wanted,
        pytest.raises(CorruptDocument),
    ):
        [member.read() for member in rigged.members(wanted)]
    with reading(b"FLAT and sound", "b") as good:
        assert rigged.extract(good).blocks


def test_whoever_has_seen_enough_members_need_not_see_the_rest(rigged: ChildReader) -> None:
    with reading(PAGE_END.join("abc").encode(), "a") as wanted:
        assert next(iter(rigged.members(wanted))).path == "0.txt"
        assert next(iter(rigged.members(wanted))).read() == b"a"
        assert rigged.extract(wanted).pages == 3


def same(extraction: Extraction) -> Extraction:
    """Any sequence of troubles is as good as another."""
    return replace(extraction, trouble=list(extraction.trouble))


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
