"""Mutants through the parsers, as the splitter runs them, and what became of each."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from ragline.domain.errors import PermanentError
from ragline.ports import LocalFile, OcrLine, Reading
from ragline.reading.parent import GRACE_SECONDS, ChildReader
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import PASSWORD, seeds

SECONDS = 20.0
"""For one mutant of a few kilobytes, on a machine that is busy with other things."""

MEGABYTES = 1_200
_GENERIC = re.compile(r"cannot be read \((\w+)\)")

CRASHED, ESCAPED, HUNG, SLOW = "crashed", "escaped", "hung", "slow"
"""Not outcomes but what must not be: the child died; an error of no name came out; the child was
killed at the deadline; it took so long although it said so itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong with which mutant, and where it is kept."""

    kind: str
    mutant: str
    detail: str
    path: Path | None


@dataclass
class Tally:
    """``outcomes``: (format, outcome) → how many; ``generic``: what the last resort caught."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    generic: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def bad(self) -> list[Finding]:
        """What the caller saw and must not: all but crashes, which stay in the child."""
        return [one for one in self.findings if one.kind != CRASHED]


class Engine:
    """Reads the same in every picture, so that pages are rendered and laid out."""

    fingerprint = "fuzz"

    def read(self, image: bytes) -> Sequence[OcrLine]:
        return [OcrLine("A line of text", 10, 10, 200, 30)] if image else []


def fuzz(
    mutants: int,
    seed: int,
    *,
    only: str = "",
    keep: Path | None = None,
    told: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Damage each of the seeds in turn, until there were so many; ``only`` of one format."""
    tally, reader = Tally(), ChildReader(MEGABYTES)
    try:
        with TemporaryDirectory() as folder:
            for done, (mutant, name, data) in enumerate(islice(made(seed, only), mutants), 1):
                _try(mutant, name, data, reader, Path(folder), tally, keep)
                told(done)
    finally:
        reader.close()
    return tally


def made(seed: int, only: str = "") -> Iterator[tuple[str, str, bytes]]:
    """Without end: the mutant's own name, the file's, and the bytes."""
    others = list(seeds().values())
    wanted = {name: data for name, data in seeds().items() if only in ("", format_of(name))}
    if not wanted:
        raise SystemExit(f"there is no {only!r}: {', '.join(sorted(map(format_of, seeds())))}")
    number = 0
    while True:
        for name, data in wanted.items():
            number += 1
            yield f"{seed}-{number}", name, mutated(data, f"{seed}-{number}-{name}", others)


def format_of(name: str) -> str:
    return Path(name).suffix.removeprefix(".")


def _try(
    mutant: str,
    name: str,
    data: bytes,
    reader: ChildReader,
    folder: Path,
    tally: Tally,
    keep: Path | None,
) -> None:
    path = folder / "upload"
    path.write_bytes(data)
    begun, deaths = time.monotonic(), len(reader.deaths)
    file = LocalFile(path, len(data), hashlib.sha256(data).hexdigest())
    wanted = Reading(file, name, begun + SECONDS, password=PASSWORD)
    outcome, why = _outcome(reader, wanted)
    took = time.monotonic() - begun
    tally.outcomes[format_of(name), outcome] += 1
    tally.slowest = max(tally.slowest, took)
    if found := _GENERIC.search(why):
        tally.generic[found.group(1)] += 1
    kinds: list[tuple[str, str]] = []
    if outcome == ESCAPED:
        kinds.append((ESCAPED, why))
    if took > SECONDS:
        kinds.append((HUNG if took > SECONDS + GRACE_SECONDS * 0.9 else SLOW, f"{took:.1f} s"))
    for death in reader.deaths[deaths:]:
        if not took > SECONDS:
            kinds.append((CRASHED, f"{death.name} {death.where}"))
    for kind, detail in kinds:
        tally.findings.append(
            Finding(kind, f"{mutant} {name}", detail, _kept(keep, mutant, name, data))
        )


def _outcome(reader: ChildReader, wanted: Reading) -> tuple[str, str]:
    """What the splitter would make of it, and the words of the error."""
    try:
        survey = reader.survey(wanted)
        found = reader.extract(wanted, Engine())
        for member in reader.members(wanted) if survey.members else ():
            _read(member.read)
    except PermanentError as error:
        return error.code, str(error)
    except Exception as error:
        return ESCAPED, f"{type(error).__name__}: {error}"
    return ("text" if found.blocks else "no_text"), ""


def _read(member: Callable[[], bytes]) -> None:
    """One that cannot be read is named among its document's failures, and keeps no other."""
    try:
        member()
    except PermanentError:
        return


def _kept(keep: Path | None, mutant: str, name: str, data: bytes) -> Path | None:
    if keep is None:
        return None
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{mutant}-{name}"
    path.write_bytes(data)
    return path
