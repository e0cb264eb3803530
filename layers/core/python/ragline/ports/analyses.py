"""The records of page-image analyses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ragline.domain.analyses import Analysis, AnalysisPage, AnalysisStatus, PageAnswer
from ragline.domain.documents import Reason


class Analyses(Protocol):
    """Analyses, and their answers by page. Repeating any write changes nothing.

    All reads but those of a listing are strongly consistent. An analysis whose document was
    deleted is gone with it, and nothing more is written of it.
    """

    def order(self, analysis: Analysis) -> bool:
        """Keep a new one; False if its generation is no longer the document's, or it is deleted."""

    def get(self, tenant: str, document_id: str, analysis_id: str) -> Analysis | None: ...

    def of(
        self, tenant: str, document_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> AnalysisPage:
        """A document's, newest first.

        Raises:
            InvalidRequest: the cursor is not one that this listing gave.
        """

    def take(self, analysis: Analysis, until: str) -> Analysis | None:
        """Have it to oneself until then, its status ``rendering``; as it is then.

        None if another has it, or it has ended or is gone.
        """

    def plan(self, analysis: Analysis, pages: int) -> bool:
        """Its status becomes ``analysing``, of so many pages; False if it ended or is gone."""

    def answer(self, analysis: Analysis, answer: PageAnswer) -> bool:
        """Record what became of a page, once; the counts move with it.

        False if it ended or is gone; True too for a page that has its answer.
        """

    def answers(self, analysis: Analysis) -> Sequence[PageAnswer]:
        """By page."""

    def release(self, analysis: Analysis, trouble: str) -> None:
        """Another may take it: it comes again, and this is why."""

    def end(
        self, analysis: Analysis, status: AnalysisStatus, reason: Reason | None, advice: str
    ) -> bool:
        """End it, once; False if it has ended before, or is gone."""

    def drop(self, tenant: str, document_id: str, analysis_id: str) -> None:
        """Remove it and its answers; an absent one is no error."""
