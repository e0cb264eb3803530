"""The handbook that the demo asks: as built, true to its sources, and answering what is asked."""

from __future__ import annotations

import importlib.util
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from ragline import chunking, parsing
from ragline.cli.demo import QUESTIONS, Question, handbook
from ragline.domain.chunks import Chunk
from ragline.domain.documents import Status
from ragline.settings import Settings

PROJECT = Path(__file__).parents[3]


class Words:
    """A tokenizer of words and signs."""

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


@pytest.fixture(scope="module")
def passages() -> Mapping[str, list[Chunk]]:
    return {path.name: list(_chunks(path)) for path in handbook(PROJECT)}


def _chunks(path: Path) -> Iterator[Chunk]:
    extraction = parsing.extract(parsing.Source(path, path.name))
    yield from chunking.chunk(extraction, tokenizer=Words())


def build() -> ModuleType:
    place = PROJECT / "docs" / "build_handbook.py"
    spec = importlib.util.spec_from_file_location("handbook_build", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.filename)
def test_exactly_one_passage_answers_each_question(
    passages: Mapping[str, list[Chunk]], question: Question
) -> None:
    found = [
        (name, chunk)
        for name, chunks in passages.items()
        for chunk in chunks
        if question.answer in " ".join(chunk.text.split())
    ]
    assert len(found) == 1
    name, chunk = found[0]
    assert name == question.filename
    assert chunk.headings[-1] == question.heading
    assert chunk.page == question.page


def test_the_answers_are_in_three_formats() -> None:
    assert len({Path(question.filename).suffix for question in QUESTIONS}) == 3


def test_every_chapter_yields_passages(passages: Mapping[str, list[Chunk]]) -> None:
    assert all(passages.values())
    assert max(chunk.page or 0 for chunk in passages["operations.pdf"]) >= 3


def test_the_chapters_are_those_that_the_script_builds() -> None:
    module = build()
    for name, make in module.CHAPTERS.items():
        kept = (PROJECT / "docs" / "handbook" / name).read_bytes()
        assert _contents(make()) == _contents(kept), f"{name}: run docs/build_handbook.py"


def _contents(data: bytes) -> object:
    """What a zip archive holds, however it is compressed; else the bytes."""
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_status_is_explained_and_no_other(passages: Mapping[str, list[Chunk]]) -> None:
    explained = [row[0] for row in build().STATUSES[1:]]
    assert explained == [status.value for status in Status]


def test_the_limits_are_those_of_the_settings(passages: Mapping[str, list[Chunk]]) -> None:
    text = " ".join(chunk.text for chunk in passages["limits.docx"])
    default = {name: field.default for name, field in Settings.model_fields.items()}
    for shown in (
        f"{default['max_file_bytes'] // 2**20} MiB",
        f"{default['max_pages']:,}",
        f"at most {default['chunk_tokens']} tokens",
        f"overlap by {default['chunk_overlap_tokens']} tokens",
    ):
        assert shown in text
    assert default["pages_per_range"] == 100
    assert default["upload_expires_seconds"] == 3_600
