"""Evaluation in this process: the code of the functions, without what is around them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragline.cli import eval_tables
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.evaluation.asking import Ask, Making, Searchable, searcher
from ragline.evaluation.datasets import Dataset

if TYPE_CHECKING:
    from ragline.embedding.onnx import OnnxEmbedder
    from ragline.evaluation.building import Built, Means
    from ragline.ports import Reranker

PANEL = "In this process"


class Rerankers(StrEnum):
    """As the setting RERANKER names them."""

    NONE = "none"
    LATE_INTERACTION = "late-interaction"
    CROSS_ENCODER = "cross-encoder"
    BEDROCK = "bedrock"


RerankerName = Annotated[
    Rerankers | None,
    typer.Option(help="What reranks.", show_default="the setting RERANKER", rich_help_panel=PANEL),
]
ModelFolder = Annotated[
    Path | None,
    typer.Option(
        help="A prepared embedding model.",
        show_default="that of `ragline model`",
        rich_help_panel=PANEL,
    ),
]
Workdir = Annotated[
    Path | None,
    typer.Option(
        help="Keep indexes and vectors here: the next run only searches.", rich_help_panel=PANEL
    ),
]


def in_process(
    outside: Outside,
    screen: Screen,
    reranker: Rerankers | None,
    model: Path | None,
    workdir: Path | None,
) -> Callable[[Dataset], AbstractContextManager[Searchable]]:
    """Makes collections searchable here: cut, embedded and indexed in ``workdir``, if it is given.

    Raises:
        SetupError: a model or a package is missing, or a setting is wrong.
    """
    from ragline import wiring
    from ragline.embedding.onnx import OnnxEmbedder
    from ragline.embedding.tokenizer import WordPieceTokenizer
    from ragline.evaluation.building import Means

    folder = model or outside.local.model("int8")
    kind = reranker or Rerankers(wiring.settings().reranker)
    _reranker(kind, OnnxEmbedder(folder))  # what is missing is known before an hour's work
    means = Means(OnnxEmbedder(folder), WordPieceTokenizer(folder), wiring.limits())

    @contextmanager
    def prepare(dataset: Dataset) -> Iterator[Searchable]:
        with tempfile.TemporaryDirectory(prefix="ragline-eval-") as scratch:
            built = _build(dataset, means, screen, workdir, Path(scratch))
            making = Making(
                "in process",
                means.embedder.fingerprint,
                built.chunks,
                built.ended,
                built.seconds,
                built.kept,
                getattr(_reranker(kind, OnnxEmbedder(folder)), "name", ""),
            )
            yield Searchable(partial(_open, built, folder, kind), making, built.reasons)

    return prepare


def _build(
    dataset: Dataset, means: Means, screen: Screen, workdir: Path | None, scratch: Path
) -> Built:
    from ragline.evaluation.building import build, kept

    entries = dataset.entries
    with eval_tables.progress(screen, f"{dataset.name}: indexing", len(entries)) as moved:
        if workdir:
            return kept(entries, means, workdir, moved)
        return build(entries, means, scratch, moved)


def _open(built: Built, folder: Path, kind: Rerankers) -> Ask:
    """With a model of its own: embedders and rerankers keep what they were asked before."""
    from ragline.embedding.onnx import OnnxEmbedder

    embedder = OnnxEmbedder(folder)
    return searcher(built, embedder, _reranker(kind, embedder))


def _reranker(kind: Rerankers, embedder: OnnxEmbedder) -> Reranker | None:
    """As ``wiring.reranker``, but of any kind, and with this embedder."""
    from ragline import wiring

    return wiring.reranker_of(kind, lambda: embedder)
