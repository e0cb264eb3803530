"""`ragline retry`: one document, tried again."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from ragline.cli import options, passwords
from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.target import Choice, address
from ragline.domain.documents import check_document_id


def retry(
    ctx: typer.Context,
    document_id: Annotated[str, typer.Argument(metavar="DOCUMENT_ID")],
    password: passwords.Asked = False,
    password_file: passwords.InFile = None,
    code: Annotated[
        str, typer.Option(help="Only what failed with this code, such as throttled.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also what failed for good, such as a corrupt file.")
    ] = False,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Try again what failed of a document; with its password, if it is encrypted.

    `ragline redrive` does the same for many.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    check_document_id(document_id)
    body: dict[str, Any] = {"force": force, **({"code": code} if code else {})}
    if secret := passwords.given(password, password_file):
        body["password"] = secret
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        again = client.retry(document_id, body)
    screen.give(again.raw())
    parts = ["the file itself"] if again.split_again else []
    if again.chunks:
        parts.append(f"{again.chunks} chunk{'' if again.chunks == 1 else 's'}")
    what = " and ".join(parts) or "what is left of it"
    screen.show(Text(f"trying again: {what}; follow it by `ragline status {line(document_id)}`."))
