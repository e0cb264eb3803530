"""RapidOCR: PaddleOCR's models on ONNX Runtime, in this process; the models come in its wheel.

Its own pipeline takes twice the time and memory for the same text (docs/ocr.md), and reads a
page that lies on its side from the side. So its models are asked one by one here: where there is
text, and what it says. Which way up it is shows where some lines of it are read both ways: the
model that is made for that question takes worn typescript to be upside down.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragline.domain.errors import CorruptDocument, SetupError
from ragline.ocr.quads import boxes, widths
from ragline.ports import OcrLine

if TYPE_CHECKING:
    from ragline.ocr.quads import Quads

DETECTION_SIDE = 1280
"""Pixels: a larger picture is shrunk to this for finding lines; they are read at full size."""

_REVISION = 1
"""Raised whenever this module would read the same picture otherwise."""

_WIDEST, _SAMPLE = 24, 6
"""So many lines, out of the widest so many, tell which way up a page is."""

_SURE = 0.85
_TALL = 1.5
_MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}


class RapidOcr:
    """``ports.Ocr``. One picture at a time; ``threads`` of ONNX Runtime."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._lock = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        return f"rapidocr-{version('rapidocr').replace('.', '-')}-ppocrv6-small-{_REVISION}"

    def read(self, image: bytes) -> Sequence[OcrLine]:
        with self._lock:
            picture = _decoded(image)
            picture, quads = self._upright(picture, self._found(picture))
            if not len(quads):
                return []
            crops = self._engine.crop_text_regions(picture, quads)
            read = self._engine.recognize_txt(crops)
        return [
            OcrLine(text.strip(), *box, confidence=round(float(score), 3))
            for text, score, box in zip(read.txts, read.scores, boxes(quads), strict=True)
        ]

    def _found(self, picture: Any) -> Quads:
        import numpy as np

        found = self._engine(picture, use_det=True, use_cls=False, use_rec=False).boxes
        return np.zeros((0, 4, 2), np.float32) if found is None else np.asarray(found, np.float32)

    def _upright(self, picture: Any, quads: Quads) -> tuple[Any, Quads]:
        """The picture turned as its text is, and the lines in that."""
        import cv2

        if _on_its_side(quads):
            picture = cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE)
            quads = self._found(picture)
        if len(quads) and self._on_its_head(picture, quads):
            height, width = picture.shape[:2]
            picture = cv2.rotate(picture, cv2.ROTATE_180)
            quads = ((width, height) - quads)[::-1, [2, 3, 0, 1]].astype(quads.dtype)
        return picture, quads

    def _on_its_head(self, picture: Any, quads: Quads) -> bool:
        """Whether some of its wider lines read better the other way up."""
        import cv2

        widest = quads[widths(quads).argsort()[::-1][:_WIDEST]]
        some = self._engine.crop_text_regions(picture, widest[:: -(-len(widest) // _SAMPLE)])
        upright = self._sureness(some)
        if upright >= _SURE:
            return False
        return self._sureness([cv2.rotate(one, cv2.ROTATE_180) for one in some]) > upright

    def _sureness(self, crops: Sequence[Any]) -> float:
        return float(sum(self._engine.recognize_txt(crops).scores) / len(crops))

    @cached_property
    def _engine(self) -> Any:
        """Loading it takes a second."""
        import rapidocr

        folder = Path(rapidocr.__file__).parent / "models"
        options: dict[str, Any] = {
            "Global.log_level": "critical",  # else it writes to stderr whatever it does
            "Det.limit_type": "max",
            "Det.limit_side_len": DETECTION_SIDE,
            "Global.use_preprocess_img": False,  # the detector shrinks it itself
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        for part, name in _MODELS.items():
            if not (folder / name).exists():  # it would be downloaded
                raise SetupError(f"{folder / name} is missing: install rapidocr again.")
            options[f"{part}.model_path"] = str(folder / name)
        return rapidocr.RapidOCR(params=options)


def _decoded(image: bytes) -> Any:
    """Height × width × 3 bytes."""
    import cv2
    import numpy as np

    picture = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) if image else None
    if picture is None:
        raise CorruptDocument("A picture to read is none.")
    return picture


def _on_its_side(quads: Quads) -> bool:
    """Whether most of the text, by its length, runs up or down."""
    import numpy as np

    if not len(quads):
        return False
    width = widths(quads)
    height = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    tall = height > _TALL * width
    return float(height[tall].sum()) > float(width[~tall].sum())
