"""The process that renders: ``python -m ragline.vision.child``, a request on stdin, JSON on stdout.

A page may crash PDFium, hang it or take all memory; then it is this process that ends. It is given
no credentials, and what it may do and use is limited before it opens the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from ragline.domain.errors import PermanentError
from ragline.reading.confinement import bound_cpu, confine

MEGABYTES = 1_536
"""That it may use."""


def main(asked: TextIO, told: TextIO) -> None:
    request: Mapping[str, Any] = json.load(asked)
    confine(MEGABYTES)
    bound_cpu(float(request["seconds"]))
    from ragline.vision.pages import paint

    answer: dict[str, Any]
    try:
        painted = paint(
            Path(request["file"]),
            request["pages"],
            Path(request["folder"]),
            most=request["most"],
        )
    except PermanentError as error:
        answer = {"error": _error(error)}
    except MemoryError:
        answer = {"error": {"code": "bomb", "message": "rendering takes more memory than allowed."}}
    else:
        answer = {
            "total": painted.total,
            "images": {
                page: [str(one.path), one.format, one.width, one.height]
                for page, one in painted.images.items()
            },
            "troubles": {page: _error(error) for page, error in painted.troubles.items()},
        }
    json.dump(answer, told)


def _error(error: PermanentError) -> dict[str, Any]:
    return {"code": error.code, "message": str(error), "page": error.page}


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
