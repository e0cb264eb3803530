from __future__ import annotations

from pathlib import Path

import pytest

from ragline.cli.app import app
from tests.unit.cli.fakes import FakeApi, outside, run

PASSWORD = "  Schnee 42 "


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_password_is_read_from_stdin_and_sent_with_every_file(tmp_path: Path) -> None:
    api = FakeApi()
    files = [write(tmp_path, name, name) for name in ("a.pdf", "b.pdf")]
    result = run(outside(api), "push", *files, "--no-wait", "--password", typed=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert [body["password"] for body in api.bodies] == [PASSWORD, PASSWORD]
    assert "Schnee" not in result.output


def test_a_retry_takes_the_password_from_a_file(tmp_path: Path) -> None:
    api = FakeApi()
    file = write(tmp_path, "secret", f"{PASSWORD}\r\nand no more\n")
    result = run(outside(api), "retry", "doc1", "--password-file", file)
    assert result.exit_code == 0, result.output
    assert api.bodies == [{"force": False, "password": PASSWORD}]
    assert "trying again: the file itself" in result.stdout
    assert "Schnee" not in result.output


def test_a_retry_needs_no_password() -> None:
    api = FakeApi()
    run(outside(api), "retry", "doc1", "--code", "throttled", "--force")
    assert api.bodies == [{"force": True, "code": "throttled"}]


@pytest.mark.parametrize(
    ("options", "typed", "said"),
    [
        (["--password"], "\n", "the password is empty"),
        (["--password"], "x" * 300, "at most 255"),
        (["--password", "--password-file", "x"], "", "give either"),
        (["--password-file", "/no/such/file"], "", "cannot be read"),
    ],
)
def test_what_cannot_be_a_password_is_refused_before_anything_is_sent(
    options: list[str], typed: str, said: str
) -> None:
    api = FakeApi()
    result = run(outside(api), "retry", "doc1", *options, typed=typed)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not api.requests


def test_no_command_takes_a_password_as_an_argument() -> None:
    import typer

    command = typer.main.get_command(app)
    for name in ("push", "retry"):
        options = {one.name: one for one in command.commands[name].params}  # type: ignore[attr-defined]
        assert options["password"].is_flag


def test_a_document_that_failed_says_what_to_do(tmp_path: Path) -> None:
    reason = {"code": "encrypted", "message": "it is locked.", "page": None, "chunk": None}
    advice = "Retry it with its password."
    api = FakeApi(path=("splitting", "failed"), reason=reason, advice=advice)
    result = run(outside(api), "push", write(tmp_path, "a.pdf", "x"))
    assert "it is locked. Retry it with its password." in " ".join(result.stdout.split())
