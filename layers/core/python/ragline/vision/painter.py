"""Rendering in a child process: what it does to itself, it does to nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    EncryptedDocument,
    ParsingTimeout,
    PermanentError,
    TooManyPages,
    UnsupportedType,
)
from ragline.ports import PageImage, Painted
from ragline.reading.process import environment

_ERRORS: Mapping[str, type[PermanentError]] = {
    kind.code: kind
    for kind in (Bomb, CorruptDocument, EncryptedDocument, TooManyPages, UnsupportedType)
}


class ChildPainter:
    """``ports.Painter``. The child's stdout is a pipe: a worker's own may carry its answers."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "ragline.vision.child")):
        self._command = list(command)

    def paint(
        self, file: Path, pages: Sequence[int], folder: Path, *, most: int, deadline: float
    ) -> Painted:
        seconds = max(1.0, deadline - time.monotonic())
        request = {
            "file": str(file),
            "pages": list(pages),
            "folder": str(folder),
            "most": most,
            "seconds": int(seconds),
        }
        try:
            done = subprocess.run(
                self._command,
                input=json.dumps(request).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(os.environ),
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ParsingTimeout(f"rendering took longer than {seconds:.0f} seconds.") from error
        if done.returncode:
            raise CorruptDocument(
                f"rendering ended the process that does it ({_ended(done.returncode)})."
            )
        return _painted(json.loads(done.stdout))


def _ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _painted(answer: Mapping[str, Any]) -> Painted:
    if "error" in answer:
        raise _error(answer["error"])
    images = {
        int(page): PageImage(Path(path), kind, width, height)
        for page, (path, kind, width, height) in answer["images"].items()
    }
    troubles = {int(page): _error(told) for page, told in answer["troubles"].items()}
    return Painted(answer["total"], images, troubles)


def _error(told: Mapping[str, Any]) -> PermanentError:
    return _ERRORS.get(told["code"], CorruptDocument)(told["message"], page=told.get("page"))
