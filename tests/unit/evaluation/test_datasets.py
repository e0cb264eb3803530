"""Reading judged collections, and refusing what is wrong with them by file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ragline.domain.errors import InvalidRequest
from ragline.evaluation import datasets
from ragline.evaluation.datasets import Entry
from tests import judged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return judged.write(tmp_path / "tiny")


def append(name: str, line: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(line + "\n")

    return change


def replace(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def test_reads_documents_queries_and_judgements(folder: Path) -> None:
    dataset = datasets.load(folder, "tiny")
    assert (dataset.name, dataset.split, dataset.total, dataset.unjudged) == ("tiny", "test", 30, 0)
    assert dataset.entries[1] == Entry("p1", "", judged.PASSAGES[1])
    assert dataset.entries[0].title == "Lighthouse"
    assert list(dataset.queries.values()) == list(judged.JUDGED)
    assert dataset.qrels["q4"] == {"p10": 1, "p11": 1, "p12": 1}


def test_blank_lines_byte_order_marks_carriage_returns_and_whole_ids_are_fine(folder: Path) -> None:
    corpus = '\ufeff{"_id": 1, "text": "one"}\r\n\r\n{"_id": "2", "title": null, "text": "two"}\r\n'
    (folder / "corpus.jsonl").write_bytes(corpus.encode())
    (folder / "qrels" / "test.tsv").write_text("q0\t1\t2\r\nq0\t2\t0\r\n")
    dataset = datasets.load(folder, "tiny")
    assert dataset.entries == [Entry("1", "", "one"), Entry("2", "", "two")]
    assert dataset.qrels == {"q0": {"1": 2, "2": 0}}


def test_a_line_separator_within_a_text_ends_no_line(folder: Path) -> None:
    (folder / "corpus.jsonl").write_text('{"_id": "p1", "text": "one\u2028two\x85three"}\n')
    (folder / "qrels" / "test.tsv").write_text("q0\tp1\t1\n")
    assert datasets.load(folder, "tiny").entries[0].text == "one\u2028two\x85three"


def test_queries_to_which_nothing_is_relevant_are_left_out_and_counted(folder: Path) -> None:
    replace("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\tp1\t1\nq1\tp2\t0\nq2\tp3\t-1\n")(
        folder
    )
    dataset = datasets.load(folder, "tiny")
    assert list(dataset.queries) == ["q0"]
    assert dataset.unjudged == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "corpus.jsonl").unlink(), "corpus.jsonl is missing"),
        (lambda folder: (folder / "queries.jsonl").unlink(), "queries.jsonl is missing"),
        (lambda folder: (folder / "qrels/test.tsv").unlink(), "no split 'test'.*no .tsv file"),
        (lambda folder: (folder / "qrels/test.tsv").rename(folder / "qrels/dev.tsv"),
         "no split 'test': its splits are dev"),
        (replace("corpus.jsonl", ""), "corpus.jsonl is empty"),
        (append("corpus.jsonl", '{"_id": "x"'), "corpus.jsonl, line 31 is not JSON"),
        (append("corpus.jsonl", "[" * 100_000), "corpus.jsonl, line 31 is not JSON"),
        (append("corpus.jsonl", "7"), "corpus.jsonl, line 31 is not an object with an _id"),
        (append("corpus.jsonl", '{"text": "x"}'), "line 31 is not an object with an _id"),
        (append("corpus.jsonl", '{"_id": "p3", "text": "x"}'), "line 31: _id 'p3' is there twice"),
        (append("corpus.jsonl", '{"_id": "x", "text": ["y"]}'), "line 31: text is no text"),
        (append("corpus.jsonl", '{"_id": "x", "title": 7}'), "line 31: title is no text"),
        (lambda folder: (folder / "corpus.jsonl").write_bytes(b'{"_id": "\xff"}'), "is not UTF-8"),
        (append("queries.jsonl", '{"_id": "x", "text": " "}'),
         "queries.jsonl, line 13: query 'x' has no text"),
        (append("qrels/test.tsv", "q0\tp77\t1"),
         r"test.tsv, line 18: document 'p77' is not in corpus.jsonl"),
        (append("qrels/test.tsv", "q77\tp1\t1"), "line 18: query 'q77' is not in queries.jsonl"),
        (append("qrels/test.tsv", "q0\tp1\tvery"), "line 18: the grade 'very' is no whole number"),
        (append("qrels/test.tsv", "q0 p1 1"), "line 18 has 1 columns"),
        (append("qrels/test.tsv", "q0\t0\tp1\t1"), "line 18 has 4 columns"),
        (replace("qrels/test.tsv", "query-id\tcorpus-id\tscore\n"), "judges no document relevant"),
        (replace("qrels/test.tsv", "q0\tp1\t0\n"), "judges no document relevant"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_file_and_line(
    folder: Path, change: Callable[[Path], object], told: str
) -> None:
    change(folder)
    with pytest.raises(InvalidRequest, match=told):
        datasets.load(folder, "tiny")


def test_a_folder_is_a_collection_or_holds_some(tmp_path: Path) -> None:
    judged.write(tmp_path / "b")
    judged.write(tmp_path / "a" / "en")
    (tmp_path / "notes").mkdir()
    assert datasets.find(tmp_path / "b") == [("b", tmp_path / "b")]
    assert datasets.find(tmp_path) == [("a/en", tmp_path / "a" / "en"), ("b", tmp_path / "b")]


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="layout of BEIR"):
        datasets.find(tmp_path)
    with pytest.raises(InvalidRequest, match="there is no folder"):
        datasets.find(tmp_path / "none")


def test_half_a_collection_is_one_with_a_file_missing(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text("{}")
    assert datasets.find(tmp_path) == [(tmp_path.name, tmp_path)]


def test_a_sample_holds_all_judged_documents_and_then_the_first_others(folder: Path) -> None:
    dataset = datasets.load(folder, "tiny")
    relevant = {document for grades in dataset.qrels.values() for document in grades}
    sample = dataset.sample(len(relevant) + 2)
    ids = [entry.id for entry in sample.entries]
    assert relevant < set(ids)
    assert [one for one in ids if one not in relevant] == ["p0", "p2"]
    assert ids == sorted(ids, key=lambda one: int(one[1:])), "in the collection's order"
    assert sample.total == 30
    assert {entry.id for entry in dataset.sample(1).entries} == relevant


def test_fewer_queries_need_fewer_judged_documents(folder: Path) -> None:
    few = datasets.load(folder, "tiny").first_queries(2)
    assert list(few.queries) == list(few.qrels) == ["q0", "q1"]
    assert {entry.id for entry in few.sample(1).entries} == {"p1", "p3"}
