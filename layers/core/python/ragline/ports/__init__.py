"""What the use cases need of the world, and nothing more. Adapters implement these.

Every method may raise ``TransientError`` (retrying can help) besides what it documents; adapters
translate foreign exceptions, so nothing else crosses these lines.
"""

from __future__ import annotations

from ragline.ports.access import Keys, KnownKeys, TenantSecrets, Tickets, Tokens, UsagePlans
from ragline.ports.embedding import Embedder, Reranker, Tokenizer
from ragline.ports.index import Indexes, VectorIndex
from ragline.ports.ledger import Ledger, LedgerWatch, Records
from ragline.ports.objects import Objects, StoredPart, Uploads
from ragline.ports.push import (
    Answer,
    Connections,
    Deliveries,
    EventBus,
    Receivers,
    Sockets,
    Webhooks,
    WebhookSecrets,
)
from ragline.ports.queues import Backlog, Queues
from ragline.ports.usage import UsageBook

__all__ = [
    "Answer",
    "Backlog",
    "Connections",
    "Deliveries",
    "Embedder",
    "EventBus",
    "Indexes",
    "Keys",
    "KnownKeys",
    "Ledger",
    "LedgerWatch",
    "Objects",
    "Queues",
    "Receivers",
    "Records",
    "Reranker",
    "Sockets",
    "StoredPart",
    "TenantSecrets",
    "Tickets",
    "Tokenizer",
    "Tokens",
    "Uploads",
    "UsageBook",
    "UsagePlans",
    "VectorIndex",
    "WebhookSecrets",
    "Webhooks",
]
