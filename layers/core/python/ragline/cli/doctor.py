"""`ragline doctor`: whether ledger, bucket and index agree, and what to do if they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.stack_ports import StackPorts
from ragline.cli.target import Choice, account
from ragline.domain.times import utc_now
from ragline.ports import Queues
from ragline.usecases.doctor import Finding, Report, examine
from ragline.usecases.repair import repair

ON_SCREEN = 100
LONGEST_WAIT = 120.0
PAUSE = 2.0
QUIET_ROUNDS = 3
"""SQS only estimates how many messages it holds: one look that finds none proves little."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``waiting``: messages on the queues. After a repair: what was ``repaired``, and what of the
    findings it could not set right.
    """

    report: Report
    waiting: int = 0
    repaired: Sequence[Finding] | None = None
    beyond_repair: Sequence[Finding] = ()


def doctor(
    ctx: typer.Context,
    mend: Annotated[
        bool, typer.Option("--repair", help="Set right what can be, and examine again.")
    ] = False,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Compare the ledger with the uploads, chunks, vectors and index rows, of all tenants.

    Reads all of it, so it takes some minutes at a million chunks, and needs AWS credentials (not
    just the API key). Exits with 1 if anything is wrong.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    where = account(Choice(stack, profile, endpoint, region), outside)
    ports = outside.ports(where)
    screen.say(f"examining stack {where.stack}")
    report = _lasting(_examine(ports), ports)
    if mend and not report.healthy:
        diagnosis = _mend(report, ports, outside, screen)
    else:
        waiting = 0 if report.healthy else _waiting(ports.queues)
        diagnosis = Diagnosis(report, waiting)
    screen.give(_answer(diagnosis))
    screen.show(_totals(diagnosis.report))
    if diagnosis.report.findings:
        screen.show(Text(), _table(diagnosis.report.findings))
    healthy = diagnosis.report.healthy
    screen.show(Text(), Text(_sentence(diagnosis), style="bold green" if healthy else "bold red"))
    if not healthy:
        raise typer.Exit(exits.FAILED)


def _examine(ports: StackPorts) -> Report:
    return examine(ledger=ports.ledger, objects=ports.objects, index=ports.index, now=utc_now())


def _lasting(report: Report, ports: StackPorts) -> Report:
    """What is found a second time: what comes or goes between the reads of one examination looks
    like a fault, and to repair it would be one.
    """
    if report.healthy:
        return report
    before = {_name(one) for one in report.findings}
    again = _examine(ports)
    return Report([one for one in again.findings if _name(one) in before], again.totals)


def _mend(report: Report, ports: StackPorts, outside: Outside, screen: Screen) -> Diagnosis:
    screen.say(f"waiting for the queues to empty, at most {LONGEST_WAIT:.0f} s; examining again")
    _wait(ports.queues, outside)
    faults = _lasting(report, ports).findings
    screen.say(f"repairing {len(faults)} of {len(report.findings)} findings")
    beyond = repair(faults, ledger=ports.ledger, objects=ports.objects, queues=ports.queues)
    repaired = [one for one in faults if one not in beyond]
    screen.say("waiting for the queues to empty once more; examining again")
    waiting = _wait(ports.queues, outside)
    return Diagnosis(_lasting(_examine(ports), ports), waiting, repaired, beyond)


def _name(finding: Finding) -> tuple[object, ...]:
    """What makes it the same finding in another examination."""
    where = (finding.kind, finding.subject, finding.partition)
    return (*where, tuple(finding.ordinals), tuple(finding.keys))


def _wait(queues: Queues, outside: Outside) -> int:
    """Wait until the queues hold nothing, for some looks on end; how much they hold in the end."""
    deadline, quiet = outside.clock() + LONGEST_WAIT, 0
    while True:
        waiting = _waiting(queues)
        quiet = 0 if waiting else quiet + 1
        if quiet == QUIET_ROUNDS or outside.clock() >= deadline:
            return waiting
        outside.sleep(PAUSE)


def _waiting(queues: Queues) -> int:
    backlog = queues.backlog()
    return backlog.pages + backlog.chunks + backlog.index_ops


def _sentence(diagnosis: Diagnosis) -> str:
    number, waiting = len(diagnosis.report.findings), diagnosis.waiting
    mended = f"Repaired: {_kinds(diagnosis.repaired)}. " if diagnosis.repaired else ""
    if not number:
        now = " now" if mended else ""
        return f"{mended}The ledger, the bucket and the index agree{now}."
    told = f"{number} finding{'' if number == 1 else 's'}: {_kinds(diagnosis.report.findings)}."
    if waiting:
        return f"{told} The queues are not empty ({waiting} to go): look again when they are."
    if diagnosis.repaired is None:
        return f"{told} `ragline doctor --repair` sets right what can be."
    if diagnosis.beyond_repair:
        return f"{mended}{told} Of some the bytes are gone: upload those again, or delete them."
    return f"{mended}{told} `ragline logs` may say why."


def _kinds(findings: Sequence[Finding]) -> str:
    kinds = Counter(finding.kind.value for finding in findings)
    return ", ".join(f"{name} {times}" for name, times in kinds.most_common())


def _answer(diagnosis: Diagnosis) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "healthy": diagnosis.report.healthy,
        "totals": dict(diagnosis.report.totals),
        "findings": [_finding(one) for one in diagnosis.report.findings],
        "waiting_messages": diagnosis.waiting,
    }
    if diagnosis.repaired is not None:
        answer["repair"] = {
            "repaired": [_finding(one) for one in diagnosis.repaired],
            "beyond_repair": [_finding(one) for one in diagnosis.beyond_repair],
        }
    return answer


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "subject": finding.subject,
        "partition": str(finding.partition) if finding.partition else None,
        "detail": finding.detail,
    }


def _totals(report: Report) -> Text:
    told = ", ".join(f"{name} {number:,}" for name, number in report.totals.items() if number)
    return Text(f"compared: {told or 'nothing; the stack is empty'}")


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kind", no_wrap=True)
    table.add_column("subject", overflow="fold")
    table.add_column("detail", overflow="fold")
    for each in findings[:ON_SCREEN]:
        table.add_row(Text(each.kind.value), Text(line(each.subject)), Text(line(each.detail)))
    if (left := len(findings) - ON_SCREEN) > 0:
        table.add_row("…", f"{left} more", "--json shows all of them")
    return table
