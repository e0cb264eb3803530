"""What travels over HTTP: request bodies, which refuse unknown fields, and answers."""

from ragline.api.schemas import (
    documents,
    fields,
    keys,
    queries,
    retries,
    system,
    uploads,
    usage,
    webhooks,
)

__all__ = [
    "documents",
    "fields",
    "keys",
    "queries",
    "retries",
    "system",
    "uploads",
    "usage",
    "webhooks",
]
