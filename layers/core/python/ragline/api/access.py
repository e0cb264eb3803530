"""Which role each route needs: the one table. A route that is not in it needs ``admin``."""

from __future__ import annotations

from collections.abc import Mapping

from ragline.domain.access import Role

OPEN = frozenset({"health"})
"""Routes that ask nobody who they are. The gateway does not call its authoriser for them."""

ROLES: Mapping[str, Role] = {
    "info": Role.READER,
    "list_documents": Role.READER,
    "get_document": Role.READER,
    "job_status": Role.READER,
    "list_chunks": Role.READER,
    "list_failures": Role.READER,
    "query": Role.READER,
    "list_collections": Role.READER,
    "get_collection": Role.READER,
    "put_collection": Role.ADMIN,
    "delete_collection": Role.ADMIN,
    "create_ticket": Role.READER,
    "register": Role.WRITER,
    "upload_directly": Role.WRITER,
    "sign_parts": Role.WRITER,
    "list_parts": Role.READER,
    "complete_upload": Role.WRITER,
    "abort_upload": Role.WRITER,
    "retry_document": Role.WRITER,
    "delete_document": Role.WRITER,
    "create_analysis": Role.WRITER,
    "list_analyses": Role.READER,
    "get_analysis": Role.READER,
    "delete_analysis": Role.WRITER,
    "redrive_documents": Role.ADMIN,
    "create_key": Role.ADMIN,
    "list_keys": Role.ADMIN,
    "revoke_key": Role.ADMIN,
    "usage": Role.ADMIN,
    "create_webhook": Role.ADMIN,
    "list_webhooks": Role.ADMIN,
    "get_webhook": Role.ADMIN,
    "delete_webhook": Role.ADMIN,
    "rotate_webhook": Role.ADMIN,
    "redrive_webhook": Role.ADMIN,
}
"""The name of a route, which is its function's and its operation id → the least role."""


def needed(route: str) -> Role:
    return ROLES.get(route, Role.ADMIN)
