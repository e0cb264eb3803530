"""Working on one page-image analysis: its pages are rendered, and the model asked about each."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ragline.domain.analyses import (
    ADVICE,
    CHARACTERS_PER_TOKEN,
    MAX_COST,
    NO_SUCH_PAGE,
    REPLACED,
    RETRIES_EXHAUSTED,
    STAGE,
    Analysis,
    AnalysisStatus,
    Estimate,
    PageAnswer,
    affordable,
    check_pages,
    outcome,
    wanted_pages,
)
from ragline.domain.documents import Document, Reason
from ragline.domain.errors import (
    OutOfTime,
    PermanentError,
    RaglineError,
    WriteConflict,
)
from ragline.domain.messages import AnalysisWork
from ragline.domain.times import iso
from ragline.ports import Analyses, Files, Ledger, Painted, Painter, Vision

CALL_SECONDS = 60.0
"""The most that the model has for a page. No page is begun that might not end in time."""

PAINT_SECONDS = 90.0
"""The most that rendering the pages may take."""

MAX_ANSWER = 100_000
"""Characters that are kept of an answer: an endpoint may ignore how many tokens it was allowed."""


@dataclass(frozen=True, slots=True)
class Analysing:
    """What analyses are made with. ``done`` is told of every page that the model answered."""

    ledger: Ledger
    analyses: Analyses
    files: Files
    painter: Painter
    vision: Vision
    max_pages: int
    now: Callable[[], datetime]
    done: Callable[[Analysis, PageAnswer], None] = lambda analysis, answer: None


def analyse(work: AnalysisWork, tools: Analysing, deadline: float) -> str:
    """Answer what is not answered yet of an analysis; what became of it, for the log.

    A page that has its answer is not asked about again. ``deadline`` in seconds of
    ``time.monotonic``.

    Raises:
        OutOfTime: the rest of the pages is for another turn.
        WriteConflict: another worker has it.
        TransientError, SetupError: what the model or a service says; noted, and to be tried again.
    """
    analysis = tools.analyses.get(work.tenant, work.document_id, work.analysis_id)
    if analysis is None:
        return "gone"
    if analysis.ended:
        return "ended before"
    document = tools.ledger.get(work.tenant, work.document_id)
    if document is None or not analysis.of(document):
        tools.analyses.drop(work.tenant, work.document_id, work.analysis_id)
        return "gone"
    until = iso(tools.now() + timedelta(seconds=max(0.0, deadline - time.monotonic())))
    taken = tools.analyses.take(analysis, until)
    if taken is None:
        raise WriteConflict(f"analysis {work.analysis_id}: another worker has it.")
    try:
        return _look(taken, document, tools, deadline)
    except PermanentError as error:
        return _fail(taken, Reason.of(error, STAGE), tools.analyses)
    except Exception as error:
        ours = isinstance(error, RaglineError)  # another's words may quote
        tools.analyses.release(taken, str(error) if ours else f"{type(error).__name__}.")
        raise


def give_up(work: AnalysisWork, analyses: Analyses) -> bool:
    """End an analysis whose message is a dead letter; False if it has ended, or is gone."""
    analysis = analyses.get(work.tenant, work.document_id, work.analysis_id)
    if analysis is None or analysis.ended:
        return False
    last = analysis.trouble or "no attempt lived to say why."
    reason = Reason(RETRIES_EXHAUSTED, f"every attempt failed: {last}", STAGE)
    return analyses.end(analysis, AnalysisStatus.FAILED, reason, ADVICE[RETRIES_EXHAUSTED])


def _look(analysis: Analysis, document: Document, tools: Analysing, deadline: float) -> str:
    if document.generation != analysis.generation:
        return _fail(analysis, _replaced(analysis), tools.analyses)
    with (
        tools.files.open(document.upload_key) as file,
        tempfile.TemporaryDirectory(prefix="ragline-pages-") as folder,
    ):
        # The ledger may not have heard yet of other bytes in this place, or of their removal.
        if file is None or file.checksum != document.checksum:
            return _fail(analysis, _replaced(analysis), tools.analyses)
        answers = {one.page: one for one in tools.analyses.answers(analysis)}
        painted = _paint(analysis, answers, file.path, Path(folder), tools, deadline)
        pages = wanted_pages(analysis.pages, painted.total)
        if not tools.analyses.plan(analysis, len(pages)):
            return "gone"
        for page in pages:
            if page not in answers:
                answers[page] = _answer(analysis, page, painted, answers, tools, deadline)
                if not tools.analyses.answer(analysis, answers[page]):
                    return "gone"
                tools.done(analysis, answers[page])
    status, reason = outcome(answers.values())
    advice = ADVICE.get(reason.code, "") if reason else ""
    tools.analyses.end(analysis, status, reason, advice)
    return status.value


def _paint(
    analysis: Analysis,
    answers: Mapping[int, PageAnswer],
    file: Path,
    folder: Path,
    tools: Analysing,
    deadline: float,
) -> Painted:
    """Pictures of the pages that have no answer yet."""
    left = tuple(
        page for page in wanted_pages(analysis.pages, analysis.pages_planned) if page not in answers
    )
    if answers and not left:
        return Painted(max(answers))
    until = time.monotonic() + PAINT_SECONDS
    if until > deadline:
        raise OutOfTime("the function's time is nearly over; no page was rendered.")
    painted = tools.painter.paint(file, left, folder, most=tools.max_pages, deadline=until)
    check_pages(len(wanted_pages(analysis.pages, painted.total)), tools.max_pages)
    return painted


def _answer(
    analysis: Analysis,
    page: int,
    painted: Painted,
    answers: Mapping[int, PageAnswer],
    tools: Analysing,
    deadline: float,
) -> PageAnswer:
    """What the model says about one page, or why it is not asked, or has no answer."""
    image = painted.images.get(page)
    if image is None:
        return PageAnswer(page, reason=_unpainted(page, painted))
    estimate = Estimate(
        image.pixels,
        len(analysis.prompt),
        analysis.answer_tokens,
        max((one.input_tokens for one in answers.values()), default=0),
    )
    spent = _spent(analysis, answers)
    if not affordable(analysis, spent, estimate):
        return PageAnswer(page, reason=_too_dear(analysis, page, spent, estimate))
    seconds = deadline - time.monotonic()
    if seconds < CALL_SECONDS:
        raise OutOfTime("the function's time is nearly over; the other pages were not asked about.")
    try:
        seen = tools.vision.ask(
            image, analysis.prompt, answer_tokens=analysis.answer_tokens, seconds=CALL_SECONDS
        )
    except PermanentError as error:
        return PageAnswer(page, reason=Reason(error.code, str(error), STAGE, page))
    return PageAnswer(
        page,
        seen.text[:MAX_ANSWER],
        truncated=seen.truncated or len(seen.text) > MAX_ANSWER,
        # An endpoint that does not count is counted for, from above: caps on cost are kept.
        input_tokens=seen.input_tokens or estimate.input_tokens,
        output_tokens=seen.output_tokens or math.ceil(len(seen.text) / CHARACTERS_PER_TOKEN),
    )


def _unpainted(page: int, painted: Painted) -> Reason:
    if error := painted.troubles.get(page):
        return Reason(error.code, str(error), STAGE, page)
    return Reason(NO_SUCH_PAGE, f"the document has {painted.total} pages.", STAGE, page)


def _spent(analysis: Analysis, answers: Mapping[int, PageAnswer]) -> float:
    if analysis.prices is None:
        return 0.0
    return sum(
        analysis.prices.cost(one.input_tokens, one.output_tokens) for one in answers.values()
    )


def _too_dear(analysis: Analysis, page: int, spent: float, estimate: Estimate) -> Reason:
    assert analysis.prices is not None  # noqa: S101 - else nothing is too dear
    message = (
        f"it may cost ${estimate.cost(analysis.prices):.4f}, and ${spent:.4f} of max_cost "
        f"${analysis.max_cost:.4f} are spent: the model was not asked."
    )
    return Reason(MAX_COST, message, STAGE, page)


def _replaced(analysis: Analysis) -> Reason:
    message = (
        f"the document's bytes have changed since it was asked about generation "
        f"{analysis.generation}."
    )
    return Reason(REPLACED, message, STAGE)


def _fail(analysis: Analysis, reason: Reason, analyses: Analyses) -> str:
    analyses.end(analysis, AnalysisStatus.FAILED, reason, ADVICE.get(reason.code, ""))
    return reason.code
