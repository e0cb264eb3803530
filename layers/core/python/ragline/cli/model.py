"""`ragline model`: prepare the default embedding model, another one, or a reranker."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from ragline.cli import options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.domain.errors import InvalidRequest

Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FOLDER_OR_HUB_ID",
        help="Another embedding model: a sentence-transformers checkpoint of BERT architecture.",
    ),
]
RerankerSource = Annotated[
    str | None,
    typer.Option(
        "--reranker",
        metavar="FOLDER_OR_HUB_ID",
        help="A cross-encoder of BERT architecture instead of an embedding model.",
    ),
]
QueryPrefix = Annotated[
    str | None, typer.Option(help="Put before every query; else what the checkpoint says.")
]
PassagePrefix = Annotated[
    str | None, typer.Option(help="Put before every passage; else what the checkpoint says.")
]


def model(
    ctx: typer.Context,
    source: Source = None,
    reranker: RerankerSource = None,
    precision: options.ModelPrecision = options.Precision.INT8,
    query_prefix: QueryPrefix = None,
    passage_prefix: PassagePrefix = None,
    as_json: options.AsJson = False,
) -> None:
    """Prepare the embedding model, once; later calls only say where it is."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    if source is not None and reranker is not None:
        raise InvalidRequest("--from and --reranker are two models: prepare one after the other.")
    if source is None and (query_prefix is not None or passage_prefix is not None):
        raise InvalidRequest("--query-prefix and --passage-prefix need --from: whose are they?")
    if reranker is not None:
        screen.say(f"preparing the reranker {line(reranker)} ({precision.value})")
        path = outside.local.reranker(reranker, precision.value)
    elif source is not None:
        screen.say(f"preparing the embedding model {line(source)} ({precision.value})")
        path = outside.local.adopt(source, precision.value, query_prefix, passage_prefix)
    else:
        screen.say(f"preparing the embedding model ({precision.value})")
        path = outside.local.model(precision.value)
    screen.give({"precision": precision.value, "path": str(path)})
    screen.show(Text(str(path)))
