"""Prepare the embedding model: fetch its weights, build the ONNX graph, keep it in a cache.

``python -m ragline.embedding.prepare --precision int8 --into FOLDER``. Needs the packages onnx and
safetensors, which the functions do not carry: what this writes is all that they need. Models other
than the default one: ``ragline.embedding.adopt``.
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
from typing import TYPE_CHECKING, Any, get_args

from ragline.domain.errors import SetupError
from ragline.embedding import weights as sources
from ragline.embedding.checkpoint import PINNED
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

RERANKER_FOLDER = "reranker"
"""Beside the embedding model's files: what packs the one packs the other."""

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def model_dir(precision: Precision) -> Path:
    """The folder in the user's cache for the default model."""
    return cached(fingerprint(precision))


def cached(name: str) -> Path:
    """The folder in the user's cache for a fingerprint; ``RAGLINE_CACHE`` names another cache."""
    cache = os.environ.get("RAGLINE_CACHE")
    if not cache:
        from platformdirs import user_cache_dir

        cache = user_cache_dir("ragline")
    return Path(cache).expanduser().absolute() / "models" / name


def ensure(precision: Precision, *, weights: Path | None = None) -> Path:
    """The cached model, verified; prepared first if it is not there or not whole.

    Raises:
        SetupError: as ``prepare``.
    """
    folder = model_dir(precision)
    if is_intact(folder, fingerprint(precision)):
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
        write(into, _card(precision, graph, tokenizer), graph, tokenizer)
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
        description="Prepare models in the cache, and copy them into a folder.",
    )
    parser.add_argument("--precision", choices=get_args(Precision), default="int8")
    parser.add_argument("--into", type=Path, help="copy the prepared model into this folder")
    parser.add_argument("--weights", type=Path, help="take the default model's weights from here")
    parser.add_argument("--from", dest="source", help="another model: a folder, or owner/name")
    parser.add_argument("--reranker", help="a cross-encoder too, copied into INTO/reranker")
    options = parser.parse_args(arguments)
    try:
        folder = _wanted(options)
    except SetupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(options.into or folder)  # noqa: T201
    return 0


def _wanted(options: argparse.Namespace) -> Path:
    from ragline.embedding import adopt  # which imports this module

    if options.source:
        folder = adopt.adopt(options.source, options.precision)
    else:
        folder = ensure(options.precision, weights=options.weights)
    if options.into:
        copy(folder, options.into)
    if options.reranker:
        reranker = adopt.adopt_reranker(options.reranker, options.precision)
        if options.into:
            copy(reranker, options.into / RERANKER_FOLDER)
    return folder


def _graph(weights: Path, precision: Precision) -> bytes:
    try:
        from ragline.embedding.graph import build
    except ImportError as error:
        raise lacking(error) from error
    return serialised(build(tensors(weights), precision))


def tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights in a safetensors file, whatever their precision there.

    Raises:
        SetupError: a package is missing, or the file is damaged.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise lacking(error) from error
    try:
        return {name: array.astype("float32") for name, array in load_file(path).items()}
    except (SafetensorError, TypeError, ValueError) as error:
        raise SetupError(f"{path} is no readable safetensors file: {error}.") from error


def serialised(graph: Any) -> bytes:
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def lacking(error: ImportError) -> SetupError:
    return SetupError(
        f"The package {error.name} is needed to prepare a model."
        " Install it with `pip install 'ragline[cli]'`."
    )


def _card(precision: Precision, graph: bytes, tokenizer: bytes) -> Card:
    return Card(
        name=NAME,
        precision=precision,
        dimensions=PINNED.bert.hidden,
        max_tokens=PINNED.max_tokens,
        fingerprint=fingerprint(precision),
        sha256=hashlib.sha256(graph).hexdigest(),
        tokenizer_sha256=hashlib.sha256(tokenizer).hexdigest(),
        pooling=PINNED.pooling,
    )


def write(into: Path, card: Card, graph: bytes, tokenizer: bytes) -> None:
    """Write the three files of a prepared model, each whole, the card last.

    Raises:
        SetupError: the folder cannot be written.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        _replace(into / TOKENIZER_FILE, tokenizer)
        _replace(into / GRAPH_FILE, graph)
        _replace(into / CARD_FILE, card.to_json().encode())
    except OSError as error:
        raise SetupError(f"The model could not be written to {into}: {error}.") from error


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
