"""Prepare a model other than the default one: any checkpoint of BERT architecture.

A folder, or a repository of the model hub, with ``config.json``, ``model.safetensors`` and
``tokenizer.json``; what lies beside them says how it is to be used (``checkpoint``).
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
import tempfile
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragline.domain.errors import EmbeddingFailed, SetupError
from ragline.embedding import prepare, weights
from ragline.embedding.checkpoint import FILES, PINNED, Checkpoint, read_embedder, read_reranker
from ragline.embedding.model import (
    GRAPH_FILE,
    REVISION,
    TOKENIZER_FILE,
    Card,
    Kind,
    Precision,
    is_intact,
    sha256,
)
from ragline.embedding.runtime import Session
from ragline.embedding.tokenizer import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST_NAME = 48
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")

# Published with prefixes that only their model cards tell; without them they rank worse.
_E5 = re.compile(r"(^|-)e5-(small|base|large)(-v2|-unsupervised)?$")


def adopt(
    source: str,
    precision: Precision,
    *,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
) -> Path:
    """The cached embedding model made of a checkpoint; made first if it is not there or not whole.

    ``source`` is a folder, or a repository of the hub, ``owner/name`` or ``owner/name@revision``.
    A prefix that is None is what the checkpoint says.

    Raises:
        SetupError: the checkpoint cannot be had, is not supported or not whole; says what it is.
    """
    folder, name = _locate(source)
    checkpoint = read_embedder(folder)
    if _E5.search(name) and not (checkpoint.query_prefix or checkpoint.passage_prefix):
        checkpoint = replace(checkpoint, query_prefix="query: ", passage_prefix="passage: ")
    if query_prefix is not None:
        checkpoint = replace(checkpoint, query_prefix=query_prefix)
    if passage_prefix is not None:
        checkpoint = replace(checkpoint, passage_prefix=passage_prefix)
    if checkpoint == PINNED and _is_default(folder):
        return prepare.ensure(precision, weights=folder)
    return _cached(folder, name, checkpoint, precision, "embedding")


def adopt_reranker(source: str, precision: Precision) -> Path:
    """The cached reranker made of a cross-encoder's checkpoint; as ``adopt``.

    Raises:
        SetupError: as ``adopt``, or the checkpoint gives more than one score.
    """
    folder, name = _locate(source)
    return _cached(folder, name, read_reranker(folder), precision, "reranker")


def _locate(source: str) -> tuple[Path, str]:
    """The checkpoint's folder, and a name for it that is fit for keys."""
    path = Path(source).expanduser()
    found = _HUB_ID.fullmatch(source)
    if path.is_dir():
        path = path.resolve()
        name = path.name
    elif found:
        name = found["repo"].partition("/")[2]
        path = _from_hub(found["repo"], found["revision"])
    else:
        raise SetupError(f"{source!r} is neither a folder nor a repository of the hub, owner/name.")
    for file in (weights.WEIGHTS_FILE, TOKENIZER_FILE):
        if not (path / file).is_file():
            raise SetupError(
                f"{source} has no {file}. Save the model with a recent release of transformers"
                " (save_pretrained, with a fast tokenizer), and give its folder."
            )
    return path, re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME] or "model"


def _from_hub(repository: str, revision: str | None) -> Path:
    try:
        hub = importlib.import_module("huggingface_hub")
        logs = importlib.import_module("huggingface_hub.utils.logging")
    except ImportError as error:
        raise prepare.lacking(error) from error
    logs.set_verbosity(logging.CRITICAL)  # our one error says it all
    files = [*FILES, weights.WEIGHTS_FILE, TOKENIZER_FILE]
    try:
        return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=files))
    except Exception as error:  # its own, those of its HTTP client and OSError: no common base
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SetupError(
            f"There is no folder {repository}, and it could not be fetched from the model hub"
            f" ({reason}). Download it where the hub can be reached, and give its folder."
        ) from error


def _is_default(folder: Path) -> bool:
    """Whether the weights are; used in another way they are another model all the same."""
    return all(sha256(folder / name) == known for name, known in weights.SHA256.items())


