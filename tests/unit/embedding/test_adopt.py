from __future__ import annotations

import errno
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.domain.errors import SetupError
from ragline.embedding import adopt as module
from ragline.embedding import weights
from ragline.embedding.adopt import adopt, adopt_reranker
from ragline.embedding.model import (
    CARD_FILE,
    GRAPH_FILE,
    REVISION,
    Precision,
    fingerprint,
    read_card,
)
from ragline.embedding.onnx import OnnxEmbedder
from ragline.embedding.prepare import main
from ragline.embedding.tokenizer import WordPieceTokenizer
from tests.unit.embedding.bert_oracle import exact, forward
from tests.unit.embedding.checkpoints import (
    EPSILON,
    HEADS,
    HIDDEN,
    POSITIONS,
    WORDS,
    sentence_transformers_files,
    write_checkpoint,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Tiny_BERT.v2"


def ids(*words: str) -> list[int]:
    return [WORDS.index(word) for word in ("[CLS]", *words, "[SEP]")]


def write_default(folder: Path, weights_dir: Path, files: Mapping[str, object]) -> None:
    """The default model's weights as published, with these files beside them."""
    shape = {"num_hidden_layers": 6, "num_attention_heads": 12, "hidden_size": 384}
    config = {**shape, "max_position_embeddings": 512, "layer_norm_eps": 1e-12}
    write_checkpoint(folder, config=config, files=files)
    for name in weights.SHA256:
        (folder / name).write_bytes((weights_dir / name).read_bytes())


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_any_bert_is_computed_to_the_last_float32_digits(pooling: str, folder: Path) -> None:
    tensors = write_checkpoint(folder, files=sentence_transformers_files(pooling))
    [vector] = OnnxEmbedder(adopt(str(folder), "fp32")).embed(["The cats sat."])
    expected = forward(
        exact(tensors),
        ids("the", "cat", "##s", "sat", "."),
        heads=HEADS,
        epsilon=EPSILON,
        pooling=pooling,
    )
    np.testing.assert_allclose(vector, expected, atol=2e-6)


def test_int8_stays_close_to_it(folder: Path) -> None:
    tensors = write_checkpoint(folder)
    [vector] = OnnxEmbedder(adopt(str(folder), "int8")).embed(["The cats sat."])
    words = ids("the", "cat", "##s", "sat", ".")
    assert vector @ forward(exact(tensors), words, heads=HEADS, epsilon=EPSILON) > 0.99


def test_half_precision_weights_and_names_with_a_head_in_front_are_read(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = write_checkpoint(folder, prefix="bert.")
    halved = {k: v.astype(np.float16) for k, v in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors")
    [vector] = OnnxEmbedder(adopt(str(folder), "fp32")).embed(["the cat"])
    rounded = exact({k: v.astype(np.float16).astype(np.float32) for k, v in tensors.items()})
    expected = forward(rounded, ids("the", "cat"), heads=HEADS, epsilon=EPSILON)
    np.testing.assert_allclose(vector, expected, atol=2e-6)


def test_bare_weights_are_pooled_by_the_mean_over_all_positions(folder: Path) -> None:
    write_checkpoint(folder)
    card = read_card(adopt(str(folder), "int8"))
    assert (card.pooling, card.max_tokens, card.dimensions) == ("mean", POSITIONS, HIDDEN)
    assert (card.query_prefix, card.passage_prefix) == ("", "")


@pytest.mark.parametrize(
    ("files", "tokens"),
    [
        ({"sentence_bert_config.json": {"max_seq_length": 12}}, 12),
        ({"tokenizer_config.json": {"model_max_length": 14}}, 14),
        ({"tokenizer_config.json": {"model_max_length": 1e30}}, POSITIONS),
        ({"sentence_bert_config.json": {"max_seq_length": 9_999}}, POSITIONS),
        ({"sentence_bert_config.json": {"max_seq_length": None}}, POSITIONS),
    ],
)
def test_the_window_is_the_published_one_and_no_longer_than_the_positions(
    files: Mapping[str, object], tokens: int, folder: Path
) -> None:
    write_checkpoint(folder, files=files)
    made = adopt(str(folder), "int8")
    assert read_card(made).max_tokens == tokens
    whole, longer = OnnxEmbedder(made).embed(["cat " * (tokens - 2), "cat " * 99 + "ocean"])
    np.testing.assert_array_equal(whole, longer)


def test_newer_files_name_the_pooling(folder: Path) -> None:
    files = sentence_transformers_files() | {"1_Pooling/config.json": {"pooling_mode": "cls"}}
    write_checkpoint(folder, files=files)
    assert read_card(adopt(str(folder), "int8")).pooling == "cls"


@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_published_prompts_go_before_queries_and_passages(name: str, folder: Path) -> None:
    prompts = {"query": "the ", name: "deep "}
    write_checkpoint(folder, files=sentence_transformers_files(prompts=prompts))
    prompted = OnnxEmbedder(adopt(str(folder), "fp32"))
    plain = OnnxEmbedder(adopt(str(folder), "fp32", query_prefix="", passage_prefix=""))
    [query, passage] = plain.embed(["the cat", "deep cat"])
    np.testing.assert_array_equal(prompted.embed_query("cat"), query)
    np.testing.assert_array_equal(prompted.embed(["cat"])[0], passage)
    assert prompted.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("multilingual-e5-small", "query: ", "passage: "),
        ("e5-base-v2", "query: ", "passage: "),
        ("multilingual-e5-large-instruct", "", ""),
        ("paraphrase-multilingual-minilm-l12-v2", "", ""),
    ],
)
def test_the_prefixes_of_e5_are_known(name: str, query: str, passage: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / name)
    card = read_card(adopt(str(tmp_path / name), "int8"))
    assert (card.query_prefix, card.passage_prefix) == (query, passage)
    assert card.name == name


def test_the_fingerprint_names_model_revision_precision_and_weights(
    folder: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    write_checkpoint(folder)
    first, exactly = (read_card(adopt(str(folder), p)).fingerprint for p in ("int8", "fp32"))
    assert re.fullmatch(rf"tiny-bert-v2-{REVISION}-int8-[0-9a-f]{{8}}", first)
    assert re.fullmatch(rf"tiny-bert-v2-{REVISION}-fp32-[0-9a-f]{{8}}", exactly)
    trained = load_file(folder / "model.safetensors")
    trained["embeddings.LayerNorm.bias"] += 1
    save_file(trained, folder / "model.safetensors")
    assert read_card(adopt(str(folder), "int8")).fingerprint != first


def test_a_model_is_made_once_and_anew_where_it_is_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(folder)
    made = adopt(str(folder), "int8")
    graph = (made / GRAPH_FILE).read_bytes()
    (made / GRAPH_FILE).write_bytes(graph[:-9])
    assert adopt(str(folder), "int8") == made
    assert (made / GRAPH_FILE).read_bytes() == graph
    monkeypatch.setattr(module, "_graph", None)
    assert adopt(str(folder), "int8") == made


@pytest.mark.parametrize("name", [GRAPH_FILE, CARD_FILE])
def test_a_full_disk_is_told_with_the_folder_and_leaves_no_model(
    name: str, folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error names no file; the first folder written to is a temporary one."""
    write_checkpoint(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if name in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SetupError, match=rf"{tmp_path}/ragline-model-\w+: .*No space left"):
        adopt(str(folder), "int8")
    assert not cache.exists()


def test_a_machine_without_a_temporary_folder_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    with pytest.raises(SetupError, match=r"Tiny_BERT\.v2.*nowhere"):
        adopt(str(folder), "int8")


@pytest.mark.usefixtures("pinned")
def test_the_default_model_keeps_its_fingerprint_wherever_it_comes_from(
    weights_dir: Path, folder: Path
) -> None:
    write_default(folder, weights_dir, sentence_transformers_files(window=256))
    assert read_card(adopt(str(folder), "int8")).fingerprint == fingerprint("int8")


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize(
    ("files", "told"),
    [
        (sentence_transformers_files(window=128), (128, "mean")),
        (sentence_transformers_files("cls", window=256), (256, "cls")),
        (sentence_transformers_files(), (512, "mean")),
    ],
    ids=["window", "pooling", "no window"],
)
def test_the_default_weights_used_in_another_way_are_another_model(
    files: Mapping[str, object], told: tuple[int, str], weights_dir: Path, folder: Path
) -> None:
    write_default(folder, weights_dir, files)
    card = read_card(adopt(str(folder), "int8"))
    assert (card.max_tokens, card.pooling) == told
    assert card.fingerprint.startswith(f"tiny-bert-v2-{REVISION}-int8-")


def test_a_sentencepiece_tokenizer_serves_as_well(folder: Path) -> None:
    write_checkpoint(folder, unigram=True)
    made = adopt(str(folder), "int8")
    embedder = OnnxEmbedder(made)
    query, same, other = embedder.embed(["the cat sat", "the  cat sat", "海洋的"])
    np.testing.assert_array_equal(query, same)
    assert not np.array_equal(query, other)
    text = "the cats 海洋的 sat."
    spans = WordPieceTokenizer(made).offsets(text)
    reached = 0
    for start, end in spans:
        assert reached <= start < end <= len(text)
        reached = start


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "xlm-roberta"}, "type 'xlm-roberta'; only 'bert' is supported"),
        ({"model_type": None}, "type None"),
        ({"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"num_hidden_layers": "many"}, "num_hidden_layers"),
        ({"num_attention_heads": 5}, "24 is not a multiple of num_attention_heads 5"),
        ({"num_hidden_layers": 3}, r"weights lack encoder\.layer\.2\."),
        ({"hidden_size": 48}, "do not fit"),
        ({"max_position_embeddings": 99}, "do not fit"),
    ],
)
def test_an_architecture_that_is_not_supported_is_named(
    config: Mapping[str, object], message: str, folder: Path, cache: Path
) -> None:
    write_checkpoint(folder, config=config)
    with pytest.raises(SetupError, match=message):
        adopt(str(folder), "int8")
    assert not cache.exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1_Pooling/config.json": {"pooling_mode_max_tokens": True}}, "pooling is max"),
        (
            {"1_Pooling/config.json": {"pooling_mode_mean_sqrt_len_tokens": True}},
            "pooling is mean_sqrt_len",
        ),
        ({"1_Pooling/config.json": {}}, "pooling is none"),
        (
            {"1_Pooling/config.json": {"pooling_mode": "mean", "include_prompt": False}},
            "mean without the prompt",
        ),
        ({"modules.json": [{"type": "x.Transformer"}, {"type": "x.Dense"}]}, "a step 'Dense'"),
        ({"modules.json": [{"path": ""}]}, "type: Field required"),
        ({"config_sentence_transformers.json": {"prompts": "query: "}}, "prompts"),
    ],
)
def test_a_step_after_the_encoder_that_is_not_supported_is_named(
    files: Mapping[str, object], message: str, folder: Path
) -> None:
    write_checkpoint(folder, files=sentence_transformers_files() | dict(files))
    with pytest.raises(SetupError, match=message):
        adopt(str(folder), "int8")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_a_missing_or_damaged_file_is_named(name: str, content: bytes | None, folder: Path) -> None:
    write_checkpoint(folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(SetupError, match=name.partition(".")[0]):
        adopt(str(folder), "int8")


def test_a_tokenizer_with_more_words_than_the_weights_is_refused(folder: Path) -> None:
    write_checkpoint(folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["whale"] = 9_999
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(SetupError, match=r"do not fit .* the tokenizer"):
        adopt(str(folder), "int8")


def test_what_is_neither_a_folder_nor_on_the_hub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="neither a folder nor a repository"):
        adopt(str(tmp_path / "nowhere"), "int8")


class Hub(SimpleNamespace):
    """The hub's client; ``folder`` is where a fetched repository lies."""

    def snapshot_download(self, repository: str, **options: Any) -> str:
        self.asked = (repository, options["revision"])
        self.patterns = options["allow_patterns"]
        if self.folder is None:
            raise ConnectionError("no route to host\nmore")
        return str(self.folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    client = Hub(folder=None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    logs = SimpleNamespace(set_verbosity=lambda _: None)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils.logging", logs)
    return client


def test_a_repository_of_the_hub_is_fetched_with_what_is_needed_of_it(
    hub: Hub, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "snapshots" / "0abc")
    hub.folder = tmp_path / "snapshots" / "0abc"
    made = adopt("acme/Multilingual-E5-small@v1.0", "int8")
    assert hub.asked == ("acme/Multilingual-E5-small", "v1.0")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(hub.patterns)
    assert read_card(made).name == "multilingual-e5-small"
    assert read_card(made).query_prefix == "query: "


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(hub: Hub) -> None:
    with pytest.raises(SetupError, match="no route to host") as caught:
        adopt("acme/model", "int8")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_classifier_of_several_classes_is_no_reranker(precision: Precision, folder: Path) -> None:
    write_checkpoint(folder, labels=3)
    with pytest.raises(SetupError, match="3 classes"):
        adopt_reranker(str(folder), precision)


def test_an_embedding_model_is_no_reranker_nor_the_other_way_round(folder: Path) -> None:
    write_checkpoint(folder)
    with pytest.raises(SetupError, match=r"lack classifier\."):
        adopt_reranker(str(folder), "int8")
    write_checkpoint(folder, labels=1)
    with pytest.raises(SetupError, match="does not hold an embedding model, but a reranker"):
        OnnxEmbedder(adopt_reranker(str(folder), "int8"))


def test_the_command_packs_another_model_with_its_reranker(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(folder)
    write_checkpoint(tmp_path / "judge", labels=1)
    into = tmp_path / "layer" / "model"
    options = ["--from", str(folder), "--reranker", str(tmp_path / "judge"), "--into", str(into)]
    assert main(options) == 0
    assert capsys.readouterr().out.strip() == str(into)
    assert read_card(into).name == "tiny-bert-v2"
    assert read_card(into / "reranker", "reranker").name == "judge"
    assert main(["--from", str(tmp_path / "nowhere")]) == 1
    assert "neither a folder" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("unigram", [False, True])
def test_it_gives_what_sentence_transformers_gives(
    pooling: str, unigram: bool, folder: Path
) -> None:
    pytest.importorskip("sentence_transformers")
    from ragline.embedding.sentence_transformers import SentenceTransformersEmbedder

    prompts = {"query": "the ", "document": "deep "}
    files = sentence_transformers_files(pooling, window=16, prompts=prompts)
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>" if unigram else "[PAD]",
    }
    write_checkpoint(folder, unigram=unigram, files=files | {"tokenizer_config.json": tokenizer})
    ours = OnnxEmbedder(adopt(str(folder), "fp32"))
    theirs = SentenceTransformersEmbedder(folder, device="cpu")
    texts = ["the cats sat.", "世界 海洋的", "the cat " * 30, ""]
    np.testing.assert_allclose(ours.embed(texts), theirs.embed(texts), atol=1e-5)
    expected: NDArray[np.float32] = theirs.embed_query("cat")
    np.testing.assert_allclose(ours.embed_query("cat"), expected, atol=1e-5)
