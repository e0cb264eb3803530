"""What the use cases need of the world, and nothing more. Adapters implement these.

Every method may raise ``TransientError`` (retrying can help) besides what it documents; adapters
translate foreign exceptions, so nothing else crosses these lines.
"""

from __future__ import annotations

from ragline.ports.access import Keys, KnownKeys, TenantSecrets, Tickets, Tokens, UsagePlans
from ragline.ports.analyses import Analyses
from ragline.ports.embedding import Embedder, Reranker, Tokenizer
from ragline.ports.index import Indexes, VectorIndex
from ragline.ports.ledger import Ledger, LedgerWatch, Records
from ragline.ports.objects import Objects, StoredPart, Uploads
from ragline.ports.passwords import KeptPassword, Passwords
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
from ragline.ports.reading import (
    Files,
    LocalFile,
    Member,
    Ocr,
    OcrLine,
    Reader,
    Reading,
    Survey,
)
from ragline.ports.usage import UsageBook
from ragline.ports.vision import AnalysisOrders, PageImage, Painted, Painter, Seen, Vision

__all__ = [
    "Analyses",
    "AnalysisOrders",
    "Answer",
    "Backlog",
    "Connections",
    "Deliveries",
    "Embedder",
    "EventBus",
    "Files",
    "Indexes",
    "KeptPassword",
    "Keys",
    "KnownKeys",
    "Ledger",
    "LedgerWatch",
    "LocalFile",
    "Member",
    "Objects",
    "Ocr",
    "OcrLine",
    "PageImage",
    "Painted",
    "Painter",
    "Passwords",
    "Queues",
    "Reader",
    "Reading",
    "Receivers",
    "Records",
    "Reranker",
    "Seen",
    "Sockets",
    "StoredPart",
    "Survey",
    "TenantSecrets",
    "Tickets",
    "Tokenizer",
    "Tokens",
    "Uploads",
    "UsageBook",
    "UsagePlans",
    "VectorIndex",
    "Vision",
    "WebhookSecrets",
    "Webhooks",
]
