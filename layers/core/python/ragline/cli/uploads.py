"""Send files and follow their documents to the end; knows nothing of screens."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ragline.cli.answers import DocumentView
from ragline.cli.client import Client
from ragline.cli.files import measure
from ragline.cli.parts import PartsSent, send_parts
from ragline.domain.documents import Scalar
from ragline.domain.errors import NotFound, RaglineError, SetupError, TransientError

AT_ONCE = 6
PER_ROUND = 48
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 4.0
_FAILED = {"failed", "partial", "deleted", "not_sent", "timed_out"}


@dataclass(slots=True)
class Sent:
    """One file on its way. ``status``: the document's, or one of ours: ``waiting`` (to be sent),
    ``sent``, ``not_sent``, ``timed_out``. ``inside``: the documents that came in it, known once it
    has ended; their paths begin with its own.
    """

    path: Path
    status: str = "waiting"
    document_id: str = ""
    duplicate: bool = False
    reason: str = ""
    view: DocumentView | None = field(default=None, repr=False)
    parts: PartsSent | None = None
    inside: list[Sent] = field(default_factory=list, repr=False)

    @property
    def ended(self) -> bool:
        return self.status in _FAILED or (self.view is not None and self.view.ended)

    @property
    def failed(self) -> bool:
        return self.status in _FAILED

    @property
    def seconds(self) -> float | None:
        """From registration to the last change of status, by the ledger's clock."""
        if self.duplicate or not self.view or not self.view.ended:
            return None
        try:
            begun = datetime.fromisoformat(self.view.created_at or "")
            ended = datetime.fromisoformat(self.view.updated_at or "")
        except ValueError:
            return None
        return round((ended - begun).total_seconds(), 2)

    def answer(self) -> dict[str, Any]:
        progress = self.view.progress if self.view else None
        return {
            "file": str(self.path),
            "document_id": self.document_id or None,
            "status": self.status,
            "duplicate": self.duplicate,
            "chunks": progress.chunks_total if progress else None,
            "pages": progress.pages_total if progress else None,
            "coverage": progress.coverage if progress else None,
            "seconds": self.seconds,
            **({"parent": self.view.parent} if self.view and self.view.parent else {}),
            "reason": self.reason or None,
            **self._parts(),
        }

    def _parts(self) -> dict[str, Any]:
        """Of a file that was sent in parts: how many, and how many had arrived before."""
        if self.parts is None:
            return {}
        return {"parts": {"total": self.parts.total, "found": self.parts.found}}


def send_all(
    client: Client,
    files: Sequence[Sent],
    *,
    collection: str,
    metadata: Mapping[str, Scalar],
    changed: Callable[[Sent], None],
    moved: Callable[[Sent], None] = lambda sent: None,
    in_parts: bool = False,
    password: str = "",
) -> None:
    """Register and upload every file, some at once; what goes wrong with one is written on it.

    ``moved`` is told of each part of a file that is sent in parts: as the API says, or all files
    if ``in_parts``.

    Raises:
        SetupError: the API or the bucket cannot be reached, so none of the rest can be sent.
    """
    stop = threading.Event()

    def one(sent: Sent) -> Sent:
        if not stop.is_set():
            body = {
                "collection": collection,
                **({"metadata": dict(metadata)} if metadata else {}),
                **({"upload": "multipart"} if in_parts else {}),
                **({"password": password} if password else {}),
            }
            _send(client, sent, body, moved)
        return sent

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="push")
    try:
        waiting: list[Future[Sent]] = [pool.submit(one, sent) for sent in files]
        for future in as_completed(waiting):
            changed(future.result())
    finally:
        # On Ctrl-C nothing new begins, and nothing that is under way is waited for.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _send(
    client: Client, sent: Sent, body: Mapping[str, Any], moved: Callable[[Sent], None]
) -> None:
    try:
        file = measure(sent.path)
        described = {
            "filename": sent.path.name,
            "size": file.size,
            "checksum": file.checksum,
            **({"content_type": file.content_type} if file.content_type else {}),
            **body,
        }
        try:
            _bring(client, sent, described, moved)
        except NotFound:
            # Its upload in parts was replaced or ran out meanwhile: once more, by a new one.
            _bring(client, sent, described, moved)
    except SetupError:
        raise
    except RaglineError as error:
        sent.status, sent.reason = "not_sent", str(error)
    except OSError as error:
        sent.status, sent.reason = "not_sent", f"cannot be read: {error.strerror or error}."


