"""What the Pages queue brings, and an upload's event: each to the use case that it is for."""

from __future__ import annotations

from ragline.domain.messages import CollectionWalk, PageRange, PageWork
from ragline.usecases.split import split_upload
from ragline.usecases.split_ranges import split_range
from ragline.usecases.splitting import Outcome, Splitting
from ragline.usecases.walk import walk_on


def work_on(work: PageWork, splitting: Splitting, size: int | None = None) -> Outcome:
    """``size``: bytes of an upload whose event tells them.

    Raises:
        MalformedMessage: it is about an object that is no upload.
    """
    if isinstance(work, CollectionWalk):
        return walk_on(work, splitting)
    if isinstance(work, PageRange):
        return split_range(work, splitting)
    return split_upload(
        work.key,
        work.sequencer,
        splitting,
        etag=work.etag,
        size=size,
        trace_id=work.trace_id,
    )
