"""A document's password, asked for or read: never an argument, which other processes can see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragline.domain.errors import InvalidRequest
from ragline.domain.passwords import MAX_PASSWORD, check_password

Asked = Annotated[
    bool,
    typer.Option(
        "--password",
        help="Ask for the password that opens what is encrypted; or read a line of stdin, where "
        "that is no terminal.",
    ),
]
InFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Read it from the first line of this file."),
]


def given(asked: bool, file: Path | None) -> str:
    """The password; '' if none was offered. Spaces around it belong to it.

    Raises:
        BadParameter: it is empty, too long, or cannot be read; or two ways were named.
    """
    if asked and file:
        raise typer.BadParameter("give either --password or --password-file.")
    if not asked and file is None:
        return ""
    password = _line_of(file) if file else _asked()
    if not password:
        raise typer.BadParameter("the password is empty.")
    try:
        return check_password(password)
    except InvalidRequest as error:
        raise typer.BadParameter(str(error)) from error


def _asked() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("password", hide_input=True, err=True))
    return sys.stdin.readline(4 * MAX_PASSWORD).rstrip("\r\n")


def _line_of(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.readline(4 * MAX_PASSWORD).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--password-file {file} cannot be read.") from error
