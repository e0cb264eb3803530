"""`ragline doctor`: whether ledger, bucket and index agree, and what to do if they do not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.deployed import deployed_model
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.stack_ports import StackPorts
from ragline.cli.target import Choice, account
from ragline.cli.waiting import LONGEST_WAIT, wait, waiting
from ragline.domain.times import utc_now
from ragline.usecases.doctor import Finding, Kind, Report, examine
from ragline.usecases.repair import repair

ON_SCREEN = 100


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
    examined = partial(_examine, ports, deployed_model(where, outside))
    report = lasting(examined)
    if mend and not report.healthy:
        diagnosis = _mend(report, examined, ports, outside, screen)
    else:
        left = 0 if report.healthy else waiting(ports.queues)
        diagnosis = Diagnosis(report, left)
    screen.give(_answer(diagnosis))
    screen.show(_totals(diagnosis.report))
    if diagnosis.report.findings:
        screen.show(Text(), findings_table(diagnosis.report.findings))
    healthy = diagnosis.report.healthy
    screen.show(Text(), Text(_sentence(diagnosis), style="bold green" if healthy else "bold red"))
    if not healthy:
        raise typer.Exit(exits.FAILED)


def _examine(ports: StackPorts, fingerprint: str) -> Report:
    return examine(
        ledger=ports.ledger,
        objects=ports.objects,
        indexes=ports.indexes,
        fingerprint=fingerprint,
        now=utc_now(),
    )


def lasting(examined: Callable[[], Report], report: Report | None = None) -> Report:
    """What is found a second time: what comes or goes between the reads of one examination looks
    like a fault, and to repair it would be one. ``report`` is the first time's, if there was one.

    Of a finding that is about other chunks or objects by then, those that it is about both times.
    """
    report = examined() if report is None else report
    if report.healthy:
        return report
    before: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for one in report.findings:
        before[_name(one)].append(one)
    again = examined()
    both = (_in_common(before[_name(one)], one) for one in again.findings)
    return Report([one for one in both if one], again.totals)


def _mend(
    report: Report,
    examined: Callable[[], Report],
    ports: StackPorts,
    outside: Outside,
    screen: Screen,
) -> Diagnosis:
    screen.say(f"waiting for the queues to empty, at most {LONGEST_WAIT:.0f} s; examining again")
    wait(ports.queues, outside)
    faults = lasting(examined, report).findings
    screen.say(f"repairing {len(faults)} of {len(report.findings)} findings")
    mended = partial(repair, ledger=ports.ledger, objects=ports.objects, queues=ports.queues)
    # What a tenant holds is added up at rest: other repairs move it, by the queues.
    totals = [one for one in faults if one.kind is Kind.MISCOUNTED_TENANT]
    beyond = mended([one for one in faults if one not in totals])
    screen.say("waiting for the queues to empty once more; examining again")
    left = wait(ports.queues, outside)
    beyond += mended(totals)
    repaired = [one for one in faults if one not in beyond]
    return Diagnosis(lasting(examined), left, repaired, beyond)


def _name(finding: Finding) -> tuple[object, ...]:
    """What makes it the same finding in another examination."""
    return finding.kind, finding.subject, finding.partition, finding.generation


def _in_common(before: Sequence[Finding], now: Finding) -> Finding | None:
    """What of ``now`` was among those of its name before; None for nothing."""
    ordinals = {ordinal for one in before for ordinal in one.ordinals}
    keys = {key for one in before for key in one.keys}
    if not (ordinals or keys):
        return now if before else None
    left = replace(
        now,
        ordinals=tuple(one for one in now.ordinals if one in ordinals),
        keys=tuple(one for one in now.keys if one in keys),
    )
    return left if left.ordinals or left.keys else None


def _sentence(diagnosis: Diagnosis) -> str:
    number, left = len(diagnosis.report.findings), diagnosis.waiting
    mended = f"Repaired: {kinds(diagnosis.repaired)}. " if diagnosis.repaired else ""
    if not number:
        now = " now" if mended else ""
        return f"{mended}The ledger, the bucket and the index agree{now}."
    told = f"{number} finding{'' if number == 1 else 's'}: {kinds(diagnosis.report.findings)}."
    if left:
        return f"{told} The queues are not empty ({left} to go): look again when they are."
    if diagnosis.repaired is None:
        return f"{told} `ragline doctor --repair` sets right what can be."
    if diagnosis.beyond_repair:
        return f"{mended}{told} Of some the bytes are gone: upload those again, or delete them."
    return f"{mended}{told} `ragline logs` may say why."


def kinds(findings: Sequence[Finding]) -> str:
    kinds = Counter(finding.kind.value for finding in findings)
    return ", ".join(f"{name} {times}" for name, times in kinds.most_common())


def _answer(diagnosis: Diagnosis) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "healthy": diagnosis.report.healthy,
        "totals": dict(diagnosis.report.totals),
        "findings": [finding_answer(one) for one in diagnosis.report.findings],
        "waiting_messages": diagnosis.waiting,
    }
    if diagnosis.repaired is not None:
        answer["repair"] = {
            "repaired": [finding_answer(one) for one in diagnosis.repaired],
            "beyond_repair": [finding_answer(one) for one in diagnosis.beyond_repair],
        }
    return answer


def finding_answer(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "subject": finding.subject,
        "partition": str(finding.partition) if finding.partition else None,
        "detail": finding.detail,
    }


def _totals(report: Report) -> Text:
    told = ", ".join(f"{name} {number:,}" for name, number in report.totals.items() if number)
    return Text(f"compared: {told or 'nothing; the stack is empty'}")


def findings_table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kind", no_wrap=True)
    table.add_column("subject", overflow="fold")
    table.add_column("detail", overflow="fold")
    for each in findings[:ON_SCREEN]:
        table.add_row(Text(each.kind.value), Text(line(each.subject)), Text(line(each.detail)))
    if (left := len(findings) - ON_SCREEN) > 0:
        table.add_row("…", f"{left} more", "--json shows all of them")
    return table
