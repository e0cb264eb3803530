"""Fanning out: the files in an archive or a mail become documents of their own.

Each is put as an upload, so that the bucket's event does the rest. First it is recorded beside the
document that it came in, then created, then that document is looked at once more, and only then are
the bytes put: whatever deletes that document meanwhile either finds the record, or is found out. A
crash between any two steps is mended by the redelivery, which passes over what is done.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice

from ragline.domain.children import (
    MAX_BYTES,
    MAX_CHILDREN,
    MAX_DEPTH,
    MAX_FILES,
    Child,
    ChildState,
    child_id,
    room_in,
)
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import (
    FileTooLarge,
    LimitExceeded,
    OutOfTime,
    PermanentError,
    RequestError,
)
from ragline.domain.lifecycle import owns
from ragline.domain.messages import Uploaded, new_nonce
from ragline.parsing.names import clean_path
from ragline.ports import Ledger, Member, Reading, Survey
from ragline.usecases.failures import note
from ragline.usecases.remove import remove_inside
from ragline.usecases.splitting import STAGE, Outcome, Splitting
from ragline.usecases.take_out import Holder, Stopped, check_wanted, take_out

TIME_SHARE = 0.8
"""Of the time for reading; the rest is for the list of contents, or a mail's own text."""

ROUNDS = 3
"""Files that swapped their bytes since the last version take two."""


def fan_out(
    document: Document, survey: Survey, wanted: Reading, splitting: Splitting, etag: str
) -> Outcome | None:
    """Take out what came in a document, and delete what came in its earlier versions only.

    None once that is done; else why the document is not to be cut here and now: it is going on in
    another invocation, or is not wanted any more. What cannot become a document is kept as such
    (``domain.children``), and does not keep the others.

    Raises:
        LimitExceeded: it holds too many files, or bytes; nothing was taken out then.
        PermanentError: it cannot be read; see ``ports.Reader``.
        OutOfTime: there is too little time for even one of them.
    """
    if not survey.members and not document.children:
        return None
    with closing(_members(wanted, splitting)) as members:
        sizes = [max(0, member.size) for member in islice(members, MAX_CHILDREN + 1)]
    _check(document, sizes)
    if why := _no_room(document, sizes):
        note(document, Reason(LimitExceeded.code, why, STAGE), splitting.ledger)
        sizes = []
    try:
        _Work(Holder(document, sizes, splitting), wanted, etag).run()
    except Stopped as stopped:
        return stopped.outcome
    return None


def _members(wanted: Reading, splitting: Splitting) -> Generator[Member, None, None]:
    """To be closed: whoever reads is told so when the rest is not wanted."""
    yield from splitting.reader.members(wanted)


def _check(document: Document, sizes: Sequence[int]) -> None:
    if len(sizes) > MAX_CHILDREN:
        raise LimitExceeded(
            f"{document.filename} holds more than {MAX_CHILDREN:,} files; at most so many may be "
            "in one document."
        )
    if sum(sizes) > MAX_BYTES:
        raise FileTooLarge(
            f"{document.filename} holds files of {sum(sizes):,} bytes; at most {MAX_BYTES:,} may "
            "be in one document."
        )


def _no_room(document: Document, sizes: Sequence[int]) -> str:
    """Why none of its files is taken out, '' if they are: they would lie too deep, or be too many.

    Its own text is there all the same, and says which they are.
    """
    room = room_in(document)
    told = f"the {len(sizes):,} files in {document.filename} were left in it: "
    share = "all that lies within one upload, however deep, may be"
    if sizes and room.depth >= MAX_DEPTH:
        return f"{told}they lie in more than {MAX_DEPTH} documents within one another."
    if len(sizes) > room.files:
        return f"{told}{share} {MAX_FILES:,} files, of which {room.files:,} were left here."
    if sum(sizes) > room.bytes:
        return f"{told}{share} {MAX_BYTES:,} bytes, of which {room.bytes:,} were left here."
    return ""


