"""Small checkpoints with random weights, as Hugging Face and sentence-transformers lay them out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [*SPECIAL, "the", "cat", "sat", "cafe", "##s", "ocean", "deep", "世", "界", ".", "a", "?"]
# Another shape than the default model's in every number.
HEADS, EPSILON, LAYERS, HIDDEN, INTERMEDIATE, POSITIONS = 3, 1e-5, 2, 24, 40, 48

Tensors = dict[str, NDArray[np.float32]]


def write_checkpoint(
    folder: Path,
    *,
    files: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    labels: int = 0,
    prefix: str = "",
    unigram: bool = False,
) -> Tensors:
    """Write a checkpoint; returns its weights, named as without ``prefix``.

    ``files`` are further JSON files by path; ``config`` replaces entries of ``config.json``;
    ``labels`` above 0 makes a classifier of so many classes.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = random_weights(len(WORDS) + 8, labels)
    named = {
        name if name.startswith("classifier.") else prefix + name: tensor
        for name, tensor in tensors.items()
    }
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = unigram_tokenizer() if unigram else wordpiece_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"config.json": _config(labels) | dict(config or {}), **(files or {})}
    for name, content in told.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return tensors


def sentence_transformers_files(
    pooling: str = "mean", *, window: int | None = None, prompts: Mapping[str, str] | None = None
) -> dict[str, object]:
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    files: dict[str, object] = {
        "modules.json": [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{it}"}
            for at, (path, it) in enumerate(kinds.items())
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": pooling == "max",
            "pooling_mode_mean_sqrt_len_tokens": pooling == "mean_sqrt_len",
        },
    }
    if window:
        files["sentence_bert_config.json"] = {"max_seq_length": window, "do_lower_case": False}
    if prompts is not None:
        files["config_sentence_transformers.json"] = {"prompts": dict(prompts)}
    return files


def random_weights(vocabulary: int, labels: int) -> Tensors:
    random = np.random.default_rng(11)

    def draw(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.3, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(vocabulary, HIDDEN),
        "embeddings.position_embeddings.weight": draw(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": draw(2, HIDDEN),
    }
    dense = {"pooler.dense": (HIDDEN, HIDDEN)}
    if labels:
        dense["classifier"] = (labels, HIDDEN)
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}." for number in range(LAYERS)):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            dense[f"{layer}attention.{part}"] = (HIDDEN, HIDDEN)
        dense[f"{layer}intermediate.dense"] = (INTERMEDIATE, HIDDEN)
        dense[f"{layer}output.dense"] = (HIDDEN, INTERMEDIATE)
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name, shape in dense.items():
        found[f"{name}.weight"], found[f"{name}.bias"] = draw(*shape), draw(shape[0])
    for name in norms:
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + draw(HIDDEN), draw(HIDDEN)
    return found


def wordpiece_tokenizer() -> Any:
    """As of English BERT."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def unigram_tokenizer() -> Any:
    """As of the multilingual ones: pieces of SentencePiece, with ▁ for the space before a word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "▁cat", "▁sat", "s", "海洋", "的", "."]
    scores = [(piece, -float(number)) for number, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


def _config(labels: int) -> dict[str, object]:
    return {
        "architectures": ["BertForSequenceClassification" if labels else "BertModel"],
        "model_type": "bert",
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": EPSILON,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "gelu",
        "type_vocab_size": 2,
        "vocab_size": len(WORDS) + 8,
        "pad_token_id": 0,
        **({"id2label": {str(n): f"LABEL_{n}" for n in range(labels)}} if labels else {}),
    }
