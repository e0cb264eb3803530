"""Where the key of Pinecone comes from, and what is said if it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ragline import wiring
from ragline.adapters.pinecone.index import PineconeIndexes
from ragline.adapters.pinecone.key import api_key, check_place
from ragline.domain.errors import SetupError
from tests.contract import aws
from tests.contract.pinecone import serving
from tests.contract.test_vector_index import ACME, row
from tests.pinecone_server import API_KEY


@pytest.fixture
def secrets() -> Iterator[Any]:
    with aws.in_process_aws():
        yield aws.client("secretsmanager")


def secret(secrets: Any, text: str) -> str:
    arn: str = secrets.create_secret(Name="ragline/pinecone", SecretString=text)["ARN"]
    return arn


@pytest.mark.parametrize("text", [API_KEY, f"{API_KEY}\n", f"  {API_KEY} "])
def test_the_key_is_the_secret_s_text_without_spaces_around_it(secrets: Any, text: str) -> None:
    assert api_key(secret(secrets, text), client=secrets) == API_KEY


@pytest.mark.parametrize("text", [" ", json.dumps({"api key": API_KEY}), "ключ"])
def test_a_secret_that_holds_something_else_is_refused_without_showing_it(
    secrets: Any, text: str
) -> None:
    with pytest.raises(SetupError, match="holds no API key: put") as caught:
        api_key(secret(secrets, text), client=secrets)
    assert API_KEY not in str(caught.value)


def test_a_secret_that_does_not_exist_is_named(secrets: Any) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-abcdef"
    with pytest.raises(SetupError, match=f"secret {arn}: ResourceNotFound.*does not exist"):
        api_key(arn, client=secrets)


@pytest.mark.parametrize(
    ("host", "arn", "says"),
    [
        ("", "arn", "PINECONE_HOST is not set"),
        ("x.pinecone.io", "", "PINECONE_SECRET_ARN is not set"),
        ("https://", "arn", "is no address"),
        ("ftp://x.pinecone.io", "arn", "is no address"),
        ("http://x.pinecone.io", "arn", "in clear: use https"),
    ],
)
def test_a_place_that_cannot_be_right_is_refused_with_the_setting(
    host: str, arn: str, says: str
) -> None:
    with pytest.raises(SetupError, match=says):
        check_place(host, arn)


@pytest.mark.parametrize(
    "host", ["x-1.svc.aped-1.pinecone.io", "https://x.pinecone.io", "http://127.0.0.1:5080"]
)
def test_a_host_is_taken_as_the_console_shows_it(host: str) -> None:
    check_place(host, "arn")


def test_the_settings_choose_pinecone(secrets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = (wiring.settings, wiring.indexes, wiring.client)
    arn = secret(secrets, API_KEY)
    with serving() as server:
        for name, value in {
            "INDEX_STORE": "pinecone",
            "PINECONE_HOST": server.host,
            "PINECONE_SECRET_ARN": arn,
            "AWS_DEFAULT_REGION": aws.REGION,
        }.items():
            monkeypatch.setenv(name, value)
        for cache in caches:
            cache.cache_clear()
        try:
            indexes = wiring.indexes()
            assert isinstance(indexes, PineconeIndexes)
            indexes.of("mini-1").upsert(ACME, [row()])
            assert indexes.of("mini-1").count(ACME) == 1
            indexes.close()
        finally:
            for cache in caches:
                cache.cache_clear()
