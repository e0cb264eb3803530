from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from ragline.cli.files import expand, measure, pairs
from ragline.domain.errors import EmptyFile, InvalidRequest


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_stands_for_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.md", "a.md", "sub/c.md"):
        (tmp_path / name).write_text(name)
    assert names(expand([tmp_path])) == ["a.md", "b.md", "c.md"]


def test_hidden_files_and_folders_are_left_out_unless_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("x")
    (tmp_path / ".env").write_text("SECRET")
    (tmp_path / "a.md").write_text("x")
    assert names(expand([tmp_path])) == ["a.md"]
    assert names(expand([tmp_path / ".env"])) == [".env"]


def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.txt").write_text("x")
    (inside / "a.md").write_text("x")
    (inside / "to-file").symlink_to(outside / "secret.txt")
    (inside / "to-folder").symlink_to(outside)
    (inside / "to-itself").symlink_to(inside / "to-itself")
    (inside / "to-nothing").symlink_to(inside / "nothing")
    (inside / "to-above").symlink_to(tmp_path)
    assert names(expand([inside])) == ["a.md"]


def test_a_file_that_is_meant_twice_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("x")
    (tmp_path / "again.md").symlink_to(path)
    assert names(expand([path, tmp_path, tmp_path / "again.md"])) == ["a.md"]


def test_a_file_without_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    with pytest.raises(EmptyFile):
        measure(tmp_path / "a.md")


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidRequest, match="regular file"):
        measure(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.pdf", "application/pdf"),
        ("a.MD", "text/markdown"),
        ("a.epub", "application/epub+zip"),
        ("a.unheard-of", ""),
    ],
)
def test_content_types_do_not_depend_on_the_machine(
    tmp_path: Path, name: str, content_type: str
) -> None:
    (tmp_path / name).write_text("x")
    assert measure(tmp_path / name).content_type == content_type


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]+", fullmatch=True),
        st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    )
)
def test_numbers_and_booleans_keep_their_type(metadata: dict[str, int | float | bool]) -> None:
    read = pairs([f"{name}={json.dumps(value)}" for name, value in metadata.items()], "-m")
    assert read == metadata
    assert [type(value) for value in read.values()] == [type(v) for v in metadata.values()]


@pytest.mark.parametrize("text", ["", "a=b", "NaN", "Infinity", "null", "[1]", "{}", "2026-01-01"])
def test_whatever_is_no_json_scalar_stays_text(text: str) -> None:
    assert pairs([f"k={text}"], "-m") == {"k": text}


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="twice"):
        pairs(["k=1", "k=2"], "-m")
