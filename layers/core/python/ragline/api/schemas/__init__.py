"""What travels over HTTP: request bodies, which refuse unknown fields, and answers."""

from ragline.api.schemas import (
    analyses,
    collections,
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
    "analyses",
    "collections",
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
