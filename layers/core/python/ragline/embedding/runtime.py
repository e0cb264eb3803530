"""ONNX Runtime, set up for functions: one text at a time, on the cores that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragline.domain.errors import EmbeddingFailed, SetupError
from ragline.embedding.model import ADVICE

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Session:
    """A graph, loaded. ``threads`` is the number of cores that one text may use.

    Raises:
        SetupError: the file is missing or damaged.
    """

    def __init__(self, path: Path, threads: int, advice: str = ADVICE) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A plan per length of text costs 18 MB over a mixed load and saves no measurable time.
        options.enable_mem_pattern = False
        # Waiting threads would burn the very cores that other functions' work needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's exceptions have no common base
            raise SetupError(f"The model {path} is missing or damaged. {advice}") from error

    def run(self, output: str, inputs: Mapping[str, Sequence[int]]) -> NDArray[np.float32]:
        """One output of the graph for one text's token numbers.

        Raises:
            EmbeddingFailed: the model cannot read this text, or gives no finite numbers for it.
        """
        arrays = {name: np.array(ids, np.int64) for name, ids in inputs.items()}
        try:
            [found] = self._session.run([output], arrays)
        except Exception as error:  # the runtime's exceptions have no common base
            raise EmbeddingFailed(f"The model cannot embed this text: {error}") from error
        if not np.isfinite(found).all():
            raise EmbeddingFailed("The model gave no finite vector for this text.")
        result: NDArray[np.float32] = found
        return result
