"""Runs in the peers' environment: hybrid retrieval by LangChain's EnsembleRetriever.

The folder given holds texts.jsonl (a JSON string a line), vectors.npy, asked.json and asked.npy.
Query vectors are looked up, as they are on our side.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.retrievers import BM25Retriever
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

TOP = 10
WARMING = 2


class Known(Embeddings):  # type: ignore[misc]
    """Looks vectors up."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self._vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vectors[text]


def retriever(folder: Path, known: Known) -> Any:
    """Both legs as their own constructors make them, with equal weights."""
    with (folder / "texts.jsonl").open(encoding="utf-8") as lines:
        documents = [Document(page_content=json.loads(line)) for line in lines]
    vectors = np.load(folder / "vectors.npy")
    flat = faiss.IndexFlatL2(vectors.shape[1])
    flat.add(vectors)
    names = {number: str(number) for number in range(len(documents))}
    store = InMemoryDocstore(dict(zip(names.values(), documents, strict=True)))
    dense = FAISS(known, flat, store, names)
    sparse = BM25Retriever.from_documents(documents, k=TOP)
    legs = [sparse, dense.as_retriever(search_kwargs={"k": TOP})]
    return EnsembleRetriever(retrievers=legs, weights=[0.5, 0.5])


def main(folder: Path) -> None:
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    vectors = np.load(folder / "asked.npy").tolist()
    start = time.perf_counter()
    both = retriever(folder, Known(dict(zip(asked, vectors, strict=True))))
    built = time.perf_counter() - start
    for text in asked[:WARMING]:
        both.invoke(text)
    took = []
    for text in asked:
        start = time.perf_counter()
        if not both.invoke(text):
            raise SystemExit(f"nothing was found for {text!r}")
        took.append((time.perf_counter() - start) * 1_000)
    sys.stdout.write(json.dumps({"milliseconds": took, "build_seconds": built}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
