from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ragline.adapters.memory.objects import MemoryObjects
from ragline.chunking import chunk, extracted_text
from ragline.domain.chunking import Chunking, Strategy, Tables
from ragline.domain.chunks import Block, Chunk, Extraction, Part
from ragline.domain.keys import part_key
from ragline.usecases.search import SearchRequest, SearchResult, search
from ragline.usecases.sections import MOST_HITS, joined
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_chunking import BLOCKS, Words

FAMILY = Chunking(Strategy.PARENT_CHILD, 16, 0, Tables.ROWS, 200)
GATE = "The gate opens at nine. " + "It is guarded by a porter who sleeps. " * 3
TEXT = f"# Gate\n\n{GATE}\n\nThe key hangs on a nail.\n\n# Wall\n\nThe wall is old."


@dataclass
class Counting(MemoryObjects):
    reads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        MemoryObjects.__init__(self)

    def get(self, key: str, etag: str = "") -> bytes | None:
        self.reads.append(key)
        return super().get(key, etag)


def families(text: str = TEXT, **documents: str) -> Pipeline:
    pipeline = Pipeline(limits=replace(LIMITS, chosen=FAMILY), objects=Counting())
    for document_id, each in {"doc": text, **documents}.items():
        pipeline.drop(each, document_id)
    pipeline.run()
    return pipeline


def ask(pipeline: Pipeline, query: str, limit: int = 10) -> SearchResult:
    return search(
        SearchRequest(HANDBOOK, query, limit),
        embedder=pipeline.embedder,
        index=pipeline.index,
        ledger=pipeline.ledger,
        objects=lambda: pipeline.objects,
    )


def test_a_small_passage_is_found_and_its_section_returned() -> None:
    found = ask(families(), "nail")
    best = found.hits[0]
    assert best.passage.chunk.text == "The key hangs on a nail."
    section = found.sections[best.passage.chunk_id]
    assert section.text == f"Gate\n\n{GATE.strip()}\n\nThe key hangs on a nail."
    assert section.carrier == best.passage.chunk_id
    assert section.first == 0 and section.last == best.passage.chunk.ordinal
    assert "sections" in found.timings_ms


def test_the_best_hit_of_a_section_carries_it_and_the_others_name_that_hit() -> None:
    found = ask(families(), "porter gate")
    of_gate = [hit for hit in found.hits if hit.passage.chunk.headings == ("Gate",)]
    assert len(of_gate) > 2
    sections = [found.sections[hit.passage.chunk_id] for hit in of_gate]
    assert sections[0].text and not any(one.text for one in sections[1:])
    assert {one.carrier for one in sections} == {of_gate[0].passage.chunk_id}


def test_a_part_is_read_once_however_many_hits_are_in_it() -> None:
    pipeline = families()
    assert isinstance(pipeline.objects, Counting)
    pipeline.objects.reads.clear()
    assert len(ask(pipeline, "porter gate").hits) > 2
    assert pipeline.objects.reads == [part_key(Part(HANDBOOK, "doc", 1, 0, 16))]


def test_a_section_that_lies_in_several_parts_is_read_from_all() -> None:
    text = "# Log\n\n" + "\n\n".join(f"Entry {n} tells of the weather at sea." for n in range(40))
    pipeline = Pipeline(
        limits=replace(LIMITS, chosen=replace(FAMILY, section_tokens=2_000)), objects=Counting()
    )
    pipeline.drop(text)
    pipeline.run()
    found = ask(pipeline, "entry 39", limit=1)
    (section,) = found.sections.values()
    assert section.last - section.first > 32
    assert section.text.endswith("Entry 39 tells of the weather at sea.")
    assert section.text.count("Entry 7 ") == 1


def test_a_collection_cut_otherwise_reads_nothing() -> None:
    pipeline = Pipeline(objects=Counting())
    pipeline.drop(TEXT)
    pipeline.run()
    assert isinstance(pipeline.objects, Counting)
    pipeline.objects.reads.clear()
    found = ask(pipeline, "nail")
    assert found.hits and not found.sections and "sections" not in found.timings_ms
    assert pipeline.objects.reads == []


def test_a_hit_whose_part_is_gone_goes_without_its_section() -> None:
    pipeline = families()
    pipeline.objects.delete([part_key(Part(HANDBOOK, "doc", 1, 0, 16))])
    found = ask(pipeline, "nail")
    assert found.hits and not found.sections


def test_sections_are_returned_while_the_document_is_replaced() -> None:
    pipeline = families()
    pipeline.limits = LIMITS
    pipeline.drop("# Gate\n\nQuite another text.", sequencer="2")
    found = ask(pipeline, "nail")
    assert found.sections[found.hits[0].passage.chunk_id].text.startswith("Gate")


def test_sections_are_bounded() -> None:
    many = {f"doc-{n:02}": f"# Nail {n}\n\nA nail of kind {n}." for n in range(MOST_HITS + 5)}
    found = ask(families(**many), "nail", limit=MOST_HITS + 5)
    assert len(found.hits) == MOST_HITS + 5
    assert len(found.sections) == MOST_HITS
    assert all(hit.passage.chunk_id in found.sections for hit in found.hits[:MOST_HITS])


@settings(max_examples=200, deadline=None)
@given(
    blocks=BLOCKS, most=st.integers(16, 60), overlap=st.integers(0, 30), more=st.integers(0, 200)
)
def test_a_section_is_its_text_as_it_stands_in_the_document(
    blocks: list[Block], most: int, overlap: int, more: int
) -> None:
    extraction = Extraction(blocks)
    chunking = Chunking(Strategy.PARENT_CHILD, most, overlap, Tables.ROWS, most + more)
    chunks = list(chunk(extraction, tokenizer=Words(), chunking=chunking))
    text = extracted_text(extraction)
    for family in _families(chunks):
        first = family[0]
        header = first.text[: len(first.text) - (first.end - first.start)]
        assert joined(family) == header + text[first.start : max(one.end for one in family)]


def _families(chunks: list[Chunk]) -> list[list[Chunk]]:
    spans = {(one.section.first, one.section.last) for one in chunks if one.section}
    return [chunks[first : last + 1] for first, last in sorted(spans)]
