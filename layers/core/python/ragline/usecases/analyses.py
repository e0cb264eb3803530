"""Ordering page-image analyses, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ulid import ULID

from ragline.domain.analyses import (
    ADVICE,
    STAGE,
    STALLED,
    Analysis,
    AnalysisPage,
    AnalysisStatus,
    PageAnswer,
    TokenPrices,
    check_pages,
)
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    TransientError,
    UnsupportedType,
)
from ragline.domain.messages import AnalysisWork
from ragline.domain.times import iso
from ragline.ports import Analyses, AnalysisOrders, Ledger


@dataclass(frozen=True, slots=True)
class AnalysisLimits:
    """What may be asked of which ``model``, '' for none; at most so many pages of a document, in so
    many characters, for answers of so many tokens a page. ``prices`` None: not known.
    """

    model: str
    prices: TokenPrices | None
    pages: int
    prompt_characters: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asks: of ``pages``, () for every one; ``max_cost`` in dollars."""

    prompt: str
    pages: Sequence[int] = ()
    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An analysis, and the answers that it has so far, by page."""

    analysis: Analysis
    answers: Sequence[PageAnswer]


def order(
    tenant: str,
    document_id: str,
    question: Question,
    *,
    ledger: Ledger,
    analyses: Analyses,
    orders: AnalysisOrders,
    limits: AnalysisLimits,
    spent: Callable[[str], float],
    now: datetime,
    trace_id: str = "",
) -> Analysis:
    """Put a question about a document's pages on record, and order its answer.

    ``spent`` is what a tenant's use costs so far this month, in dollars; asked if that is capped.

    Raises:
        NotFound: there is no such document.
        Conflict: no model is set, the document has no bytes yet, or a cap on cost cannot be kept.
        InvalidRequest, TooManyPages: of the prompt or the pages; says which, and what is allowed.
        QuotaExceeded: the tenant has used its cap of the month.
    """
    if not limits.model:
        raise Conflict(
            "this stack has no vision model: deploy it with the parameter VisionModel; locally, "
            "`ragline up --parameter VisionModel=…` (docs/analyses.md)."
        )
    document = _document(tenant, document_id, ledger)
    pages = _checked(question, document, limits)
    time = iso(now)
    analysis = Analysis(
        partition=document.partition,
        document_id=document_id,
        analysis_id=str(ULID()),
        generation=document.generation,
        document_created=document.created_at,
        prompt=question.prompt.strip(),
        model=limits.model,
        created_at=time,
        updated_at=time,
        pages=pages,
        answer_tokens=limits.answer_tokens,
        prices=limits.prices,
        max_cost=_allowance(tenant, question.max_cost, limits, ledger, spent),
        trace_id=trace_id,
    )
    if not analyses.order(analysis):
        raise Conflict(f"document {document_id} has just been replaced or deleted; ask again.")
    work = AnalysisWork(
        trace_id=trace_id,
        tenant=tenant,
        collection=document.partition.collection,
        document_id=document_id,
        analysis_id=analysis.analysis_id,
    )
    try:
        orders.send(work)
    except TransientError:  # the caller asks again: this one would never move
        analyses.drop(tenant, document_id, analysis.analysis_id)
        raise
    return analysis


def find(
    tenant: str,
    document_id: str,
    analysis_id: str,
    *,
    ledger: Ledger,
    analyses: Analyses,
    now: datetime,
) -> Found:
    """An analysis and its answers; one that starved ends by being looked at.

    Raises:
        NotFound: there is no such document, or no such analysis of it.
    """
    found = _of(tenant, document_id, analysis_id, ledger, analyses)
    if found.starved(iso(now)):
        found = _stalled(found, analyses)
    return Found(found, analyses.answers(found))


def listed(
    tenant: str,
    document_id: str,
    *,
    ledger: Ledger,
    analyses: Analyses,
    limit: int,
    cursor: str | None,
) -> AnalysisPage:
    """Those of a document, newest first. Raises NotFound: there is no such document."""
    document = _known(tenant, document_id, ledger)
    page = analyses.of(tenant, document_id, limit=limit, cursor=cursor)
    return replace(page, analyses=[one for one in page.analyses if one.of(document)])


def remove(
    tenant: str, document_id: str, analysis_id: str, *, ledger: Ledger, analyses: Analyses
) -> None:
    """Remove an analysis; one that is under way asks about no page more. Raises as ``find``."""
    _of(tenant, document_id, analysis_id, ledger, analyses)
    analyses.drop(tenant, document_id, analysis_id)


def _stalled(analysis: Analysis, analyses: Analyses) -> Analysis:
    message = "nothing worked on it for hours: its message was lost."
    reason = Reason(STALLED, f"{message} {analysis.trouble}".strip(), STAGE)
    analyses.end(analysis, AnalysisStatus.FAILED, reason, ADVICE[STALLED])
    place = analysis.partition.tenant, analysis.document_id, analysis.analysis_id
    return analyses.get(*place) or analysis


def _of(
    tenant: str, document_id: str, analysis_id: str, ledger: Ledger, analyses: Analyses
) -> Analysis:
    document = _known(tenant, document_id, ledger)
    found = analyses.get(tenant, document_id, analysis_id)
    if found is None or not found.of(document):
        raise NotFound(f"document {document_id} has no analysis {analysis_id[:64]}.")
    return found


def _known(tenant: str, document_id: str, ledger: Ledger) -> Document:
    document = ledger.get(tenant, document_id)
    if document is None or document.status is Status.DELETED:
        raise NotFound(f"there is no document {document_id}.")
    return document


def _document(tenant: str, document_id: str, ledger: Ledger) -> Document:
    """One whose bytes are known: they are compared with what is rendered."""
    document = _known(tenant, document_id, ledger)
    if document.status is Status.AWAITING_UPLOAD or not document.checksum:
        raise Conflict(
            f"the bytes of document {document_id} have not been read yet "
            f"(it is {document.status.value}); ask again in a moment."
        )
    return document


def _checked(question: Question, document: Document, limits: AnalysisLimits) -> tuple[int, ...]:
    """The pages that are asked for, each once and in order."""
    if not question.prompt.strip():
        raise InvalidRequest("prompt: say what you want to know of the pages.")
    if len(question.prompt) > limits.prompt_characters:
        raise InvalidRequest(
            f"prompt has {len(question.prompt):,} characters; at most {limits.prompt_characters:,}."
        )
    total = document.progress.pages_total
    if document.progress.split and not total:
        raise UnsupportedType(
            f"{document.filename} has no pages to look at; only PDFs and pictures have."
        )
    pages = tuple(sorted(set(question.pages)))
    if pages and pages[0] < 1:
        raise InvalidRequest("pages: they are numbered from 1.")
    if pages and total and pages[-1] > total:
        raise InvalidRequest(f"pages: there is no page {pages[-1]:,}; the document has {total:,}.")
    check_pages(len(pages) or total, limits.pages)
    return pages


def _allowance(
    tenant: str,
    asked: float | None,
    limits: AnalysisLimits,
    ledger: Ledger,
    spent: Callable[[str], float],
) -> float | None:
    """The most that it may cost: what the caller allows, and what the tenant's cap leaves."""
    known = ledger.tenant(tenant)
    used = 0.0
    if known.caps.cost is not None:
        used = spent(tenant)
        known.check_cost(lambda _: used)
    left = None if known.caps.cost is None else known.caps.cost - used
    caps = [one for one in (asked, left) if one is not None]
    if caps and limits.prices is None:
        raise Conflict(
            f"no cap on cost can be kept: the prices of {limits.model} are not known to this stack."
            " Deploy it with the parameter VisionPrices, or ask without max_cost."
        )
    return min(caps, default=None)
