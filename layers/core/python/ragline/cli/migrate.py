"""`ragline migrate`: an index of another model or in another store, beside what answers."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ragline.cli import exits, options
from ragline.cli.deployed import deployed_model
from ragline.cli.doctor import lasting
from ragline.cli.drop import drop as drop_model
from ragline.cli.migration_report import Outcome, tell
from ragline.cli.migration_target import Store, Target, check_asked, target_of
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.cli.stack_ports import Pinecone, StackPorts
from ragline.cli.target import Choice, account
from ragline.cli.waiting import wait
from ragline.domain.documents import check_name
from ragline.domain.messages import new_nonce
from ragline.domain.times import utc_now
from ragline.usecases.delivery import ByQueue, Directly
from ragline.usecases.doctor import Report, examine_rows
from ragline.usecases.findings import Kind
from ragline.usecases.migrate import Means, Plan
from ragline.usecases.migrate import migrate as migrated
from ragline.usecases.migrate import plan as planned

ModelFolder = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="Embed with the prepared model in this folder."),
]


def migrate(
    ctx: typer.Context,
    model: ModelFolder = None,
    to: Annotated[
        Store | None, typer.Option(help="Write the index of this store instead of the deployed.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only this collection.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that embed.", show_default="one for each core"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing; only compare with the ledger.")
    ] = False,
    drop: Annotated[
        str | None,
        typer.Option(metavar="FINGERPRINT", help="Remove the index and vectors of this model."),
    ] = None,
    pinecone_host: Annotated[
        str, typer.Option(help="With --to pinecone: the address of the Pinecone index.")
    ] = "",
    pinecone_secret: Annotated[
        str, typer.Option(help="With --to pinecone: the ARN of the secret that holds its API key.")
    ] = "",
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Build the index of another model, or in another store, and compare it with the ledger.

    The deployed index answers meanwhile, and ingest goes on. Again: only what is missing is done.
    To switch, deploy with the new ModelDir or IndexStore, and run it once more: see
    docs/migration.md. Exits with 1 if anything is missing at the end.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    check_asked(model, to, verify, drop)
    if collection is not None:
        check_name(collection, "collection")
    where = account(Choice(stack, profile, endpoint, region), outside)
    ports, deployed = outside.ports(where), deployed_model(where, outside)
    place = Pinecone(pinecone_host, pinecone_secret)
    target = target_of(ports, deployed, model, to, place, collection)
    if drop is not None:
        drop_model(drop, target, ports, deployed, collection, dry_run, outside, screen)
        return
    screen.say(f"comparing the ledger of stack {where.stack} with {target.name}")
    plan = planned(ledger=ports.ledger, target=target.index, collection=collection)
    outcome, report = Outcome(), None
    if not dry_run and not verify:
        outcome = _run(plan, target, ports, workers or os.cpu_count() or 1, outside, screen)
    if not dry_run:
        report = _verified(target, ports, collection, outside, mend=not verify)
    tell(screen, target, plan, outcome, report)
    if outcome.troubles or outcome.waiting or (report and not report.healthy):
        raise typer.Exit(exits.FAILED)


def _run(
    plan: Plan, target: Target, ports: StackPorts, workers: int, outside: Outside, screen: Screen
) -> Outcome:
    outcome = Outcome()
    if plan.tasks:
        if target.model_dir is None:
            _migrate(plan, target, ports, None, workers, outcome, screen)
        else:
            with outside.embedder(target.model_dir, workers) as embedder:
                _migrate(plan, target, ports, embedder, workers, outcome, screen)
    if not target.direct and plan.tasks:
        screen.say("waiting for the indexer")
        outcome.waiting = wait(ports.queues, outside, while_it_moves=True)
    return outcome


def _migrate(
    plan: Plan,
    target: Target,
    ports: StackPorts,
    embedder: Any,
    workers: int,
    outcome: Outcome,
    screen: Screen,
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=screen.err,
        disable=not screen.err.is_terminal,
        transient=True,
    ) as progress:
        bar = progress.add_task("chunks", total=plan.missing)
        means = Means(
            ports.ledger,
            ports.objects,
            target.fingerprint,
            embedder,
            _delivery(target, ports),
            new_nonce(),
            partial(progress.advance, bar),
        )
        for done in migrated(plan.tasks, means, threads=workers + 1):
            outcome.embedded += done.embedded
            outcome.reused += done.reused
            outcome.gone += done.gone
            # What is wrong with a document that is gone is wrong with nothing.
            outcome.troubles += [] if done.gone else done.troubles


def _delivery(target: Target, ports: StackPorts) -> ByQueue | Directly:
    if target.direct:
        return Directly(target.index, ledger=ports.ledger, objects=ports.objects)
    return ByQueue(ledger=ports.ledger, objects=ports.objects, queues=ports.queues)


def _verified(
    target: Target, ports: StackPorts, collection: str | None, outside: Outside, *, mend: bool
) -> Report:
    """The doctor's comparison; rows that a crash or a deletion left are cleared away before."""

    def examined() -> Report:
        return examine_rows(
            ledger=ports.ledger,
            indexes=target.indexes,
            fingerprint=target.fingerprint,
            now=utc_now(),
            collection=collection,
        )

    report = lasting(examined)
    if mend and any(one.kind is Kind.EXTRA_ROWS for one in report.findings):
        _delivery(target, ports).clear(report.findings)
        if not target.direct:
            wait(ports.queues, outside)
        report = lasting(examined)
    return report
