"""Bearer tokens, verified by PyJWT against the issuer's keys.

The algorithms are pinned to those with a public and a private key: with ``none`` or an HMAC a token
could be made by anyone who knows the public one (RFC 8725, 2.1 and 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from ragline.adapters.jwt.claims import principal_of
from ragline.adapters.jwt.jwks import KeySet
from ragline.domain.access import Principal
from ragline.domain.errors import Unauthorised

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip

SKEW_SECONDS = 60
"""By how much the issuer's clock may differ from ours."""

MAX_TOKEN = 8_192
"""Characters; the gateway takes headers of 10,240 bytes together."""


class OidcTokens:
    """``ports.Tokens``: those of one issuer, for one or more audiences."""

    def __init__(
        self,
        issuer: str,
        audience: Sequence[str],
        keys: KeySet,
        *,
        tenant_claims: Sequence[str],
        role_claims: Sequence[str],
    ) -> None:
        self._issuer = issuer
        self._audience = tuple(audience)
        self._keys = keys
        self._tenant_claims, self._role_claims = tenant_claims, role_claims

    def principal(self, token: str) -> Principal:
        if len(token) > MAX_TOKEN:
            raise Unauthorised("the token is too long")
        try:
            claims = self._verified(token)
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, jwt.PyJWKError) as error:
            # Its name, not its message: that may quote what the token says.
            raise Unauthorised(f"the token is not accepted: {_reason(error)}") from error
        self._check_audience(claims)
        return principal_of(claims, self._tenant_claims, self._role_claims)

    def _verified(self, token: str) -> Mapping[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthorised("the token is not accepted: its key id is not the issuer's")
        if key.get("kty") == "oct" or key.get("alg", algorithm) != algorithm:
            raise jwt.InvalidAlgorithmError
        return jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm),
            algorithms=ALGORITHMS,
            issuer=self._issuer,
            leeway=SKEW_SECONDS,
            options={"require": ["exp", "iss", "sub"], "verify_aud": False},
        )

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        """``aud``; or, since Cognito's access tokens have none, the client they were made for.

        https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
        """
        told = claims.get("aud")
        if told is None and claims.get("token_use") == "access":
            told = claims.get("client_id")
        named = [told] if isinstance(told, str) else told
        if not isinstance(named, list) or not set(self._audience).intersection(
            one for one in named if isinstance(one, str)
        ):
            raise Unauthorised("the token is not accepted: it is for another audience")


_REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it is over",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuedAtError: "it is not valid yet",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.InvalidAlgorithmError: "its algorithm is not allowed, or not its key's",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.MissingRequiredClaimError: "it lacks exp, iss or sub",
    jwt.InvalidKeyError: "the issuer's key cannot be used",
    jwt.PyJWKError: "the issuer's key cannot be used",
    jwt.DecodeError: "it cannot be read",
    jwt.InvalidTokenError: "it is not valid",
}


def _reason(error: Exception) -> str:
    return next(_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS)
