"""What the files of a published checkpoint say of it: its architecture, and how it is to be used.

Hugging Face's ``config.json``, and the files that sentence-transformers lays beside it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from ragline.domain.errors import SetupError
from ragline.embedding.model import Pooling

CONFIG_FILE = "config.json"
FILES = (
    CONFIG_FILE,
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "*_Pooling/config.json",
)

PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""Under which of these names the prefix of passages is kept depends on who published the model."""


@dataclass(frozen=True, slots=True)
class Bert:
    """The sizes of a BERT encoder; the other sizes are those of its weights."""

    layers: int
    heads: int
    hidden: int
    epsilon: float = 1e-12


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``max_tokens`` counts special tokens; the prefixes go before every query and passage."""

    bert: Bert
    max_tokens: int
    pooling: Pooling = "mean"
    query_prefix: str = ""
    passage_prefix: str = ""


PINNED = Checkpoint(Bert(layers=6, heads=12, hidden=384), max_tokens=256)
"""all-MiniLM-L6-v2 as published."""


class _Config(BaseModel):
    num_hidden_layers: int = Field(ge=1)
    num_attention_heads: int = Field(ge=1)
    hidden_size: int = Field(ge=1)
    max_position_embeddings: int = Field(ge=2)
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    position_embedding_type: str | None = "absolute"
    is_decoder: bool = False


class _Module(BaseModel):
    type: str
    path: str = ""


class _Pooling(BaseModel):
    """Newer files name the mode; older ones have a switch for each."""

    pooling_mode: str | list[str] | None = None
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False
    include_prompt: bool = True


class _Window(BaseModel):
    max_seq_length: float | None = None  # tokenizer_config.json may say 1e30
    model_max_length: float | None = None


class _Prompts(BaseModel):
    prompts: dict[str, str | None] = {}


def read_embedder(folder: Path) -> Checkpoint:
    """The sentence-transformers model, or the bare BertModel, in a folder.

    Raises:
        SetupError: its architecture, or a step after it, is not one that we build; says which.
    """
    bert, positions = _bert(folder)
    prompts = _read(folder / "config_sentence_transformers.json", _Prompts).prompts
    passage = next((prompts[name] for name in PASSAGE_PROMPTS if prompts.get(name)), None)
    return Checkpoint(
        bert,
        max_tokens=_window(folder, positions),
        pooling=_pooling(folder),
        query_prefix=prompts.get("query") or "",
        passage_prefix=passage or "",
    )


def read_reranker(folder: Path) -> Checkpoint:
    """The cross-encoder in a folder.

    Raises:
        SetupError: its architecture is not one that we build; says which it is.
    """
    bert, positions = _bert(folder)
    return Checkpoint(bert, max_tokens=_window(folder, positions))


def _bert(folder: Path) -> tuple[Bert, int]:
    """The encoder, and how many positions it knows."""
    path = folder / CONFIG_FILE
    content = _load(path)
    if content is None:
        raise SetupError(f"{folder} holds no model: there is no {CONFIG_FILE}.")
    kind = content.get("model_type") if isinstance(content, dict) else None
    if kind != "bert":
        raise SetupError(f"{path}: the model is of type {kind!r}; only 'bert' is supported.")
    config = _parse(path, content, _Config)
    for name, found, wanted in (
        ("hidden_act", config.hidden_act, "gelu"),
        ("position_embedding_type", config.position_embedding_type or "absolute", "absolute"),
        ("is_decoder", config.is_decoder, False),
    ):
        if found != wanted:
            raise SetupError(f"{path}: {name} is {found!r}; only {wanted!r} is supported.")
    if config.hidden_size % config.num_attention_heads:
        raise SetupError(
            f"{path}: hidden_size {config.hidden_size} is not a multiple of "
            f"num_attention_heads {config.num_attention_heads}."
        )
    bert = Bert(
        config.num_hidden_layers,
        config.num_attention_heads,
        config.hidden_size,
        config.layer_norm_eps,
    )
    return bert, config.max_position_embeddings


def _pooling(folder: Path) -> Pooling:
    """Without ``modules.json`` the mean, as sentence-transformers does for a bare BertModel."""
    path = folder / "modules.json"
    modules = _load(path)
    if modules is None:
        return "mean"
    entries = modules if isinstance(modules, list) else []
    pooling: Pooling = "mean"
    for module in (_parse(path, each, _Module) for each in entries):
        match module.type.rpartition(".")[2]:
            case "Transformer" | "Normalize":  # every vector is normalised here
                pass
            case "Pooling":
                pooling = _pooling_mode(folder / module.path / CONFIG_FILE)
            case other:
                raise SetupError(
                    f"{path}: the model has a step {other!r};"
                    " only Transformer, Pooling and Normalize are supported."
                )
    return pooling


def _pooling_mode(path: Path) -> Pooling:
    found = _read(path, _Pooling)
    modes = [found.pooling_mode] if isinstance(found.pooling_mode, str) else found.pooling_mode
    if modes is None:
        switches = found.model_dump(exclude={"pooling_mode", "include_prompt"})
        modes = [
            re.sub("^pooling_mode_|_tokens?$", "", name) for name, on in switches.items() if on
        ]
    if modes == ["cls"]:
        return "cls"
    if modes == ["mean"] and found.include_prompt:
        return "mean"
    told = " and ".join(modes) or "none"
    prompt = "" if found.include_prompt else " without the prompt"
    raise SetupError(f"{path}: pooling is {told}{prompt}; only mean and cls are supported.")


def _window(folder: Path, positions: int) -> int:
    told = (
        _read(folder / "sentence_bert_config.json", _Window).max_seq_length,
        _read(folder / "tokenizer_config.json", _Window).model_max_length,
    )
    return int(min(next((size for size in told if size), positions), positions))


_File = TypeVar("_File", bound=BaseModel)


def _read(path: Path, kind: type[_File]) -> _File:
    """What a file says; the defaults where there is no such file."""
    return _parse(path, _load(path) or {}, kind)


def _parse(path: Path, content: object, kind: type[_File]) -> _File:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "its content"
        raise SetupError(f"{path}: {name}: {first['msg']}.") from error


def _load(path: Path) -> Any:
    """None if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}.") from error
