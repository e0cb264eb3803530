"""A prepared model on disk: ``model.onnx``, ``tokenizer.json`` and the card that describes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from ragline.domain.errors import SetupError

Precision = Literal["int8", "fp32"]
Pooling = Literal["mean", "cls"]
Kind = Literal["embedding", "reranker"]

NAME = "all-minilm-l6-v2"

REVISION = 2
"""Raise it whenever ``ragline.embedding.graph`` changes a vector, or ``Chunk.searched`` what of a
chunk is embedded: old and new must not mix. 2: the headings above a passage are embedded with it.
"""

ADVICE = "Prepare it with `make model`."
RERANKER_ADVICE = "Prepare it with `ragline model --reranker`."

GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "model.json"


@dataclass(frozen=True, slots=True)
class Card:
    """What ``model.json`` says; the sums are SHA-256 in hexadecimal.

    ``max_tokens`` counts the special tokens that frame every text, and the prefix. ``dimensions``
    are those of a vector, or of a token's vector; a reranker's score has one.
    """

    name: str
    precision: Precision
    dimensions: int
    max_tokens: int
    fingerprint: str
    sha256: str
    tokenizer_sha256: str
    kind: Kind = "embedding"
    pooling: Pooling = "mean"
    query_prefix: str = ""
    passage_prefix: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


_TITLES: dict[Kind, str] = {"embedding": "an embedding model", "reranker": "a reranker"}
_ADVICE: dict[Kind, str] = {"embedding": ADVICE, "reranker": RERANKER_ADVICE}


def fingerprint(precision: Precision) -> str:
    """That of the default model."""
    return f"{NAME}-{REVISION}-{precision}"


def read_card(model_dir: Path, kind: Kind = "embedding") -> Card:
    """The card of a prepared model.

    Raises:
        SetupError: there is none, it is of another kind, or not one that this version wrote.
    """
    advice = _ADVICE[kind]
    path = model_dir / CARD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**{field.name: content[field.name] for field in fields(Card)})
    except OSError as error:
        raise SetupError(f"{model_dir} does not hold {_TITLES[kind]}. {advice}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path} is damaged or of another version. {advice}") from error
    if card.precision not in get_args(Precision):
        raise SetupError(f"{path}: unknown precision {card.precision!r}. {advice}")
    if card.kind != kind:
        raise SetupError(
            f"{model_dir} does not hold {_TITLES[kind]}, but {_TITLES.get(card.kind, card.kind)}:"
            f" {card.name}. {advice}"
        )
    return card


def is_intact(model_dir: Path, expected: str, kind: Kind = "embedding") -> bool:
    """Whether the model of this fingerprint is there, whole.

    Reads every byte: for setting up, not for starting.
    """
    try:
        card = read_card(model_dir, kind)
        return (
            card.fingerprint == expected
            and card.sha256 == sha256(model_dir / GRAPH_FILE)
            and card.tokenizer_sha256 == sha256(model_dir / TOKENIZER_FILE)
        )
    except (SetupError, OSError):
        return False


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
