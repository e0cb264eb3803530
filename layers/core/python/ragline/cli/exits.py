"""Exit codes, and the one place where an error becomes a line on stderr."""

from __future__ import annotations

import os
from typing import Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from ragline.cli.files import is_text
from ragline.cli.screen import Screen, line
from ragline.domain.errors import NotFound, RaglineError, RequestError, SetupError

OK, FAILED, USAGE, SETUP, NOT_FOUND, INTERRUPTED = 0, 1, 2, 3, 4, 130

EPILOG = (
    "Exit codes: 0 ok (no hits is ok) · 1 something failed (a document failed, in part or whole, "
    "or did not end in time) · 2 the request is wrong · 3 not set up, or the stack cannot be "
    "reached · 4 no such document · 130 interrupted. "
    "With --json an error is also printed on stdout, as an object with the key “error”."
)


def exit_code(error: RaglineError) -> int:
    match error:
        case NotFound():
            return NOT_FOUND
        case SetupError():
            return SETUP
        case RequestError():
            return USAGE
        case _:
            return FAILED


class Guarded(TyperGroup):
    """A command group whose errors are one red line and an exit code, never a traceback.

    ``RAGLINE_DEBUG=1`` lets an unexpected error through, for those who mean to mend it.
    """

    def invoke(self, ctx: Any) -> Any:
        # Read before the command runs: typer takes the arguments out of the context.
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except RaglineError as error:
            fail(Screen(as_json), error.code, str(error))
            raise typer.Exit(exit_code(error)) from None
        except typer.TyperException as error:
            # Typer writes it for people, on stderr.
            Screen(as_json).give(_error("invalid_request", error.format_message()))
            raise
        except (typer.Exit, typer.Abort, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                fail(Screen(as_json), "os_error", str(error))
                raise typer.Exit(FAILED) from None
            raise
        except Exception as error:
            if isinstance(error, UnicodeEncodeError) and not is_text(error.object):
                fail(Screen(as_json), "invalid_request", "what was given is not valid UTF-8 text.")
                raise typer.Exit(USAGE) from None
            if os.environ.get("RAGLINE_DEBUG"):
                raise
            message = f"unexpected {type(error).__name__}: {error}. This is a bug in ragline; "
            fail(Screen(as_json), "internal_error", message + "RAGLINE_DEBUG=1 shows where.")
            raise typer.Exit(FAILED) from None


def fail(screen: Screen, code: str, message: str) -> None:
    screen.err.print(Text(f"error: {line(message)}", style="red"), soft_wrap=True)
    screen.give(_error(code, message))


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
