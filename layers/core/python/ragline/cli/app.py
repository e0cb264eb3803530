"""The `ragline` command: wires the commands together, and nothing else."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

import ragline
from ragline.cli import (
    analyse,
    backup,
    collections,
    cost,
    demo,
    doctor,
    documents,
    exits,
    keys,
    logs,
    migrate,
    model,
    push,
    redrive,
    retry,
    search,
    stack,
    tenants,
    tenants_delete,
    top,
    watch,
    webhooks,
)
from ragline.cli import eval as evaluation

app = typer.Typer(
    name="ragline",
    cls=exits.Guarded,
    help="From a dropped file to a cited passage: a document pipeline on AWS, or on this machine.",
    epilog=exits.EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command, _panel in (
    (demo.demo, "The stack"),
    (stack.up, "The stack"),
    (stack.down, "The stack"),
    (stack.info, "The stack"),
    (stack.env, "The stack"),
    (logs.logs, "The stack"),
    (top.top, "The stack"),
    (doctor.doctor, "The stack"),
    (migrate.migrate, "The stack"),
    (cost.cost, "The stack"),
    (backup.backup, "The stack"),
    (backup.restore, "The stack"),
    (model.model, "The stack"),
    (push.push, "Documents"),
    (documents.status, "Documents"),
    (documents.ls, "Documents"),
    (watch.watch, "Documents"),
    (retry.retry, "Documents"),
    (redrive.redrive, "Documents"),
    (documents.rm, "Documents"),
    (search.search, "Documents"),
    (analyse.analyse, "Documents"),
):
    app.command(rich_help_panel=_panel, epilog=exits.EPILOG)(_command)
app.add_typer(collections.app, rich_help_panel="Documents")
app.add_typer(keys.app, rich_help_panel="The stack")
tenants.app.command("delete", epilog=exits.EPILOG)(tenants_delete.delete)
app.add_typer(tenants.app, rich_help_panel="The stack")
app.add_typer(webhooks.app, rich_help_panel="The stack")
# A function of that name would hide Python's own.
app.command("eval", rich_help_panel="Documents", epilog=exits.EPILOG)(evaluation.evaluate)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ragline {ragline.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    pass  # a docstring here would replace the application's help


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal of another encoding cannot show becomes a question mark.
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit as end:
        if end.code == exits.INTERRUPTED:
            # Threads may hang in a read for a minute; Python would wait for them.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(exits.INTERRUPTED)
        raise
