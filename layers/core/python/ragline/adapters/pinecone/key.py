"""The API key of Pinecone, from AWS Secrets Manager."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ragline.adapters.aws_errors import translated
from ragline.domain.errors import SetupError

_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def check_place(host: str, secret_arn: str) -> None:
    """Raises:
    SetupError: one of the two is not set, or the host is no address; says which.
    """
    for name, value in {"PINECONE_HOST": host, "PINECONE_SECRET_ARN": secret_arn}.items():
        if not value:
            raise SetupError(
                f"INDEX_STORE is 'pinecone', and {name} is not set: see docs/pinecone.md."
            )
    place = urlsplit(host if "://" in host else f"https://{host}")
    if place.scheme not in {"http", "https"} or not place.hostname:
        raise SetupError(
            f"PINECONE_HOST={host!r} is no address: give it as Pinecone's console shows it, "
            "https://….pinecone.io."
        )
    if place.scheme == "http" and place.hostname not in _HERE:
        raise SetupError(f"PINECONE_HOST={host!r} would send the API key in clear: use https://.")


def api_key(secret_arn: str, *, client: Any) -> str:
    """The secret's text, without the spaces around it.

    ``client`` is boto3's for Secrets Manager. Its errors stay what they are (Powertools' parameters
    would make one kind of them all), and the key is cached by who asks.

    Raises:
        SetupError: there is no such secret, we may not read it, or it holds no text.
    """
    with translated(f"secret {secret_arn}"):
        found = client.get_secret_value(SecretId=secret_arn)
    key = str(found.get("SecretString", "")).strip()
    if not key or any(not "!" <= char <= "~" for char in key):
        raise SetupError(
            f"secret {secret_arn} holds no API key: put Pinecone's key there as plain text, with "
            "nothing around it."
        )
    return key
