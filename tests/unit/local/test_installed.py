from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ragline.domain.errors import SetupError
from ragline.local import installed


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\n{script}\n")
    uv.chmod(0o755)
    monkeypatch.setattr(installed, "_uv", lambda: str(uv))


VENV = 'if [ "$1" = venv ]; then for to; do :; done; mkdir -p "$to/bin"; : >"$to/bin/python"; fi'
"""Makes what `uv venv … FOLDER` makes, as far as it is looked at."""


def test_the_lock_pins_every_package_with_hashes_and_names_no_index() -> None:
    text = installed.LOCK.read_text()
    pinned = re.findall(r"^([a-z0-9-]+)==\S+[^\\\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    named = re.findall(r"^[a-z]\S+", text, re.MULTILINE)
    assert len(pinned) == len(named) > 20
    assert {"ministack", "hypercorn", "aws-sam-translator", "cryptography"} <= set(pinned)
    assert "://" not in text


def test_the_venv_is_made_once_for_this_python(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(tmp_path, monkeypatch, f'echo "$@" >>{tmp_path}/calls; {VENV}')
    said: list[str] = []
    first = installed.interpreter(said.append)
    assert installed.interpreter(said.append) == first
    assert first.is_relative_to(cache)
    assert f"py{sys.version_info.major}.{sys.version_info.minor}" in str(first)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["venv", "pip"]
    assert "--require-hashes" in calls[1]
    assert len(said) == 1
    assert [path.name for path in cache.iterdir()] == [first.parents[1].name]


def test_another_one_that_was_faster_wins(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = cache / installed._name()
    other = f'mkdir -p "{home}/bin"; echo other >"{home}/bin/python"'
    fake_uv(tmp_path, monkeypatch, f'{VENV}; if [ "$1" = pip ]; then {other}; fi')
    assert installed.interpreter(print).read_text() == "other\n"
    assert list(cache.iterdir()) == [home]


def test_a_venv_whose_python_is_gone_is_made_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(tmp_path, monkeypatch, VENV)
    python = installed.interpreter(print)
    python.unlink()
    python.symlink_to(tmp_path / "uninstalled")
    assert installed.interpreter(print).exists()


def test_a_failed_install_shows_what_uv_said_and_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(tmp_path, monkeypatch, f'{VENV}; [ "$1" = venv ] || {{ echo no network >&2; exit 2; }}')
    with pytest.raises(SetupError, match="no network"):
        installed.interpreter(print)
    assert list(cache.iterdir()) == []


def test_a_missing_uv_is_named_with_what_to_do(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="pip install uv"):
        installed.interpreter(print)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SetupError, match="RAGLINE_CACHE"):
        installed.interpreter(print)
