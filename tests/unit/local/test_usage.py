"""The key that an authoriser names, on its way through the local cloud's gateway."""

from __future__ import annotations

from ragline.local.usage import HIDDEN, carried, replaced


def test_the_named_key_travels_in_the_context_and_leaves_the_rest() -> None:
    answer = {"principalId": "p", "context": {"tenant": "acme"}, "usageIdentifierKey": "meter"}
    assert carried(answer) == {**answer, "context": {"tenant": "acme", HIDDEN: "meter"}}
    assert answer["context"] == {"tenant": "acme"}


def test_an_authoriser_that_names_none_is_left_as_it_is() -> None:
    answer = {"principalId": "p", "policyDocument": {}}
    assert carried(answer) == answer


def test_the_plans_see_the_named_key_and_no_other() -> None:
    given = {"X-Api-Key": "secret", "accept": "*/*"}
    assert replaced(given, "meter") == {"accept": "*/*", "x-api-key": "meter"}
    assert replaced(given, "") == {"accept": "*/*"}
    assert given["X-Api-Key"] == "secret"
