"""The benchmarks themselves: what they are told to measure comes out, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ragline.adapters.lance import upkeep
from ragline.adapters.lance.index import LanceIndexes
from ragline.domain.documents import Document, Partition, Status
from ragline.domain.pages import PageCounts
from ragline.parsing import Source, extract
from tests.bench import __main__ as bench
from tests.bench import growth, huge, kept, queries
from tests.bench.corpus import PARTITION, AllLive, Corpus
from tests.bench.figures import Figure, Line, Note, Plan, Skipped, percentile
from tests.bench.huge_material import write_pdf, write_text
from tests.bench.output import BEGIN, END


def fine(plan: Plan) -> Iterator[Line]:
    yield Figure("rate", 50, "chunks/s", 0.5, "raw encode", 0.85)
    yield Note("two cores")


def broken(plan: Plan) -> Iterator[Line]:
    yield Figure("before it broke", 1, "ms")
    raise RuntimeError("the cloud did not start")


def absent(plan: Plan) -> Iterator[Line]:
    raise Skipped("there is no such environment")
    yield


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"broken": broken, "fine": fine, "absent": absent}
    monkeypatch.setattr(bench, "SECTIONS", found)


@pytest.mark.usefixtures("sections")
def test_a_section_that_fails_is_reported_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--json", str(tmp_path / "bench.json")]) == 1
    found = json.loads((tmp_path / "bench.json").read_text())["sections"]
    assert [one["section"] for one in found] == ["broken", "fine", "absent"]
    assert found[0]["failed"] == "RuntimeError: the cloud did not start"
    assert [one["what"] for one in found[0]["figures"]] == ["before it broke"]
    assert "0.85 missed" in capsys.readouterr().out


@pytest.mark.usefixtures("sections")
def test_a_section_that_cannot_be_measured_here_says_why_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["absent", "fine", "--json", str(tmp_path / "bench.json")]) == 0
    assert "absent: skipped: there is no such environment" in capsys.readouterr().out


@pytest.mark.usefixtures("sections")
def test_the_markdown_table_takes_its_marked_place_and_leaves_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nan older table\n{END}\nAfter.\n")
    bench.main(["fine", "--json", str(tmp_path / "bench.json"), "--markdown", str(page)])
    text = page.read_text()
    assert text.startswith(f"Before.\n{BEGIN}\n| section | what |")
    assert text.endswith(f"{END}\nAfter.\n")
    assert "| fine | rate | 50.0 | chunks/s | 0.50 | raw encode | 0.85 missed |" in text
    assert "an older table" not in text


def test_an_unknown_section_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        bench.main(["speed"])
    assert "'speed' is none of embedding, ingest, peers" in capsys.readouterr().err


def test_a_huge_pdf_has_its_pages_their_lines_and_now_and_then_a_table(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", 13)
    found = extract(Source(tmp_path / "a.pdf"))
    assert found.counts == PageCounts(text=13)
    pages = {n: " ".join(one.text for one in found.blocks if one.page == n) for n in (1, 12, 13)}
    assert pages[1].startswith("1. ")
    assert "63 Nm" in pages[12] and "63 Nm" not in pages[13]
    assert len(set(pages.values())) == 3
    assert all(len(text) > 1_500 for text in pages.values())


def test_a_huge_text_has_its_size_and_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_text(tmp_path / name, 2_000_000)
    assert 2_000_000 <= (tmp_path / "a").stat().st_size < 4_000_000
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_splitters_took_is_told_of_ranges_and_planning_apart() -> None:
    document = Document(Partition("a", "b"), "d", "a.txt", Status.PROCESSING, "", "")
    results = [
        {"invocations": [(10, 12), (20, 26)], "peaks": [100, 50], "cpu": 3},
        {"invocations": [(21, 24)], "peaks": [90, 60], "cpu": 2},
    ]
    told = huge._told(document, results)
    assert (told.planning, told.seconds, told.longest) == (2, 6, 6)
    assert (told.splitter, told.parser, told.cpu) == (100, 60, 5)


def test_the_99th_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99
    assert percentile([3.0, 1.0], 0.99) == 3
    assert percentile([7.0], 0.5) == 7


def corpus(per_document: int) -> Corpus:
    chance = np.random.default_rng(0).standard_normal((8, 32)).astype(np.float32)
    centres = chance / np.linalg.norm(chance, axis=1, keepdims=True)
    return Corpus(["the first row's own words"], centres, per_document=per_document)


def test_rows_are_the_same_whichever_run_of_them_is_made() -> None:
    ours = corpus(20)
    [late] = ours.rows(57, 1)
    again = ours.rows(50, 10)[7]
    assert (late.chunk_id, late.chunk) == (again.chunk_id, again.chunk)
    np.testing.assert_array_equal(late.vector, again.vector)


def test_an_indexer_batch_is_applied_and_timed(tmp_path: Path) -> None:
    indexes = LanceIndexes(str(tmp_path))
    took = growth.apply_batch(indexes, corpus(growth.ROWS_PER_OP), 0)
    assert took.rows == indexes.of(growth.FINGERPRINT).count(PARTITION) == growth.BATCH
    assert took.rate > 0
    assert took.cpu > 0


def test_a_collection_that_was_filled_answers_every_query(tmp_path: Path) -> None:
    index, ledger, rows = LanceIndexes(str(tmp_path)).of("bench"), AllLive(), corpus(20)
    queries.fill(index, rows, 0, 90)
    queries.fill(index, rows, 90, 130)
    assert index.count(PARTITION) == 130
    handle = index._tables.kept(PARTITION)
    assert handle is not None
    assert handle.table.index_stats(upkeep.TEXT_INDEX).num_unindexed_rows == 0
    asked = queries.Asked(["first row"], rows.rows(0, 1)[0].vector[None])
    assert len(queries.ask(index, ledger, asked)) == 1


def test_a_large_index_is_built_once_and_anew_when_it_would_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Plan, "model", Path("int8"))
    monkeypatch.setattr(kept, "FROM_ROWS", 100)
    root = kept.root(Plan(tmp_path), 100)
    assert isinstance(queries._built(root, corpus(20), 0, 100), Figure)
    again = queries._built(root, corpus(20), 0, 100)
    assert isinstance(again, Note)
    assert str(root) in again.text
    other = kept.root(Plan(tmp_path, real=7), 100)
    assert isinstance(queries._built(other, corpus(20), 0, 100), Figure)
    assert (root.exists(), kept.is_built(other)) == (False, True)


def test_a_large_index_that_has_no_room_says_what_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.lacks(tmp_path / "bench" / "9-x", 9) == ""
    monkeypatch.setattr(kept, "_memory", lambda: 2_000_000_000)
    said = kept.lacks(tmp_path / "bench" / "1000000-x", 1_000_000)
    assert "3.0 GB of memory, and 2.0 GB are free" in said
