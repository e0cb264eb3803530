"""What tenants hold, against what their documents add up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ragline.domain.documents import Partition
from ragline.domain.tenants import Holdings, Tenant, held_by
from ragline.ports import Ledger
from ragline.usecases.findings import Examination, Finding, Kind


def look(ledger: Ledger) -> dict[str, Tenant]:
    """Every tenant as it is now; to be taken before its documents are read."""
    return {name: ledger.tenant(name) for name in ledger.tenants()}


def check_tenants(before: Mapping[str, Tenant], ledger: Ledger, seen: Examination) -> None:
    """Find those whose holdings are not their documents'. One that moves is left for later."""
    added: dict[str, Holdings] = defaultdict(Holdings)
    for (tenant, _), document in seen.documents.items():
        added[tenant] += held_by(document)
    for name in sorted(added.keys() | before.keys()):
        earlier, now = before.get(name, Tenant(name)), ledger.tenant(name)
        if now.moves != earlier.moves or now.holds == added[name]:
            continue
        detail = f"it is said to hold {_told(now.holds)}; its documents have {_told(added[name])}."
        seen.findings.append(
            Finding(Kind.MISCOUNTED_TENANT, name, detail, partition=Partition(name, ""))
        )


def _told(holds: Holdings) -> str:
    return f"{holds.documents:,} documents, {holds.bytes:,} bytes and {holds.chunks:,} chunks"
