"""Prepare the embedding model: fetch its weights, build the ONNX graph, keep it in a cache.

``python -m ragline.embedding.prepare --precision int8 --into FOLDER``. Needs the packages onnx and
safetensors, which the functions do not carry: what this writes is all that they need.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ragline.domain.errors import SetupError
from ragline.embedding import weights as sources
from ragline.embedding.model import (
    CARD_FILE,
    GRAPH_FILE,
    NAME,
    TOKENIZER_FILE,
    Card,
    Precision,
    fingerprint,
    is_intact,
)


def model_dir(precision: Precision) -> Path:
    """The folder in the user's cache for this model; ``RAGLINE_CACHE`` names another cache."""
    cache = os.environ.get("RAGLINE_CACHE")
    if not cache:
        from platformdirs import user_cache_dir

        cache = user_cache_dir("ragline")
    return Path(cache).expanduser().absolute() / "models" / fingerprint(precision)


def ensure(precision: Precision, *, weights: Path | None = None) -> Path:
    """The cached model, verified; prepared first if it is not there or not whole.

    Raises:
        SetupError: as ``prepare``.
    """
    folder = model_dir(precision)
    if is_intact(folder, precision):
        return folder
    return prepare(folder, precision, weights=weights)


def prepare(into: Path, precision: Precision, *, weights: Path | None = None) -> Path:
    """Build the model into a folder, which other files may share; returns the folder.

    Each file appears whole, the card last. The same weights give the same bytes, so several
    processes may do this at once. ``weights`` is a folder with ``model.safetensors`` and
    ``tokenizer.json``; without it they are fetched.

    Raises:
        SetupError: the weights cannot be had or are not the pinned ones, a package is missing, or
            the folder cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ragline-model-") as scratch:
            folder = sources.find(weights, Path(scratch))
            graph = _graph(folder / sources.WEIGHTS_FILE, precision)
            tokenizer = (folder / TOKENIZER_FILE).read_bytes()
        _write(into, precision, graph, tokenizer)
    except OSError as error:
        raise SetupError(f"The embedding model could not be written to {into}: {error}.") from error
    return into


def copy(source: Path, into: Path) -> None:
    """Copy a prepared model, the card last.

    Raises:
        SetupError: the model cannot be read, or the folder not written.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name in (TOKENIZER_FILE, GRAPH_FILE, CARD_FILE):
            _replace(into / name, (source / name).read_bytes())
    except OSError as error:
        raise SetupError(f"The model in {source} was not copied to {into}: {error}.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ragline.embedding.prepare",
        description="Prepare the embedding model in the cache, and copy it into a folder.",
    )
    parser.add_argument("--precision", choices=get_args(Precision), default="int8")
    parser.add_argument("--into", type=Path, help="copy the prepared model into this folder")
    parser.add_argument("--weights", type=Path, help="take the weights from this folder")
    options = parser.parse_args(arguments)
    try:
        folder = ensure(options.precision, weights=options.weights)
        if options.into:
            copy(folder, options.into)
    except SetupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(options.into or folder)  # noqa: T201
    return 0


def _graph(weights: Path, precision: Precision) -> bytes:
    try:
        from safetensors.numpy import load_file

        from ragline.embedding.graph import build
    except ImportError as error:
        raise SetupError(
            f"The package {error.name} is needed to prepare the embedding model."
            " Install it with `pip install 'ragline[cli]'`."
        ) from error
    serialised: bytes = build(load_file(weights), precision).SerializeToString(deterministic=True)
    return serialised


def _write(into: Path, precision: Precision, graph: bytes, tokenizer: bytes) -> None:
    from ragline.embedding.graph import HIDDEN, MAX_TOKENS

    card = Card(
        name=NAME,
        precision=precision,
        dimensions=HIDDEN,
        max_tokens=MAX_TOKENS,
        fingerprint=fingerprint(precision),
        sha256=hashlib.sha256(graph).hexdigest(),
        tokenizer_sha256=hashlib.sha256(tokenizer).hexdigest(),
    )
    into.mkdir(parents=True, exist_ok=True)
    _replace(into / TOKENIZER_FILE, tokenizer)
    _replace(into / GRAPH_FILE, graph)
    _replace(into / CARD_FILE, card.to_json().encode())


def _replace(path: Path, content: bytes) -> None:
    # Not tempfile: its files are private to one user, and a Lambda layer must be readable by all.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
