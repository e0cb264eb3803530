"""Page-image analyses: a model that sees answers a question about each page of a document. Pure.

An analysis is of one generation of its document. Each page that was dealt with has one answer, or
the reason why it has none; so however often the work is delivered, a page is asked about once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.errors import TooManyPages
from ragline.domain.times import later


class AnalysisStatus(StrEnum):
    """Where an analysis stands; it ends ``done`` (some page has an answer) or ``failed``."""

    QUEUED = "queued"
    RENDERING = "rendering"
    ANALYSING = "analysing"
    DONE = "done"
    FAILED = "failed"


STAGE = "analyse"
"""In reasons: what failed."""

ENDED = frozenset({AnalysisStatus.DONE, AnalysisStatus.FAILED})

STARVED_AFTER = timedelta(hours=6)
"""An analysis that nobody touched for so long has lost its message: it ends when it is asked for.

Longer than any wait between two attempts, see ``ragline.pausing``."""

REPLACED = "replaced"
STALLED = "stalled"
MAX_COST = "max_cost"
NO_SUCH_PAGE = "no_such_page"
RETRIES_EXHAUSTED = "retries_exhausted"

ADVICE: Mapping[str, str] = {
    "encrypted": "Upload a copy without a password: the document's own is not kept, so pages cannot"
    " be rendered again.",
    "corrupt": "Open it in the program that it came from, save or export it anew, and upload that.",
    "unsupported_type": "Only PDFs and pictures have pages to look at: convert it to PDF.",
    "too_many_pages": "Name the pages that matter, in several analyses if need be.",
    "timeout": "Ask about fewer pages at once, or print the file anew.",
    "bomb": "Ask about other pages, or print the file anew.",
    "model_refused": "Ask differently, or see what the model takes: its words are in the message.",
    REPLACED: "Ask again: the answer will be about the document as it is now.",
    STALLED: "Ask again; if that ends alike, the analyst's log says why.",
    MAX_COST: "Ask about fewer pages, or allow more.",
    NO_SUCH_PAGE: "See the document's pages_total.",
    RETRIES_EXHAUSTED: "Ask again later: the pages that have answers stay here.",
}
"""What to do about an analysis that failed, by the code of its reason."""

PIXELS_PER_TOKEN = 750
"""An estimate from above of what models take a picture for; after the first page, what it really
took is known. https://docs.anthropic.com/en/docs/build-with-claude/vision"""

CHARACTERS_PER_TOKEN = 2
"""An estimate from above, of the prompt."""

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Dollars for a million tokens."""

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What became of a page (from 1): a text of the model, or the reason why there is none.

    ``truncated``: the model had more to say than it was allowed. The tokens are those that the
    model says it took.
    """

    page: int
    text: str = ""
    reason: Reason | None = None
    truncated: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis as it is on record. Times are ISO 8601, UTC.

    ``document_created`` tells the document from another one that had its id before. ``pages`` are
    those that were asked for, () for every one; ``pages_planned`` how many that are, 0 until it is
    known. ``pages_done`` counts those that were dealt with, ``pages_failed`` those of them that
    have no answer. ``prices`` are those of the model when it was ordered, None if they are not
    known; ``max_cost`` in dollars, None for no cap. ``turn_until``: until then one worker has it
    to itself. ``trouble`` is what went wrong last, if it is tried again.
    """

    partition: Partition
    document_id: str
    analysis_id: str
    generation: int
    document_created: str
    prompt: str
    model: str
    created_at: str
    updated_at: str
    pages: tuple[int, ...] = ()
    status: AnalysisStatus = AnalysisStatus.QUEUED
    answer_tokens: int = 0
    prices: TokenPrices | None = None
    max_cost: float | None = None
    pages_planned: int = 0
    pages_done: int = 0
    pages_failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    turn_until: str = ""
    trouble: str = ""
    reason: Reason | None = None
    advice: str = ""
    trace_id: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def cost(self) -> float | None:
        """What the answers so far cost in dollars; None where prices are not known."""
        return self.prices.cost(self.input_tokens, self.output_tokens) if self.prices else None

    def of(self, document: Document | None) -> bool:
        """Whether it is of this document, which is there: not of one that had the id before."""
        if document is None or document.status is Status.DELETED:
            return False
        return document.created_at == self.document_created

    @property
    def progress(self) -> str:
        """For people: ``3 of 8 pages``."""
        planned = self.pages_planned or len(self.pages)
        if not planned:
            return "not begun"
        return f"{self.pages_done} of {planned} page{'' if planned == 1 else 's'}"

    def starved(self, now: str) -> bool:
        """Whether it should have moved long ago, and nobody works on it."""
        alive = self.ended or now < max(self.turn_until, later(self.updated_at, STARVED_AFTER))
        return not alive


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a page may take: pixels of its picture, and the prompt and answer that go with it.

    ``dearest`` is the most input tokens that a page of this analysis took so far.
    """

    pixels: int
    prompt_characters: int
    answer_tokens: int
    dearest: int = 0

    @property
    def input_tokens(self) -> int:
        seen = math.ceil(self.pixels / PIXELS_PER_TOKEN)
        said = math.ceil(self.prompt_characters / CHARACTERS_PER_TOKEN)
        return max(seen + said, self.dearest)

    def cost(self, prices: TokenPrices) -> float:
        return prices.cost(self.input_tokens, self.answer_tokens)


def affordable(analysis: Analysis, spent: float, estimate: Estimate) -> bool:
    """Whether a page more stays within ``max_cost``, by the estimate; ``spent`` in dollars."""
    if analysis.max_cost is None or analysis.prices is None:
        return True
    return spent + estimate.cost(analysis.prices) <= analysis.max_cost


def wanted_pages(asked: Sequence[int], total: int) -> list[int]:
    """The pages to look at, in order: those asked for, or all of them."""
    return sorted(set(asked)) if asked else list(range(1, total + 1))


def check_pages(pages: int, most: int) -> None:
    """Raises TooManyPages if an analysis may not have so many."""
    if pages > most:
        raise TooManyPages(
            f"{pages:,} pages; one analysis looks at no more than {most:,} (max_analysis_pages). "
            "Name some of them."
        )


def outcome(answers: Collection[PageAnswer]) -> tuple[AnalysisStatus, Reason | None]:
    """How an analysis whose pages are all dealt with ends.

    Done with a reason means that pages were left out for their cost.
    """
    troubles = [one.reason for one in answers if one.reason]
    capped = next((reason for reason in troubles if reason.code == MAX_COST), None)
    if len(troubles) < len(answers):
        return AnalysisStatus.DONE, capped
    return AnalysisStatus.FAILED, capped or (troubles[0] if troubles else None)


@dataclass(frozen=True, slots=True)
class AnalysisPage:
    """One page of a listing; ``cursor`` continues it, None at its end."""

    analyses: Sequence[Analysis] = field(default_factory=tuple)
    cursor: str | None = None
