"""Judged collections in the layout of BEIR: documents, queries, and which answers which.

corpus.jsonl          one object a line: ``_id``, ``title`` (may be missing), ``text``
queries.jsonl         one object a line: ``_id``, ``text``
qrels/{split}.tsv     query id, document id, grade (0: not relevant), tabs between; a header line

https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragline.domain.errors import InvalidRequest

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"

Qrels = Mapping[str, Mapping[str, int]]
"""Query id → document id → grade; grades above 0 are relevant."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a collection."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """``queries``: id → text, of those that have a relevant document, in the order of ``qrels``.

    ``unjudged`` counts the queries of the split that were left out since nothing is relevant to
    them; ``total`` is how many documents there are where ``entries`` are only a sample.
    """

    name: str
    split: str
    entries: Sequence[Entry]
    queries: Mapping[str, str]
    qrels: Qrels
    unjudged: int
    total: int

    def first_queries(self, number: int) -> Dataset:
        """With no more than that many of its queries."""
        kept = dict(list(self.queries.items())[:number])
        return replace(self, queries=kept, qrels={query: self.qrels[query] for query in kept})

    def sample(self, number: int) -> Dataset:
        """With no more than that many documents: those judged first, and all of those.

        Fewer others to be mistaken for them make every figure better than the whole's.
        """
        judged = {document for grades in self.qrels.values() for document in grades}
        rest = max(0, number - len(judged))
        kept: list[Entry] = []
        for entry in self.entries:
            if entry.id not in judged:
                if rest == 0:
                    continue
                rest -= 1
            kept.append(entry)
        return replace(self, entries=kept)


def find(folder: Path) -> list[tuple[str, Path]]:
    """The collections in or below a folder: what each is called, and where it is.

    Raises:
        InvalidRequest: there are none.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"there is no folder {folder}: name one in the layout of BEIR.")
    if any((folder / part).exists() for part in (CORPUS, QUERIES, QRELS)):
        return [(folder.resolve().name, folder)]
    below = sorted(path.parent for path in folder.rglob(CORPUS))
    found = [one for one in below if (one / QUERIES).exists() and (one / QRELS).exists()]
    if not found:
        raise InvalidRequest(
            f"{folder} is no collection in the layout of BEIR, and none is below it: such a folder "
            f"holds {CORPUS}, {QUERIES} and {QRELS}/test.tsv."
        )
    return [(str(one.relative_to(folder)), one) for one in found]


def load(folder: Path, name: str, split: str = "test") -> Dataset:
    """Read a collection and the judgements of one split.

    Raises:
        InvalidRequest: a file is missing, unreadable or names what is not there; says which line.
    """
    judgements = _split(folder, split)
    entries = list(_entries(_there(folder / CORPUS)))
    queries = dict(_queries(_there(folder / QUERIES)))
    qrels = _qrels(judgements, {entry.id for entry in entries}, queries)
    answered = {
        query: grades for query, grades in qrels.items() if any(one > 0 for one in grades.values())
    }
    if not answered:
        raise InvalidRequest(f"{judgements} judges no document relevant to any query.")
    return Dataset(
        name=name,
        split=split,
        entries=entries,
        queries={query: queries[query] for query in answered},
        qrels=answered,
        unjudged=len(qrels) - len(answered),
        total=len(entries),
    )


def _split(folder: Path, split: str) -> Path:
    path = folder / QRELS / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(one.stem for one in (folder / QRELS).glob("*.tsv")))
        advice = f"its splits are {there}." if there else f"{QRELS}/ holds no .tsv file at all."
        raise InvalidRequest(f"{folder} has no split {split!r}: {advice}")
    return path


def _there(path: Path) -> Path:
    if not path.is_file():
        raise InvalidRequest(f"{path} is missing: a collection in the layout of BEIR has it.")
    return path


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in _objects(path):
        where = f"{path}, line {number}"
        yield Entry(line["_id"], _text(line, "title", where), _text(line, "text", where))


def _queries(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in _objects(path):
        text = _text(line, "text", f"{path}, line {number}")
        if not text.strip():
            raise InvalidRequest(f"{path}, line {number}: query {line['_id']!r} has no text.")
        yield line["_id"], text


def _objects(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number → object; each has an ``_id``, as text, that no other one has."""
    seen: set[str] = set()
    for number, line in _lines(path):
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"{path}, line {number} is not JSON: {error}.") from error
        if not isinstance(told, dict) or not isinstance(told.get("_id"), str | int):
            raise InvalidRequest(f"{path}, line {number} is not an object with an _id.")
        told["_id"] = str(told["_id"])
        if told["_id"] in seen:
            raise InvalidRequest(f"{path}, line {number}: _id {told['_id']!r} is there twice.")
        seen.add(told["_id"])
        yield number, told
    if not seen:
        raise InvalidRequest(f"{path} is empty.")


def _text(line: Mapping[str, object], name: str, where: str) -> str:
    told = line.get(name)
    if told is not None and not isinstance(told, str):
        raise InvalidRequest(f"{where}: {name} is no text.")
    return told or ""


def _qrels(path: Path, documents: set[str], queries: Mapping[str, str]) -> Qrels:
    found: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        cells = next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE))
        if len(cells) != 3:
            raise InvalidRequest(
                f"{where} has {len(cells)} columns; there must be a query's id, a document's id "
                "and a grade, with tabs between."
            )
        query, document, grade = (cell.strip() for cell in cells)
        if number == 1 and not _is_number(grade):
            continue  # the header
        if not _is_number(grade):
            raise InvalidRequest(f"{where}: the grade {grade!r} is no whole number.")
        for what, name, known in (("query", query, queries), ("document", document, documents)):
            if name not in known:
                file = QUERIES if what == "query" else CORPUS
                raise InvalidRequest(f"{where}: {what} {name!r} is not in {file}.")
        found.setdefault(query, {})[document] = max(0, int(grade))
    return found


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, numbered from 1."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8: {error.reason}.") from error
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror or error}.") from error
