"""Lines of text as an engine finds them, by their corners, and the boxes that they have upright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Quads = NDArray[np.float32]
    """Corners of n lines: (n, 4, 2), x and y in pixels, clockwise from the text's top left."""

Box = tuple[float, float, float, float]


def widths(quads: Quads) -> Any:
    """How long each line is: (n,), pixels."""
    import numpy as np

    return np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)


def boxes(quads: Quads) -> list[Box]:
    """Left, top, right and bottom of each line, once the picture is turned so that they are level.

    The angle is that of most of the longer lines. A box around a slanting line would reach over its
    neighbours, and lines of a page on its side would be read across.
    """
    import numpy as np

    if not len(quads):
        return []
    along = quads[:, 1] - quads[:, 0]
    longer = widths(quads) >= np.median(widths(quads))
    ahead = along[longer] / widths(quads)[longer][:, None]
    x, y = np.median(ahead, axis=0)
    angle = -float(np.arctan2(y, x))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = quads @ turn.T
    level -= np.minimum(level.min(axis=(0, 1)), 0)
    low, high = level.min(axis=1), level.max(axis=1)
    return [
        (round(float(left), 1), round(float(top), 1), round(float(right), 1), round(float(foot), 1))
        for (left, top), (right, foot) in zip(low, high, strict=True)
    ]