def _bring(
    client: Client, sent: Sent, described: Mapping[str, Any], moved: Callable[[Sent], None]
) -> None:
    registered = client.register(described)
    sent.document_id, sent.status = registered.document_id, registered.status
    # Bytes that were registered before but never arrived are still wanted.
    sent.duplicate = registered.duplicate and not registered.upload
    if registered.upload is None:
        return

    def changed(parts: PartsSent) -> None:
        sent.parts = parts
        moved(sent)

    if registered.upload.method == "MULTIPART":
        send_parts(client, sent.document_id, registered.upload, sent.path, changed)
    else:
        client.upload(registered.upload, sent.path)
    sent.status = "sent"


def follow_all(
    client: Client,
    files: Sequence[Sent],
    *,
    timeout: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    changed: Callable[[Sent], None],
    more: Callable[[int], None] = lambda files: None,
) -> None:
    """Ask for the documents' statuses until each has ended or ``timeout`` seconds are over, and so
    have those that came in them; ``more`` is told how many these are.

    Asks often while something moves and ever less often while nothing does; at most ``PER_ROUND``
    documents a round, in turn, so that a thousand documents do not mean as many requests each time.
    """
    deadline = clock() + timeout
    turn = deque(sent for sent in files if not sent.ended)
    pause = SHORTEST_PAUSE
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="follow")
    try:
        while turn:
            batch = [turn.popleft() for _ in range(min(PER_ROUND, len(turn)))]
            moved = list(pool.map(lambda sent: _refresh(client, sent), batch))
            for sent, has_moved in zip(batch, moved, strict=True):
                if has_moved:
                    changed(sent)
                if not sent.ended:
                    turn.append(sent)
                if sent.inside:
                    more(len(sent.inside))
                    turn += sent.inside
            left = deadline - clock()
            if not turn or left <= 0:
                break
            pause = SHORTEST_PAUSE if any(moved) else min(LONGEST_PAUSE, pause * 1.5)
            sleep(min(pause, left))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for sent in turn:
        sent.reason = (
            f"still {sent.status} after {timeout:.0f} s; ask again by "
            f"`ragline status {sent.document_id}`"
        )
        sent.status = "timed_out"
        changed(sent)


def _refresh(client: Client, sent: Sent) -> bool:
    """Whether anything changed. A passing failure to ask is no news; the deadline bounds it."""
    try:
        view = client.document(sent.document_id)
        inside = _inside(client, sent, view) if view.ended and view.children else []
    except NotFound:
        sent.status, sent.reason = "deleted", "deleted while it was waited for."
        return True
    except TransientError:
        return False
    moved = view != sent.view
    sent.view, sent.status, sent.inside = view, view.status, inside
    told = [view.reason.located] if view.reason else []
    sent.reason = " ".join([*told, *([view.advice] if view.advice else [])])
    return moved


def _inside(client: Client, sent: Sent, view: DocumentView) -> list[Sent]:
    found = client.children(view.document_id)
    return [
        Sent(sent.path / (one.path_in_parent or one.filename), one.status, one.document_id)
        for one in found
    ]


def with_inside(files: Sequence[Sent]) -> list[Sent]:
    """Each file, and behind it those that came in it, however deep."""
    return [one for sent in files for one in (sent, *with_inside(sent.inside))]
