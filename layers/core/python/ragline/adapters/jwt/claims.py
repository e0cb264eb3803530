"""What a verified token says of its bearer: a tenant, a role, a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ragline.domain.access import Principal, Role
from ragline.domain.documents import check_name
from ragline.domain.errors import Forbidden, InvalidRequest

GROUP_PREFIX = "ragline-"
"""May stand before a role: groups are often shared by many applications."""

MAX_SUBJECT = 128


def principal_of(
    claims: Mapping[str, Any], tenant_claims: Sequence[str], role_claims: Sequence[str]
) -> Principal:
    """The first of each list of claims that the token has counts.

    Raises:
        Forbidden: it names no tenant, one that cannot be, or no role of ours.
    """
    tenant = _first(claims, tenant_claims)
    if not isinstance(tenant, str) or not tenant:
        raise Forbidden(f"the token names no tenant ({_or(tenant_claims)})")
    try:
        check_name(tenant, "tenant")
    except InvalidRequest:
        raise Forbidden(f"the token names a tenant that cannot be: {tenant[:64]!r}") from None
    role = _role(_first(claims, role_claims))
    if role is None:
        raise Forbidden(f"the token names no role of ours ({_or(role_claims)})")
    subject = "".join(char for char in str(claims.get("sub", "")) if char.isprintable())
    return Principal(tenant, role, f"user:{subject[:MAX_SUBJECT]}")


def _role(value: object) -> Role | None:
    """The highest that a list, or a text of words, names: as groups, roles and scopes come."""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list):
        return None
    named = {word.removeprefix(GROUP_PREFIX) for word in words if isinstance(word, str)}
    return next((role for role in reversed(Role) if role.value in named), None)


def _first(claims: Mapping[str, Any], names: Sequence[str]) -> object:
    found = (_claim(claims, name) for name in names)
    return next((value for value in found if value is not None), None)


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """By its name, or, as Keycloak's ``realm_access.roles``, by the path to it."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)
