"""The figures of parsers as Markdown tables: one a format, a row a parser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.bench.parsers.measures import Score, score
from tests.bench.parsers.references import Case
from tests.bench.parsers.running import Answer


@dataclass(frozen=True, slots=True)
class Result:
    """What one parser made of the files of a format; ``size`` in MiB, installed."""

    parser: str
    answers: Sequence[Answer]
    version: str
    licence: str
    size: float


def markdown(format: str, cases: Sequence[Case], results: Sequence[Result]) -> str:
    """Scores are means over files, ``F1 / order``; a file that was not read scores 0."""
    kinds = list(dict.fromkeys(case.kind for case in cases if case.reference is not None))
    counts = [
        sum(case.kind == kind and case.reference is not None for case in cases) for kind in kinds
    ]
    per = "pages/s" if any(case.pages for case in cases) else "files/s"
    heads = [f"{kind} ({count})" for kind, count in zip(kinds, counts, strict=True)]
    columns = [format, *heads, "unread", per, "MB", "installed MB", "licence"]
    lines = [_line(columns), _line(["---", *["---:"] * (len(columns) - 2), "---"])]
    lines += [_line(_cells(cases, result, kinds)) for result in results]
    return "\n".join(lines) + "\n"


def each(cases: Sequence[Case], results: Sequence[Result]) -> str:
    """A line per file that has a reference or was not read."""
    return "\n".join(line for result in results for line in _lines(cases, result)) + "\n"


def _cells(cases: Sequence[Case], result: Result, kinds: Sequence[str]) -> Iterator[str]:
    scored = list(_scored(cases, result))
    yield "**ours**" if result.parser == "ours" else f"{result.parser} {result.version}"
    for kind in kinds:
        scores = [one for case, one in scored if case.kind == kind]
        yield f"{fmean(one.f1 for one in scores):.3f} / {fmean(one.order for one in scores):.3f}"
    read = [(c, a) for c, a in zip(cases, result.answers, strict=True) if not a.error]
    seconds = sum(answer.seconds for _, answer in read)
    done = sum(case.pages for case, _ in read) or len(read)
    yield str(len(cases) - len(read))
    yield f"{done / seconds:,.0f}" if seconds else ""
    yield f"{max((answer.peak for answer in result.answers), default=0):.0f}"
    yield f"{result.size:.0f}"
    yield (
        "MIT; of its libraries BSD, MIT, Apache-2.0" if result.parser == "ours" else result.licence
    )


def _scored(cases: Sequence[Case], result: Result) -> Iterator[tuple[Case, Score]]:
    for case, answer in zip(cases, result.answers, strict=True):
        if case.reference is not None:
            yield case, score(answer.text, case.reference)


def _lines(cases: Sequence[Case], result: Result) -> Iterator[str]:
    for case, answer in zip(cases, result.answers, strict=True):
        if case.reference is not None or answer.error:
            found = score(answer.text, case.reference or "") if case.reference else Score(0, 0)
            said = f"{found.f1:.3f} {found.order:.3f} {answer.seconds:6.2f} s {answer.error}"
            yield f"{result.parser:14} {case.path.name:45} {said}"


def _line(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
