"""Page-image analyses in memory; the contract suite runs on these too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ragline.adapters.cursors import decode_cursor, encode_cursor
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.analyses import Analysis, AnalysisPage, AnalysisStatus, PageAnswer
from ragline.domain.documents import Partition, Reason
from ragline.domain.messages import AnalysisWork
from ragline.domain.times import iso, utc_now

_Place = tuple[str, str, str]


class MemoryAnalyses:
    """``ports.Analyses``; those of a document whose records the ledger drops go too."""

    def __init__(self, ledger: MemoryLedger, now: Callable[[], datetime] = utc_now) -> None:
        self._ledger = ledger
        self._clock = now
        self._lock = threading.RLock()
        self._known: dict[_Place, Analysis] = {}
        self._answers: dict[_Place, dict[int, PageAnswer]] = {}
        ledger.on_forgotten(self._drop_all)

    def order(self, analysis: Analysis) -> bool:
        document = self._ledger.get(analysis.partition.tenant, analysis.document_id)
        if not analysis.of(document) or document is None:
            return False
        if document.generation != analysis.generation:
            return False
        self._known[_place(analysis)] = analysis
        return True

    def get(self, tenant: str, document_id: str, analysis_id: str) -> Analysis | None:
        return self._known.get((tenant, document_id, analysis_id))

    def of(
        self, tenant: str, document_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> AnalysisPage:
        place = Partition(tenant, f"{document_id}/analyses")
        before = decode_cursor(place, cursor)[1] if cursor else "~"
        mine = [one for where, one in self._known.items() if where[:2] == (tenant, document_id)]
        mine = sorted(mine, key=lambda one: one.analysis_id, reverse=True)
        found = [one for one in mine if one.analysis_id < before]
        if len(found) <= limit:
            return AnalysisPage(found)
        last = found[limit - 1]
        return AnalysisPage(
            found[:limit], encode_cursor(place, f"{last.created_at}#{last.analysis_id}")
        )

    def take(self, analysis: Analysis, until: str) -> Analysis | None:
        now = iso(self._clock())

        def taken(old: Analysis) -> Analysis | None:
            if old.turn_until >= now:
                return None
            return replace(old, status=AnalysisStatus.RENDERING, turn_until=until)

        return self._change(analysis, taken)

    def plan(self, analysis: Analysis, pages: int) -> bool:
        status = AnalysisStatus.ANALYSING
        rule = lambda old: replace(old, status=status, pages_planned=pages)  # noqa: E731
        return self._change(analysis, rule) is not None

    def answer(self, analysis: Analysis, answer: PageAnswer) -> bool:
        with self._lock:
            known = self._answers.setdefault(_place(analysis), {})

            def counted(old: Analysis) -> Analysis:
                if answer.page in known:
                    return old
                return replace(
                    old,
                    pages_done=old.pages_done + 1,
                    pages_failed=old.pages_failed + int(answer.reason is not None),
                    input_tokens=old.input_tokens + answer.input_tokens,
                    output_tokens=old.output_tokens + answer.output_tokens,
                )

            if self._change(analysis, counted) is None:
                return False
            known.setdefault(answer.page, answer)
            return True

    def answers(self, analysis: Analysis) -> Sequence[PageAnswer]:
        known = self._answers.get(_place(analysis), {})
        return [known[page] for page in sorted(known)]

    def release(self, analysis: Analysis, trouble: str) -> None:
        self._change(analysis, lambda old: replace(old, turn_until="", trouble=trouble))

    def end(
        self, analysis: Analysis, status: AnalysisStatus, reason: Reason | None, advice: str
    ) -> bool:
        def ended(old: Analysis) -> Analysis:
            return replace(old, status=status, reason=reason, advice=advice, turn_until="")

        return self._change(analysis, ended) is not None

    def drop(self, tenant: str, document_id: str, analysis_id: str) -> None:
        self._known.pop((tenant, document_id, analysis_id), None)
        self._answers.pop((tenant, document_id, analysis_id), None)

    def _change(
        self, analysis: Analysis, rule: Callable[[Analysis], Analysis | None]
    ) -> Analysis | None:
        """What one that is alive becomes; None if it is not, or the rule says so."""
        with self._lock:
            old = self._known.get(_place(analysis))
            new = rule(old) if old and not old.ended else None
            if new is not None:
                new = self._known[_place(analysis)] = replace(new, updated_at=iso(self._clock()))
            return new

    def _drop_all(self, tenant: str, document_id: str) -> None:
        for where in [one for one in self._known if one[:2] == (tenant, document_id)]:
            self.drop(*where)


class MemoryOrders:
    """``ports.AnalysisOrders``: what was sent, in its order."""

    def __init__(self) -> None:
        self.sent: list[AnalysisWork] = []
        self.broken: Exception | None = None

    def send(self, work: AnalysisWork) -> None:
        if self.broken:
            raise self.broken
        self.sent.append(work)


def _place(analysis: Analysis) -> _Place:
    return analysis.partition.tenant, analysis.document_id, analysis.analysis_id
