"""Pages as pictures, and models that see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ragline.domain.errors import PermanentError
from ragline.domain.messages import AnalysisWork

ImageFormat = Literal["png", "jpeg"]


@dataclass(frozen=True, slots=True)
class PageImage:
    """The picture of a page, on this machine; width and height in pixels."""

    path: Path
    format: ImageFormat
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Painted:
    """The pages of a file: how many it has, pictures by page, and why there is none of others."""

    total: int
    images: Mapping[int, PageImage] = field(default_factory=dict)
    troubles: Mapping[int, PermanentError] = field(default_factory=dict)


class Painter(Protocol):
    """Makes pictures of a file's pages, each small enough for any model."""

    def paint(
        self, file: Path, pages: Sequence[int], folder: Path, *, most: int, deadline: float
    ) -> Painted:
        """Pictures of these pages, () for all, as files in ``folder``.

        ``deadline`` is in seconds of ``time.monotonic``.

        Raises:
            UnsupportedType: its bytes are of no format that has pages to look at.
            TooManyPages: all were asked for, and they are more than ``most``.
            EncryptedDocument, CorruptDocument, Bomb, ParsingTimeout: as they say.
        """


@dataclass(frozen=True, slots=True)
class Seen:
    """A model's answer about a picture, and the tokens that it says this took.

    ``truncated``: it had more to say than it was allowed.
    """

    text: str
    input_tokens: int
    output_tokens: int
    truncated: bool = False


class Vision(Protocol):
    """A model that sees."""

    @property
    def model(self) -> str:
        """Its name; shown to people."""

    def ask(self, image: PageImage, prompt: str, *, answer_tokens: int, seconds: float) -> Seen:
        """Its answer to the prompt about the picture, of at most so many tokens, in that time.

        Raises:
            ModelRefused: it takes no such picture or prompt, or will not answer.
            Throttled, ServiceUnavailable: it is busy, or not to be reached.
            SetupError: the key, the model's name or a grant is wrong.
        """


class AnalysisOrders(Protocol):
    """Where ordered analyses wait."""

    def send(self, work: AnalysisWork) -> None: ...
