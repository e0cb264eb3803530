"""Page-image analyses as the API shows them."""

from __future__ import annotations

from ragline.api import schemas, views
from ragline.domain.analyses import Analysis, AnalysisPage, PageAnswer
from ragline.usecases.analyses import Found


def accepted(analysis: Analysis) -> schemas.analyses.AnalysisAccepted:
    return schemas.analyses.AnalysisAccepted(
        analysis_id=analysis.analysis_id,
        document_id=analysis.document_id,
        status=analysis.status,
    )


def analysis(one: Analysis) -> schemas.analyses.AnalysisView:
    tokens = schemas.analyses.TokensView(input=one.input_tokens, output=one.output_tokens)
    return schemas.analyses.AnalysisView(
        analysis_id=one.analysis_id,
        document_id=one.document_id,
        generation=one.generation,
        status=one.status,
        progress=one.progress,
        prompt=one.prompt,
        model=one.model,
        pages=list(one.pages) or None,
        pages_total=one.pages_planned or len(one.pages) or None,
        pages_done=one.pages_done,
        pages_failed=one.pages_failed,
        tokens=tokens,
        cost=_dollars(one.cost),
        max_cost=_dollars(one.max_cost),
        reason=views.reason(one.reason) if one.reason else None,
        advice=one.advice or None,
        created_at=one.created_at,
        updated_at=one.updated_at,
        trace_id=one.trace_id or None,
    )


def detail(found: Found) -> schemas.analyses.AnalysisDetail:
    answers = [_answer(found.analysis, one) for one in found.answers]
    return schemas.analyses.AnalysisDetail(**analysis(found.analysis).model_dump(), answers=answers)


def page(found: AnalysisPage) -> schemas.analyses.AnalysisList:
    return schemas.analyses.AnalysisList(
        analyses=[analysis(one) for one in found.analyses], cursor=found.cursor
    )


def _answer(whole: Analysis, one: PageAnswer) -> schemas.analyses.PageAnswerView:
    cost = whole.prices.cost(one.input_tokens, one.output_tokens) if whole.prices else None
    return schemas.analyses.PageAnswerView(
        page=one.page,
        answer=None if one.reason else one.text,
        truncated=one.truncated,
        reason=views.reason(one.reason) if one.reason else None,
        tokens=schemas.analyses.TokensView(input=one.input_tokens, output=one.output_tokens),
        cost=_dollars(cost),
    )


def _dollars(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 6)
