"""A prepared model on disk: ``model.onnx``, ``tokenizer.json`` and the card that describes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from ragline.domain.errors import SetupError

Precision = Literal["int8", "fp32"]

NAME = "all-minilm-l6-v2"

REVISION = 1
"""Raise it whenever ``ragline.embedding.graph`` changes a vector: old and new must not mix."""

ADVICE = "Prepare it with `make model`."

GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "model.json"


@dataclass(frozen=True, slots=True)
class Card:
    """What ``model.json`` says; the sums are SHA-256 in hexadecimal.

    ``max_tokens`` counts the two special tokens that frame every text.
    """

    name: str
    precision: Precision
    dimensions: int
    max_tokens: int
    fingerprint: str
    sha256: str
    tokenizer_sha256: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


def fingerprint(precision: Precision) -> str:
    return f"{NAME}-{REVISION}-{precision}"


def read_card(model_dir: Path) -> Card:
    """The card of a prepared model.

    Raises:
        SetupError: there is none, or it is not one that this version wrote.
    """
    path = model_dir / CARD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**{field.name: content[field.name] for field in fields(Card)})
    except OSError as error:
        raise SetupError(f"There is no embedding model in {model_dir}. {ADVICE}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path} is damaged or of another version. {ADVICE}") from error
    if card.precision not in get_args(Precision):
        raise SetupError(f"{path}: unknown precision {card.precision!r}. {ADVICE}")
    return card


def is_intact(model_dir: Path, precision: Precision) -> bool:
    """Whether this very model is there, whole. Reads every byte: for setting up, not starting."""
    try:
        card = read_card(model_dir)
        return (
            card.fingerprint == fingerprint(precision)
            and card.sha256 == sha256(model_dir / GRAPH_FILE)
            and card.tokenizer_sha256 == sha256(model_dir / TOKENIZER_FILE)
        )
    except (SetupError, OSError):
        return False


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