@dataclass(slots=True)
class _Work:
    """One document's files on their way out.

    ``seen`` is what is known of each by now, ``there`` the documents that they were when this
    began, both by id. ``until`` is a ``time.monotonic`` value, ``taken`` how many were taken here.
    """

    holder: Holder
    wanted: Reading
    etag: str
    seen: dict[str, Child] = field(default_factory=dict)
    there: dict[str, Document] = field(default_factory=dict)
    until: float = 0.0
    taken: int = 0

    @property
    def document(self) -> Document:
        return self.holder.document

    @property
    def ledger(self) -> Ledger:
        return self.holder.splitting.ledger

    def run(self) -> None:
        now, document, files = time.monotonic(), self.document, len(self.holder.sizes)
        self.until = now + TIME_SHARE * (self.wanted.deadline - now)
        # Before the first is recorded: a deletion looks for them only if there may be some.
        self.ledger.count_children(document, max(files, document.children))
        before = self.ledger.children(document.partition.tenant, document.document_id)
        self.seen = {child.document_id: child for child in before}
        self.there = self.ledger.get_many(document.partition.tenant, self.seen.keys())
        for _ in range(ROUNDS):
            self._take_all()
            self._remove_gone()
            if not self._reopen_duplicates():
                break
        self.ledger.count_children(document, files)

    def _take_all(self) -> None:
        """Those that are not done. Where the reader breaks off at one of them, on with the rest."""
        before = -1
        while self.holder.sizes and before < self.taken:
            before = self.taken
            try:
                with closing(_members(self.wanted, self.holder.splitting)) as members:
                    for member in islice(members, MAX_CHILDREN + 1):
                        self._take(member)
                return
            except PermanentError:
                if before == self.taken:
                    raise

    def _take(self, member: Member) -> None:
        """Make a document of one file, unless that was done before."""
        path = clean_path(member.path)
        name = child_id(self.document.document_id, path)
        if self._done(self.seen.get(name)):
            return
        self._check_time()
        child = Child(name, path, self.document.generation)
        self._record(child)
        try:
            self._record(take_out(child, member, self.there.get(name), self.holder))
        except (PermanentError, RequestError) as error:
            reason = Reason(error.code, str(error), STAGE)
            self._record(replace(child, state=ChildState.SKIPPED, reason=reason))
        self.taken += 1

    def _done(self, child: Child | None) -> bool:
        if child is None or child.state is ChildState.PENDING:
            return False
        return child.generation == self.document.generation

    def _remove_gone(self) -> None:
        """Documents of earlier versions, of what is not in this one any more, or is none now."""
        none = {ChildState.SKIPPED, ChildState.DUPLICATE}
        gone = [
            one.document_id
            for one in self.seen.values()
            if one.generation < self.document.generation or one.state in none
        ]
        found = [
            name
            for name in gone
            if name in self.there and self.there[name].status is not Status.DELETED
        ]
        if not found:
            return
        check_wanted(self.holder)
        splitting = self.holder.splitting
        remove_inside(
            self.document,
            found,
            ledger=splitting.ledger,
            objects=splitting.objects,
            queues=splitting.queues,
        )
        self.there |= self.ledger.get_many(self.document.partition.tenant, found)

    def _reopen_duplicates(self) -> bool:
        """Have those taken out whose bytes no document holds any more: the one that did has just
        gone, or changed, with this very version. Whether there are any."""
        partition = self.document.partition
        duplicates = [
            one
            for one in self.seen.values()
            if one.state is ChildState.DUPLICATE and one.generation == self.document.generation
        ]
        owners = self.ledger.get_many(partition.tenant, {one.owner for one in duplicates})
        orphaned = [
            one
            for one in duplicates
            if not owns(owners.get(one.owner), partition, one.checksum, arrived=False)
        ]
        for one in orphaned:
            self._record(replace(one, state=ChildState.PENDING, owner="", reason=None))
        return bool(orphaned)

    def _record(self, child: Child) -> None:
        """Keep what became of it; a later version of the document has the last word."""
        if not self.ledger.record_child(self.document, child):
            check_wanted(self.holder, mend=True)
            raise Stopped(Outcome.STALE)
        self.seen[child.document_id] = child

    def _check_time(self) -> None:
        """Have the rest done by another invocation once this one's time is over."""
        if time.monotonic() < self.until:
            return
        if not self.taken:
            raise OutOfTime("the function's time is nearly over; no file was taken out.")
        document = self.document
        self.ledger.renew(document, repaired=False)
        rest = Uploaded(
            trace_id=document.trace_id,
            nonce=new_nonce(),
            key=document.upload_key,
            sequencer=document.sequencer,
            etag=self.etag,
        )
        self.holder.splitting.queues.send_pages([rest])
        raise Stopped(Outcome.PUT_BACK)
