"""What is said to LanceDB: filters as SQL, and how to reach the storage."""

from __future__ import annotations

import pytest

from ragline.adapters.lance.index import storage_options
from ragline.adapters.lance.rows import condition, literal
from ragline.domain.chunks import Filter


def test_a_filter_that_lets_everything_through_is_no_condition() -> None:
    assert condition(Filter()) == ""


def test_quotes_are_doubled_and_nothing_else_is_touched() -> None:
    assert literal('it\'s \\ "x" --') == "'it''s \\ \"x\" --'"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"k": 1}, {"k": "1"}),
        ({"k": 1}, {"k": True}),
        ({"k": 1}, {"k": 1.0}),
        ({"k": True}, {"k": "true"}),
        ({"k": ""}, {"k": "null"}),
        ({"a": "=b"}, {"a=": "b"}),
        ({'a"="b': ""}, {"a": 'b"=""'}),
    ],
)
def test_different_metadata_are_different_conditions(
    a: dict[str, str | int | float], b: dict[str, str | int | float]
) -> None:
    assert condition(Filter(metadata=a)) != condition(Filter(metadata=b))


def test_aws_itself_needs_no_endpoint_and_stays_on_tls() -> None:
    options = storage_options("", "eu-central-1")
    assert options["region"] == "eu-central-1"
    assert not options.keys() & {"endpoint", "allow_http"}


def test_plain_http_is_allowed_for_an_endpoint_that_asks_for_it_only() -> None:
    assert storage_options("http://127.0.0.1:4566", "us-east-1")["allow_http"] == "true"
    assert storage_options("https://s3.example.com", "us-east-1")["allow_http"] == "false"
