"""Domain objects as the API shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ragline.api import schemas
from ragline.domain.advice import advice_for
from ragline.domain.chunks import Chunk, chunk_id
from ragline.domain.documents import Document, Origin, Reason
from ragline.domain.ledger import DocumentPage, Failure, Multipart
from ragline.domain.pages import PageCounts
from ragline.usecases.documents import FailedChunks
from ragline.usecases.fusion import Hit, LegRank
from ragline.usecases.highlight import Highlight, Snippet
from ragline.usecases.multipart import UPLOAD_SECONDS
from ragline.usecases.redrive import RedrivePage
from ragline.usecases.retry import Retried
from ragline.usecases.search import SearchResult
from ragline.usecases.sections import Returned
from ragline.usecases.upload import PresignedPost, PresignedPut, Registered


def document(found: Document) -> schemas.documents.DocumentView:
    progress = found.progress
    return schemas.documents.DocumentView(
        document_id=found.document_id,
        job_id=found.document_id,
        collection=found.partition.collection,
        filename=found.filename,
        content_type=found.content_type,
        size=found.size,
        checksum=found.checksum,
        metadata=dict(found.metadata),
        parent=found.parent or None,
        parent_filename=found.origin.filename if found.origin else None,
        path_in_parent=found.origin.path if found.origin else None,
        children=found.children,
        status=found.status,
        progress=schemas.documents.ProgressView(
            percent=f"{progress.percent}%",
            pages_total=progress.pages_total,
            pages_done=progress.pages_done,
            pages=pages(progress.page_counts),
            coverage=_share(progress.page_counts.coverage),
            chunks_total=progress.chunks_total,
            embedded=progress.embedded,
            indexed=progress.indexed,
            failed=progress.failed,
        ),
        generation=found.generation,
        live_generation=found.live_generation,
        reason=reason(found.reason) if found.reason else None,
        advice=advice_for(found) or None,
        timings=dict(found.timings),
        trace_id=found.trace_id or None,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def pages(counts: PageCounts) -> schemas.documents.PagesView:
    return schemas.documents.PagesView(
        text=counts.text,
        ocr=counts.ocr,
        image=counts.image,
        blank=counts.blank,
        failed=counts.failed,
    )


def _share(coverage: float | None) -> float | None:
    """Rounded down: 1 only when nothing is missing."""
    return None if coverage is None else math.floor(coverage * 10_000) / 10_000


def listing(page: DocumentPage) -> schemas.documents.DocumentList:
    return schemas.documents.DocumentList(
        documents=[document(one) for one in page.documents], cursor=page.cursor
    )


def reason(why: Reason) -> schemas.documents.ReasonView:
    return schemas.documents.ReasonView(
        code=why.code, message=why.message, stage=why.stage, page=why.page, chunk=why.chunk
    )


def failure(found: Failure) -> schemas.documents.FailureView:
    return schemas.documents.FailureView(
        generation=found.generation,
        reason=reason(found.reason),
        attempts=found.attempts,
        first=found.first,
        last=found.last,
    )


def failures(
    document_id: str, found: Sequence[Failure], failed: FailedChunks
) -> schemas.documents.FailureList:
    return schemas.documents.FailureList(
        document_id=document_id,
        failures=[failure(one) for one in found],
        failed_chunks=[
            schemas.documents.FailedChunks(first=run.first, count=run.count, code=run.code)
            for run in failed.runs
        ],
        failed_chunks_cut=failed.cut,
    )


def retried(done: Retried) -> schemas.retries.RetriedView:
    return schemas.retries.RetriedView(
        document_id=done.document.document_id,
        status=done.document.status,
        chunks=done.chunks,
        split_again=done.split_again,
    )


def redriven(page: RedrivePage) -> schemas.retries.RedriveAnswer:
    views = [
        schemas.retries.RedrivenView(
            document_id=one.document.document_id,
            collection=one.document.partition.collection,
            filename=one.document.filename,
            status=one.document.status,
            chunks=one.chunks,
            split_again=one.split_again,
            skipped=one.skipped or None,
        )
        for one in page.documents
    ]
    return schemas.retries.RedriveAnswer(documents=views, cursor=page.cursor)


def chunk(document_id: str, generation: int, found: Chunk) -> schemas.documents.ChunkView:
    return schemas.documents.ChunkView(
        chunk_id=chunk_id(document_id, generation, found.ordinal),
        ordinal=found.ordinal,
        text=found.text,
        tokens=found.tokens,
        page=found.page,
        page_end=found.page_end,
        headings=list(found.headings),
        span=schemas.documents.Span(start=found.start, end=found.end),
    )


def answer(
    result: SearchResult, highlights: Sequence[Highlight], *, explain: bool
) -> schemas.queries.QueryAnswer:
    """``highlights``: one for each hit, in their order."""
    pairs = zip(result.hits, highlights, strict=True)
    return schemas.queries.QueryAnswer(
        hits=[
            _placed(
                _hit(rank, *pair, result.sections.get(pair[0].passage.chunk_id), explain),
                result.origins.get(pair[0].passage.document_id),
            )
            for rank, pair in enumerate(pairs, start=1)
        ],
        legs=dict(result.legs),
        reranker=result.reranker or None,
        notes=list(result.notes),
        timings_ms=dict(result.timings_ms),
    )


def _hit(
    rank: int, hit: Hit, seen: Highlight, section: Returned | None, explain: bool
) -> schemas.queries.HitView:
    passage = hit.passage
    found = passage.chunk
    shown = schemas.queries.HitView(
        rank=rank,
        score=hit.score,
        text=found.text,
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        ordinal=found.ordinal,
        filename=passage.filename,
        page=found.page,
        page_end=found.page_end,
        headings=list(found.headings),
        span=schemas.documents.Span(start=found.start, end=found.end),
        metadata=dict(passage.metadata),
        snippet=_snippet(seen.snippet),
        section=_section(section) if section else None,
    )
    if explain:
        shown.legs = {name: _leg(place) for name, place in hit.ranks.items()}
        shown.rerank = _leg(hit.rerank) if hit.rerank else None
        shown.matched_terms = list(seen.terms)
        shown.highlights = [schemas.queries.Mark(start=at.start, end=at.end) for at in seen.matches]
    return shown


def _placed(shown: schemas.queries.HitView, origin: Origin | None) -> schemas.queries.HitView:
    if origin is not None:
        shown.parent, shown.parent_filename = origin.parent, origin.filename
        shown.path_in_parent = origin.path
    return shown


def _section(found: Returned) -> schemas.queries.SectionView:
    return schemas.queries.SectionView(
        text=found.text or None,
        carried_by=found.carrier,
        ordinals=schemas.queries.Ordinals(first=found.first, last=found.last),
        page=found.page,
        page_end=found.page_end,
    )


def _leg(place: LegRank) -> schemas.queries.LegView:
    return schemas.queries.LegView(rank=place.rank, score=place.score)


def _snippet(cut: Snippet) -> schemas.queries.SnippetView:
    marks = [schemas.queries.Mark(start=start, end=end) for start, end in cut.highlights]
    return schemas.queries.SnippetView(
        text=cut.text, start=cut.start, end=cut.end, highlights=marks
    )


def registered(done: Registered) -> schemas.documents.RegisteredView:
    return schemas.documents.RegisteredView(
        document_id=done.document.document_id,
        job_id=done.document.document_id,
        status=done.document.status,
        duplicate=done.duplicate,
        upload=done.upload and target(done.upload),
    )


def target(
    upload: PresignedPut | PresignedPost | Multipart,
) -> schemas.uploads.UploadTarget:
    match upload:
        case PresignedPut(url, headers, expires):
            return schemas.uploads.PutTarget(url=url, headers=dict(headers), expires_in=expires)
        case PresignedPost(url, fields, expires):
            return schemas.uploads.PostTarget(url=url, fields=dict(fields), expires_in=expires)
    return schemas.uploads.PartsTarget(
        upload_id=upload.upload_id,
        part_size=upload.part_size,
        parts=upload.parts,
        expires_in=UPLOAD_SECONDS,
    )


def accepted(done: Registered) -> schemas.documents.Accepted:
    return schemas.documents.Accepted(
        job_id=done.document.document_id,
        document_id=done.document.document_id,
        duplicate=True if done.duplicate else None,
    )
