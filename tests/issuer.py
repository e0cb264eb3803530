"""An identity provider of our own: keys of two kinds, tokens good and bad, served on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "ragline-tests"


class Issuer:
    """``url`` is what its tokens' ``iss`` says; ``asked`` the paths that were fetched from it."""

    def __init__(self, url: str = "https://issuer.example") -> None:
        self.url = url
        self.rsa = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.kids = {"RS256": "rsa-1", "ES256": "ec-1"}
        self.asked: list[str] = []
        self.down = False

    def jwks(self) -> dict[str, Any]:
        public = {
            "RS256": RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True),
            "ES256": ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True),
        }
        return {
            "keys": [
                {**key, "kid": self.kids[name], "alg": name, "use": "sig"}
                for name, key in public.items()
            ]
        }

    def description(self) -> dict[str, Any]:
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks.json"}

    def fetch(self, url: str) -> bytes:
        """What a GET would bring, without a socket."""
        self.asked.append(url.removeprefix(self.url))
        if self.down:
            raise OSError("it does not answer")
        pages = {
            "/jwks.json": self.jwks,
            "/.well-known/openid-configuration": self.description,
        }
        return json.dumps(pages[self.asked[-1]]()).encode()

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Those of a token that is good; a claim given as None is left out."""
        now = int(time.time())
        usual = {
            "iss": self.url, "aud": AUDIENCE, "sub": "user-1", "iat": now, "exp": now + 600,
            "custom:tenant": "acme", "cognito:groups": ["writer"],
        }  # fmt: skip
        return {name: one for name, one in {**usual, **claims}.items() if one is not None}

    # Any, since claims' names are not Python's and come as ``**{"custom:tenant": None}``.
    def token(self, algorithm: Any = "RS256", kid: Any = None, **claims: Any) -> str:
        key = self.rsa if algorithm.startswith(("RS", "PS")) else self.ec
        headers = {"kid": kid or self.kids.get(algorithm, "rsa-1")}
        return jwt.encode(self.claims(**claims), key, algorithm, headers)

    def unsigned(self, **claims: Any) -> str:
        """``alg: none``, and no signature."""
        return f"{self._parts({'alg': 'none', 'kid': 'rsa-1'}, claims)}."

    def signed_with_the_public_key(self, **claims: Any) -> str:
        """HS256, with what everybody knows as the secret; PyJWT itself refuses to make one."""
        parts = self._parts({"alg": "HS256", "kid": "rsa-1"}, claims)
        secret = self.rsa.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"{parts}.{_base64(hmac.digest(secret, parts.encode(), hashlib.sha256))}"

    def _parts(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        both = ({"typ": "JWT", **header}, self.claims(**claims))
        return ".".join(_base64(json.dumps(one).encode()) for one in both)


@contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer that answers at its own address."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                body, status = issuer.fetch(f"{issuer.url}{self.path}"), 200
            except (KeyError, OSError):
                body, status = b"{}", 503
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
