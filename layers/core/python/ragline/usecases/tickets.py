"""Tickets: how a browser, which can set no header, connects by WebSocket.

A key in a URL would stay in histories and access logs; a ticket that stays there is used up.
"""

from __future__ import annotations

import hashlib
import secrets

from ragline.domain.access import Principal
from ragline.domain.errors import Unauthorised
from ragline.ports import Tickets

TICKET_BYTES = 32
MAX_TICKET = 100


def issue(caller: Principal, *, tickets: Tickets) -> str:
    """A ticket with which the caller connects once, and soon."""
    ticket = secrets.token_urlsafe(TICKET_BYTES)
    tickets.put(_digest(ticket), caller)
    return ticket


def redeem(ticket: str, *, tickets: Tickets) -> Principal:
    """Whose ticket it is; it is used up by this.

    Raises:
        Unauthorised: there is no such ticket (any more); the message holds no secret.
    """
    found = tickets.take(_digest(ticket)) if len(ticket) <= MAX_TICKET else None
    if found is None:
        raise Unauthorised("no such ticket, or it was used, or it is over")
    return found


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
