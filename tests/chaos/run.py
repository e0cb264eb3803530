"""One run: the load, with or without faults, to its rest and the verdict."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ragline.embedding.prepare import ensure
from ragline.embedding.tokenizer import WordPieceTokenizer
from tests.chaos import drive, load, project, rest, verdict
from tests.chaos.monkey import Monkey, killed_within
from tests.chaos.project import Chaos
from tests.chaos.rest import Rest
from tests.chaos.verdict import Verdict

Say = Callable[[str], None]

DUPLICATES = 0.1
"""Of the messages and of the bucket's events."""


@dataclass(frozen=True, slots=True)
class Size:
    """``every``: seconds from one fault to the next."""

    documents: int
    sections: int = load.SECTIONS
    every: float = 2.0
    patience: float = rest.PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did and what came of it. ``seconds``: from the first upload to rest."""

    size: Size
    chunks: int
    seconds: float
    kills: int
    faults: int
    redeliveries: int
    rest: Rest
    verdict: Verdict

    def wrong(self) -> list[str]:
        return [*(f"not at rest: {each}" for each in self.rest.waiting), *self.verdict.all()]


def run(size: Size, seed: int, *, faults: bool, say: Say) -> Outcome:
    """The load of ``seed`` on a local cloud of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="ragline-chaos-") as folder,
        project.started(Path(folder), duplicates=DUPLICATES if faults else 0.0) as chaos,
    ):
        return play(chaos, size, seed, faults=faults, say=say)


def play(chaos: Chaos, size: Size, seed: int, *, faults: bool, say: Say) -> Outcome:
    """As ``run``, on a stack that is there."""
    scripts = load.scripts(size.documents, seed, size.sections)
    tokenizer = WordPieceTokenizer(ensure("int8"))
    monkey = Monkey(chaos, seed, size.every)
    before = (killed_within(chaos), len(chaos.fired()), chaos.messages_again())
    begun = time.monotonic()
    with monkey.at_work() if faults else contextlib.nullcontext():
        say(f"{size.documents} documents, {'with' if faults else 'without'} faults")
        drive.perform(chaos.stack, scripts)
        say(f"all is uploaded after {time.monotonic() - begun:.0f} s")
        if faults:
            _until_nearly_done(chaos, scripts)
            say(f"the last fault comes after {time.monotonic() - begun:.0f} s")
    calm = rest.come_to_rest(chaos, scripts, size.patience)
    seconds = time.monotonic() - begun
    say(f"all is at rest after {seconds:.0f} s" if not calm.waiting else "it comes to no rest")
    return Outcome(
        size,
        sum(len(load.chunk_texts(each, each.final or 1, tokenizer)) for each in scripts),
        seconds,
        monkey.kills + killed_within(chaos) - before[0],
        monkey.kills + len(chaos.fired()) - before[1],
        monkey.events_again + chaos.messages_again() - before[2],
        calm,
        verdict.examine(chaos, scripts, tokenizer),
    )


def _until_nearly_done(chaos: Chaos, scripts: list[load.Script]) -> None:
    """Faults go on while there is work to break: until nine documents of ten have ended."""
    deadline = time.monotonic() + 1_800
    while time.monotonic() < deadline:
        found = rest.documents(chaos, scripts).values()
        if sum(each.terminal for each in found) >= 0.9 * len(scripts):
            return
        time.sleep(1)
