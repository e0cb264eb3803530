"""What the chaos run puts through the pipeline, and what must be true of it at the end.

Everything follows from the seed: the documents' texts, which of them are replaced, deleted or
brought back, by which door (the API, the bucket), and how long after the step before.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ragline import chunking, parsing
from ragline.domain.documents import dropped_id
from ragline.ports import Tokenizer

COLLECTIONS = ("harbour", "station", "archive")
SECTIONS = 20
"""Of a document; each becomes a chunk, more or less."""

FATES = (
    *("kept", "replaced", "kept", "deleted", "kept", "kept", "back", "kept", "replaced", "kept"),
    *("kept", "deleted", "kept", "kept", "replaced", "kept", "deleted", "kept", "back", "kept"),
)

_WORDS = (
    ("The old", "A quiet", "Every second", "The harbour's", "No", "Another", "The northern"),
    ("lamp", "ferry", "gauge", "ledger", "bridge", "archive", "barometer", "pilot", "signal"),
    ("follows", "records", "passes", "warns of", "outlasts", "measures", "replaces", "meets"),
    ("the evening tide", "a heavy swell", "the first train", "its own shadow", "the spare key"),
    ("before noon.", "without a sound.", "in late autumn.", "as the rules say.", "once a week."),
)  # fmt: skip


class Step(StrEnum):
    """What is done with a document."""

    PUT = "put"
    API_DELETE = "api_delete"
    BUCKET_DELETE = "bucket_delete"


@dataclass(frozen=True, slots=True)
class Action:
    """``pause``: seconds after the step before; None to wait until that is through."""

    step: Step
    version: int = 0
    pause: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """One document's fate."""

    number: int
    registered: bool
    sections: int
    actions: tuple[Action, ...]

    @property
    def collection(self) -> str:
        return COLLECTIONS[self.number % len(COLLECTIONS)]

    @property
    def filename(self) -> str:
        return f"paper-{self.number:04d}.md"

    @property
    def document_id(self) -> str:
        return f"paper-{self.number:04d}" if self.registered else dropped_id(self.key)

    @property
    def key(self) -> str:
        folder = f"paper-{self.number:04d}" if self.registered else "dropped/here"
        return f"uploads/default/{self.collection}/{folder}/{self.filename}"

    @property
    def versions(self) -> list[int]:
        return [action.version for action in self.actions if action.step is Step.PUT]

    @property
    def final(self) -> int | None:
        """The version that must be there at the end; None for a deleted document."""
        last = self.actions[-1]
        return last.version if last.step is Step.PUT else None

    def text(self, version: int) -> bytes:
        """Every third section differs from version to version and names it, the others stay."""
        return "\n".join(self._sections(version)).encode()

    def _sections(self, version: int) -> Iterator[str]:
        yield f"# Paper {self.number}\n"
        for n in range(self.sections):
            own = n % 3 == 0
            pick = random.Random(f"{self.number}/{n}/{version if own else 0}")
            said = " ".join(" ".join(map(pick.choice, _WORDS)) for _ in range(14))
            named = f"Its mark is {self.mark(version)}. " if own else ""
            yield f"## Section {n} of paper {self.number}\n\n{named}{said}\n"

    def mark(self, version: int) -> str:
        """A word that stands in this version of this document and nowhere else."""
        return f"mark{self.number:04d}v{version}"


def scripts(count: int, seed: int, sections: int = SECTIONS) -> list[Script]:
    draw = random.Random(seed)
    return [
        Script(n, draw.random() < 0.7, sections, tuple(_actions(FATES[n % len(FATES)], draw)))
        for n in range(count)
    ]


def _actions(fate: str, draw: random.Random) -> Iterator[Action]:
    def pause() -> float | None:
        return draw.choice((0.0, 0.0, draw.uniform(0.2, 4), None))

    delete = draw.choice((Step.API_DELETE, Step.BUCKET_DELETE))
    yield Action(Step.PUT, 1)
    if fate == "replaced":
        for version in range(2, draw.choice((3, 3, 4))):
            yield Action(Step.PUT, version, pause())
    if fate in {"deleted", "back"}:
        yield Action(delete, pause=pause())
    if fate == "back":
        yield Action(Step.PUT, draw.choice((1, 2)), pause())


def chunk_texts(script: Script, version: int, tokenizer: Tokenizer) -> list[str]:
    """The chunks that this version must be cut into."""
    extraction = parsing.extract(parsing.Source(script.text(version), script.filename))
    cut = chunking.chunk(extraction, tokenizer=tokenizer)
    return [chunk.text for chunk in cut]


def stale_marks(script: Script) -> Sequence[str]:
    """Words that nothing may find at the end."""
    return [script.mark(version) for version in {*script.versions} - {script.final}]


def foreign_marks(text: str, script: Script) -> set[str]:
    """Marks in a text that are not those of the script's final version."""
    mine = set() if script.final is None else {script.mark(script.final)}
    return set(re.findall(r"mark\d{4}v\d", text)) - mine
