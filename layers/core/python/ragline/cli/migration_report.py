"""What a migration did, and what the comparison with the ledger says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from ragline.cli.doctor import finding_answer, findings_table, kinds
from ragline.cli.migration_target import Target
from ragline.cli.screen import Screen, line
from ragline.usecases.doctor import Report
from ragline.usecases.migrate import Plan, Trouble

ON_SCREEN = 50


@dataclass(slots=True)
class Outcome:
    """What a run did. ``waiting``: messages that the queues still held at its end."""

    embedded: int = 0
    reused: int = 0
    gone: int = 0
    troubles: list[Trouble] = field(default_factory=list)
    waiting: int = 0


def tell(
    screen: Screen, target: Target, plan: Plan, outcome: Outcome, report: Report | None
) -> None:
    screen.give(_answer(target, plan, outcome, report))
    screen.show(
        Text(
            f"{target.name}: {plan.documents:,} documents, {plan.chunks:,} chunks; "
            f"{plan.missing:,} chunks of {len(plan.tasks):,} documents were missing."
        )
    )
    if outcome.embedded or outcome.reused:
        gone = f"; {outcome.gone} documents went meanwhile" if outcome.gone else ""
        screen.show(
            Text(f"embedded {outcome.embedded:,}, from stored vectors {outcome.reused:,}{gone}.")
        )
    if outcome.troubles:
        screen.show(Text(), _troubles(outcome.troubles))
    if report and report.findings:
        screen.show(Text(), findings_table(report.findings))
    style = "dim" if report is None else "bold green" if _well(outcome, report) else "bold red"
    screen.show(Text(), Text(_sentence(target, outcome, report), style=style))


def _well(outcome: Outcome, report: Report) -> bool:
    return report.healthy and not outcome.troubles and not outcome.waiting


def _sentence(target: Target, outcome: Outcome, report: Report | None) -> str:
    if report is None:
        return "nothing was changed."
    if outcome.waiting:
        return f"The queues are not empty ({outcome.waiting} to go): give --verify when they are."
    if not report.healthy:
        return f"Not complete: {kinds(report.findings)}. Give the same command again."
    if outcome.troubles:
        return "Complete but for the documents above."
    return f"Verified: every chunk is found, and nothing else. {target.advice}"


def _answer(target: Target, plan: Plan, outcome: Outcome, report: Report | None) -> dict[str, Any]:
    return {
        "store": target.store,
        "model": target.fingerprint,
        "deployed_model": target.deployed,
        "documents": plan.documents,
        "chunks": plan.chunks,
        "missing": plan.missing,
        "embedded": outcome.embedded,
        "reused": outcome.reused,
        "gone": outcome.gone,
        "waiting_messages": outcome.waiting,
        "troubles": [
            {
                "document_id": one.document.document_id,
                "collection": one.document.partition.collection,
                "generation": one.generation,
                "chunks": one.chunks,
                "code": one.code,
                "message": one.message,
            }
            for one in outcome.troubles
        ],
        "verified": report.healthy if report else None,
        "findings": [finding_answer(one) for one in report.findings] if report else [],
    }


def _troubles(troubles: Sequence[Trouble]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("document", "file", "chunks", "code"):
        table.add_column(name, no_wrap=name != "file")
    table.add_column("why", overflow="fold")
    for one in troubles[:ON_SCREEN]:
        table.add_row(*map(_cell, _cells(one)))
    if (left := len(troubles) - ON_SCREEN) > 0:
        table.add_row("…", f"{left} more", "", "", "--json shows all of them")
    return table


def _cells(one: Trouble) -> Iterable[str]:
    document = one.document
    return document.document_id, document.filename, str(one.chunks), one.code, one.message


def _cell(text: str) -> Text:
    return Text(line(text))
