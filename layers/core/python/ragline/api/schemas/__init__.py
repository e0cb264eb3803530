"""What travels over HTTP: request bodies, which refuse unknown fields, and answers."""

from ragline.api.schemas import documents, fields, queries, retries, system

__all__ = ["documents", "fields", "queries", "retries", "system"]
