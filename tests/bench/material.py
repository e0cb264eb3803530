"""What is measured on: sentences that people wrote, files made of them, and their chunks."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

from ragline import chunking, parsing
from ragline.domain.chunking import Chunking
from ragline.embedding.tokenizer import WordPieceTokenizer
from ragline.settings import Settings

ROOT = Path(__file__).parents[2]
TOKENS = 190
"""Of a typical chunk; what the embedding is measured on."""

QUESTIONS = (
    "How many times is a message received before it is a dead letter?",
    "largest file of the direct upload",
    "reciprocal rank fusion",
    "What does the status partial mean?",
    "generation of a replaced document",
)

_SENTENCE = re.compile(r"(?<=[.?!])\s+")


def made(count: int) -> dict[str, bytes]:
    """Documents of some twenty chunks each, of the handbook's sentences in a shuffled order."""
    sentences, pick = handbook(), random.Random(0)
    files = {}
    for number in range(count):
        sections = []
        for section in range(10):
            body = " ".join(pick.sample(sentences, min(24, len(sentences))))
            sections.append(f"## Section {section} of {number}\n\n{body}\n")
        files[f"made-{number:04d}.md"] = "\n".join(sections).encode()
    return files


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@cache
def handbook() -> list[str]:
    """The sentences of docs/handbook; some hundreds."""
    found: list[str] = []
    for path in sorted((ROOT / "docs/handbook").iterdir()):
        if path.suffix in {".md", ".html", ".pdf", ".docx"}:
            for block in parsing.extract(parsing.Source(path, path.name)).blocks:
                if block.kind == "paragraph":
                    found += _SENTENCE.split(block.text)
    return found


@cache
def sentences() -> list[str]:
    """The handbook's, and some thousands of the Python reference, which comes with Python.

    Also those of the judged collections below ``RAGLINE_DATA``, if it is set.
    """
    found = list(handbook())
    for topic in topics.values():
        found += _SENTENCE.split(" ".join(topic.split()))
    data = os.environ.get("RAGLINE_DATA")
    if data:
        for path in sorted(Path(data).glob("*/corpus.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                found += _SENTENCE.split(json.loads(line)["text"])
    # A sentence is no heading, and no table that lost its lines.
    return [one for one in dict.fromkeys(found) if 30 <= len(one) <= 400]


def chunk_texts(files: dict[str, bytes], model: Path) -> list[str]:
    """What the embedder reads of these files: their chunks, with the headings above them."""
    tokenizer = WordPieceTokenizer(model)
    sizes = Chunking(
        max_tokens=Settings.model_fields["chunk_tokens"].default,
        overlap_tokens=Settings.model_fields["chunk_overlap_tokens"].default,
    )
    return [
        chunk.searched
        for name, data in files.items()
        for chunk in chunking.chunk(
            parsing.extract(parsing.Source(data, name)),
            tokenizer=tokenizer,
            chunking=sizes,
        )
    ]


def of_tokens(count: int, model: Path, tokens: int = TOKENS) -> list[str]:
    """Texts of ``tokens`` tokens of the model each, special tokens left out."""
    tokenizer, pick, known = WordPieceTokenizer(model), random.Random(1), sentences()
    texts = []
    for _ in range(count):
        text = " ".join(pick.choices(known, k=tokens // 4))
        texts.append(text[: tokenizer.offsets(text)[tokens - 1][1]])
    return texts


def questions(count: int) -> Sequence[str]:
    """Distinct queries: the handbook's questions, and runs of five to nine words of sentences."""
    pick, known = random.Random(2), sentences()
    asked = list(QUESTIONS)
    while len(asked) < count:
        words = pick.choice(known).split()
        start = pick.randrange(max(1, len(words) - 5))
        asked.append(" ".join(words[start : start + pick.randint(5, 9)]))
    return asked[:count]
