"""What may be a document's password."""

from __future__ import annotations

from ragline.domain.errors import InvalidRequest

MAX_PASSWORD = 255
"""Characters. PDF takes 127 bytes, OOXML 255 characters."""


def check_password(password: str) -> str:
    """Raises InvalidRequest; the message does not repeat it."""
    if len(password) > MAX_PASSWORD:
        raise InvalidRequest(
            f"password has {len(password):,} characters; at most {MAX_PASSWORD} are allowed."
        )
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in password):
        raise InvalidRequest("password holds a control character, or half of one; leave it out.")
    return password
