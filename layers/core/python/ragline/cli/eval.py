"""`ragline eval`: how well and how fast the right document is found, on judged collections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragline.cli import eval_here, eval_stack, eval_tables, options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.cli.target import Choice
from ragline.domain.errors import InvalidRequest
from ragline.evaluation import datasets
from ragline.evaluation.asking import Run, Searchable, Variant, run
from ragline.evaluation.datasets import Dataset

if TYPE_CHECKING:
    from ragline.evaluation.reports import Report

DEFAULT_MODES = "dense,bm25,hybrid,hybrid+rerank"

Prepare = Callable[[Dataset], AbstractContextManager[Searchable]]


def evaluate(
    ctx: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FOLDERS",
            help="Judged collections in the layout of BEIR, or folders that hold some.",
            show_default="what RAGLINE_DATA names",
        ),
    ] = None,
    modes: Annotated[
        str, typer.Option(help="Which ways to search, in which order.")
    ] = DEFAULT_MODES,
    split: Annotated[str, typer.Option(help="Whose judgements: qrels/SPLIT.tsv.")] = "test",
    sample: Annotated[
        int | None, typer.Option(min=1, help="At most so many documents, those judged first.")
    ] = None,
    limit_queries: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many queries.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write each run here, in TREC's format, and the report.")
    ] = None,
    reranker: eval_here.RerankerName = None,
    model: eval_here.ModelFolder = None,
    workdir: eval_here.Workdir = None,
    through_stack: Annotated[
        bool,
        typer.Option(
            "--through-stack",
            help="By uploads to the deployed stack, and queries to its API.",
            rich_help_panel=eval_stack.PANEL,
        ),
    ] = False,
    keep: eval_stack.Keep = False,
    timeout: eval_stack.Timeout = eval_stack.DEFAULT_TIMEOUT,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Measure nDCG@10, Recall@10 and @100, MRR@10 and P@5 of each way to search.

    Documents go through the splitter, the embedder and the indexer, and
    queries through the search: in this process, or through a stack. The
    differences between modes come with 95 % confidence intervals.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    variants = list(dict.fromkeys(Variant.parse(one) for one in modes.split(",")))
    if not folders and (named := outside.environ.get("RAGLINE_DATA")):
        folders = [Path(named)]
    loaded = _load(folders or [], split, sample, limit_queries)
    if through_stack:
        if reranker or model or workdir:
            raise typer.BadParameter(
                "--reranker, --model and --workdir go without --through-stack: a stack has its own."
            )
        choice = Choice(stack, profile, endpoint, region)
        prepare = eval_stack.through(outside, screen, choice, timeout, keep)
    else:
        prepare = eval_here.in_process(outside, screen, reranker, model, workdir)
    reports = [_report(dataset, prepare, variants, screen, save) for dataset in loaded]
    screen.give({"datasets": [one.answer() for one in reports]})
    eval_tables.show(screen, reports)


def _load(
    folders: Sequence[Path], split: str, sample: int | None, queries: int | None
) -> list[Dataset]:
    """All of them before the first is begun: what is wrong with the last is known at once."""
    if not folders:
        raise InvalidRequest(
            "which collection? Name a folder in the layout of BEIR, or one that holds some, or set "
            "RAGLINE_DATA (`make eval DATA=folder`)."
        )
    loaded = []
    for name, place in [one for folder in folders for one in datasets.find(folder)]:
        dataset = datasets.load(place, name, split)
        if queries:
            dataset = dataset.first_queries(queries)
        loaded.append(dataset.sample(sample) if sample else dataset)
    return loaded


def _report(
    dataset: Dataset,
    prepare: Prepare,
    variants: Sequence[Variant],
    screen: Screen,
    save: Path | None,
) -> Report:
    from ragline.evaluation.reports import report
    from ragline.evaluation.saving import save_report

    runs: list[Run] = []
    with prepare(dataset) as ready:
        possible = [one for one in variants if not one.rerank or ready.making.reranker]
        if not possible:
            raise InvalidRequest("no reranker is configured: --reranker names one.")
        for variant in possible:
            what = f"{dataset.name}: {variant}"
            with eval_tables.progress(screen, what, len(dataset.queries)) as moved:
                runs.append(run(dataset, variant, ready.open(), moved))
    left = ", ".join(str(one) for one in variants if one not in possible)
    notes = [f"{left} was left out: no reranker is configured."] if left else []
    told = report(dataset, ready.making, runs, [*notes, *ready.notes])
    if save:
        save_report(save, told, runs)
    return told
