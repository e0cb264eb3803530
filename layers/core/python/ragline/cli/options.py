"""Options that many commands share, each said once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

WHERE = "Where"

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")]
Collection = Annotated[str, typer.Option("--collection", "-c", help="The collection.")]
StackName = Annotated[
    str | None,
    typer.Option(
        "--stack",
        help="The CloudFormation stack.",
        show_default="ragline-dev",
        rich_help_panel=WHERE,
    ),
]
Profile = Annotated[
    str | None, typer.Option(help="Talk to AWS as this profile.", rich_help_panel=WHERE)
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        help="Talk to this AWS endpoint, such as LocalStack's; or set AWS_ENDPOINT_URL.",
        rich_help_panel=WHERE,
    ),
]
Region = Annotated[str | None, typer.Option(help="The AWS region.", rich_help_panel=WHERE)]


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    BM25 = "bm25"


class Precision(StrEnum):
    INT8 = "int8"
    FP32 = "fp32"


ModelPrecision = Annotated[Precision, typer.Option(help="int8 is smaller and faster, fp32 exact.")]
