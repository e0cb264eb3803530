"""What became of a folder's files, as a table: kind by ending."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

UNENDED = "not terminal"
_FIRST = ("indexed", "partial", "empty")


@dataclass(frozen=True, slots=True)
class Ending:
    """``state``: indexed, partial, empty, ``failed: reason``, or ``UNENDED``. ``seconds``: from the
    registration to the end, 0 where it did not come to that. ``pages``: kind → how many."""

    name: str
    kind: str
    state: str
    detail: str = ""
    seconds: float = 0.0
    chunks: int = 0
    pages: Mapping[str, int] = field(default_factory=dict)


def coverage(endings: Sequence[Ending]) -> float | None:
    """The share of their pages with anything on them whose text is known; None without pages."""
    pages: Counter[str] = Counter()
    for ending in endings:
        pages.update(ending.pages)
    printed = sum(pages.values()) - pages["blank"]
    return (pages["text"] + pages["ocr"]) / printed if printed else None


def table(endings: Sequence[Ending]) -> str:
    """Markdown; a column for each state that occurs, ``UNENDED`` always."""
    by_kind: dict[str, list[Ending]] = defaultdict(list)
    for ending in endings:
        by_kind[ending.kind].append(ending)
    failed = sorted({ending.state for ending in endings} - {*_FIRST, UNENDED})
    states = [*_FIRST, *failed, UNENDED]
    head = ["kind", "files", *states, "coverage", "chunks", "seconds, median", "most"]
    rows = [_row(kind, by_kind[kind], states) for kind in sorted(by_kind)]
    rows.append(_row("all", endings, states))
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "|---|" + "---:|" * (len(head) - 1))
    return "\n".join(lines)


def _row(kind: str, endings: Sequence[Ending], states: Sequence[str]) -> list[str]:
    counts = Counter(ending.state for ending in endings)
    seconds = sorted(ending.seconds for ending in endings if ending.seconds)
    known = coverage(endings)
    return [
        kind,
        str(len(endings)),
        *(str(counts[state] or ("0" if state == UNENDED else "")) for state in states),
        "" if known is None else f"{known:.1%}",
        f"{sum(ending.chunks for ending in endings):,}",
        f"{seconds[len(seconds) // 2]:.1f}" if seconds else "",
        f"{seconds[-1]:.1f}" if seconds else "",
    ]
