"""A short run of `make fuzz`, and that it would see what it looks for."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ragline.domain.errors import PermanentError
from ragline.reading.parent import ChildReader
from ragline.reading.process import Death
from tests.fuzz import run
from tests.fuzz.__main__ import report
from tests.fuzz.run import CRASHED, ESCAPED, HUNG, format_of, fuzz, made
from tests.fuzz.seeds import PASSWORD, seeds
from tests.reading import reading

FORMATS = set(map(format_of, seeds()))


def test_damaged_files_end_by_name_without_a_hang_or_a_crash() -> None:
    tally = fuzz(mutants=150, seed=20_261_121)
    assert not tally.findings, report(tally, 150, 20_261_121, 0)
    assert {name for name, _ in tally.outcomes} == FORMATS
    assert len({outcome for _, outcome in tally.outcomes}) > 2


def test_every_seed_can_be_read_while_it_is_whole() -> None:
    reader = ChildReader(run.MEGABYTES)
    for name, data in seeds().items():
        with reading(data, name) as wanted:
            outcome, why = run._outcome(reader, replace(wanted, password=PASSWORD))
        assert outcome == "text", f"{name}: {outcome} {why}"
    reader.close()


def test_the_same_seed_damages_alike_and_another_one_otherwise() -> None:
    first, again, other = (list(islice(made(seed), 60)) for seed in (1, 1, 2))
    assert first == again
    assert [data for *_, data in first] != [data for *_, data in other]


def test_most_mutants_are_damaged() -> None:
    whole = sum(data == seeds()[name] for _, name, data in islice(made(1), 200))
    assert whole < 20


class Misbehaving:
    """Instead of the parsers."""

    how = ""

    def __init__(self, megabytes: int) -> None:
        self.deaths: list[Death] = []

    def survey(self, wanted: object) -> object:
        match self.how:
            case "escapes":
                raise KeyError("nobody thought of this")
            case "crashes":
                self.deaths.append(Death(11, 0, "pdf.py"))
                raise PermanentError("it crashed")
            case _:
                run.time.advance(60)  # type: ignore[attr-defined]
                raise PermanentError("it took too long")

    def close(self) -> None:
        pass


class FakeTime:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("how", "kind"), [("escapes", ESCAPED), ("crashes", CRASHED), ("h", HUNG)])
def test_what_goes_wrong_is_found_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, kind: str
) -> None:
    monkeypatch.setattr(Misbehaving, "how", how)
    monkeypatch.setattr(run, "ChildReader", Misbehaving)
    monkeypatch.setattr(run, "time", FakeTime())
    tally = fuzz(mutants=1, seed=1, keep=tmp_path)
    (finding,) = tally.findings
    assert finding.kind == kind
    assert finding.path
    assert finding.path.read_bytes() == next(made(1))[2]
    assert bool(tally.bad) is (kind != CRASHED)
    assert f"- {kind}: 1-1" in report(tally, 1, 1, 0)