def _cached(
    folder: Path, name: str, checkpoint: Checkpoint, precision: Precision, kind: Kind
) -> Path:
    digest = _digest(folder, checkpoint)
    fingerprint = f"{name}-{REVISION}-{precision}-{digest}"
    into = prepare.cached(fingerprint)
    if not is_intact(into, fingerprint, kind):
        graph = _graph(folder, checkpoint, precision, kind)
        tokenizer = (folder / TOKENIZER_FILE).read_bytes()
        card = Card(
            name=name,
            precision=precision,
            dimensions=checkpoint.bert.hidden if kind == "embedding" else 1,
            max_tokens=checkpoint.max_tokens,
            fingerprint=fingerprint,
            sha256=hashlib.sha256(graph).hexdigest(),
            tokenizer_sha256=hashlib.sha256(tokenizer).hexdigest(),
            kind=kind,
            pooling=checkpoint.pooling,
            query_prefix=checkpoint.query_prefix,
            passage_prefix=checkpoint.passage_prefix,
        )
        _keep(folder, card, graph, tokenizer, into)
    return into


def _keep(folder: Path, card: Card, graph: bytes, tokenizer: bytes, into: Path) -> None:
    """Write it to ``into``, once it has run elsewhere."""
    try:
        with tempfile.TemporaryDirectory(prefix="ragline-model-") as scratch:
            made = Path(scratch)
            prepare.write(made, card, graph, tokenizer)
            _prove(folder, made, card)
            prepare.copy(made, into)
    except OSError as error:
        raise SetupError(
            f"No model of {folder} could be made in a temporary folder: {error}."
        ) from error


def _digest(folder: Path, checkpoint: Checkpoint) -> str:
    """Eight digits that name all that a vector depends on: a name alone says nothing of it."""
    sums = [sha256(folder / name) for name in (weights.WEIGHTS_FILE, TOKENIZER_FILE)]
    return hashlib.sha256(repr((sums, astuple(checkpoint))).encode()).hexdigest()[:8]


def _graph(folder: Path, checkpoint: Checkpoint, precision: Precision, kind: Kind) -> bytes:
    try:
        from ragline.embedding.graph import build, build_reranker
    except ImportError as error:
        raise prepare.lacking(error) from error
    # Saved with a head, the encoder's weights have a name in front.
    tensors = {
        name.removeprefix("bert."): tensor
        for name, tensor in prepare.tensors(folder / weights.WEIGHTS_FILE).items()
    }
    if kind == "reranker":
        _check_scores(folder, tensors)
    make = build if kind == "embedding" else build_reranker
    try:
        return prepare.serialised(make(tensors, precision, checkpoint))
    except KeyError as error:
        raise SetupError(f"{folder}: the weights lack {error.args[0]}.") from error
    except ValueError as error:
        raise _unfit(folder, error) from error


def _check_scores(folder: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    labels: Any = tensors.get("classifier.weight")
    if labels is not None and len(labels) != 1:
        raise SetupError(
            f"{folder}: the model tells {len(labels)} classes apart; a reranker gives one score."
        )


def _prove(folder: Path, made: Path, card: Card) -> None:
    """Run it once, over the longest text and with the last word of its vocabulary."""
    last = max(load(made).get_vocab(with_added_tokens=True).values())
    inputs = {"input_ids": [last] * card.max_tokens}
    if card.kind == "reranker":
        inputs["token_type_ids"] = [1] * card.max_tokens
    output = "score" if card.kind == "reranker" else "embedding"
    try:
        found = Session(made / GRAPH_FILE, threads=1).run(output, inputs)
    except (EmbeddingFailed, SetupError) as error:
        raise _unfit(folder, error) from error
    if found.shape != (card.dimensions,):
        raise _unfit(folder, f"{found.shape} instead of ({card.dimensions},) comes out")


def _unfit(folder: Path, reason: object) -> SetupError:
    return SetupError(f"{folder}: the weights do not fit config.json or the tokenizer: {reason}.")
