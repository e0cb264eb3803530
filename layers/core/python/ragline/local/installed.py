"""MiniStack in a venv of its own in the user's cache: pinned, with hashes, made once by uv.

Its own venv because it pins botocore, and because it is no part of the pipeline. Its Lambda workers
run with its interpreter and import our dependencies, so both need the same Python version.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ragline.domain.errors import SetupError

LOCK = Path(__file__).with_name("ministack.lock")
INSTALL_SECONDS = 600


def version() -> str:
    """The pinned version of MiniStack."""
    found = re.search(r"^ministack==(\S+)", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SetupError(f"{LOCK} does not pin ministack: reinstall Ragline.")
    return found.group(1)


def cache_directory() -> Path:
    """Where Ragline keeps what it can make again: RAGLINE_CACHE, or the user's cache directory."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("RAGLINE_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("ragline")


def interpreter(say: Callable[[str], None]) -> Path:
    """The Python of MiniStack's venv, which is made if it is not there.

    Safe against another one at the same time: each builds apart, the first to rename wins.

    Raises:
        SetupError: uv is missing, or could not make the venv; with uv's own last words.
    """
    home = cache_directory() / _name()
    python = home / "bin" / "python"
    if python.exists():  # follows the link: False too when the Python it was made from is gone
        return python
    uv = _uv()
    say(f"Installing MiniStack {version()} (once, about 130 MB) into {home}")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    except OSError as error:
        raise SetupError(
            f"{home.parent} cannot be written ({error.strerror}): set RAGLINE_CACHE to a folder "
            "that can."
        ) from error
    try:
        venv = work / "venv"
        _run(uv, "venv", "--relocatable", "--python", sys.executable, str(venv))
        python_there = str(venv / "bin" / "python")
        _run(uv, "pip", "install", "--python", python_there, "--require-hashes",
             "--compile-bytecode", "--requirement", str(LOCK))  # fmt: skip
        if not python.exists():
            shutil.rmtree(home, ignore_errors=True)
        _settle(venv, home)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return python


def _name() -> str:
    """One name per pin, interpreter and platform."""
    parts = (LOCK.read_text(), sys.base_prefix, sys.platform, os.uname().machine)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"ministack-{version()}-py{sys.version_info.major}.{sys.version_info.minor}-{digest}"


def _settle(venv: Path, home: Path) -> None:
    try:
        venv.rename(home)
    except OSError as error:
        if not (home / "bin" / "python").exists():  # not because another one was faster
            raise SetupError(f"{home} could not be written: {error.strerror}.") from error


def _uv() -> str:
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise SetupError(
            "uv is not installed, and it makes MiniStack's venv: `pip install uv`, or install "
            "Ragline with its extra `cli`."
        )
    return found


def _run(*command: str) -> None:
    # VIRTUAL_ENV would only make uv warn; its index and cache settings are the user's, so kept.
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=INSTALL_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"MiniStack could not be installed: {error}.") from error
    if done.returncode:
        words = "\n".join(done.stdout.strip().splitlines()[-12:])
        raise SetupError(
            "MiniStack could not be installed; it needs the package index once, later starts work "
            f"offline. uv said:\n{words}"
        )
