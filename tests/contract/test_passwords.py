"""Passwords of documents: the fake and Parameter Store (moto), by one contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragline.adapters.memory.passwords import MemoryPasswords
from ragline.adapters.ssm_passwords import SsmPasswords
from ragline.domain.errors import Throttled
from ragline.domain.times import utc_now
from ragline.ports import Passwords
from tests.contract import aws


@pytest.fixture(autouse=True)
def _in_process_aws() -> Iterator[None]:
    with aws.in_process_aws():
        yield


@pytest.fixture(params=["memory", "ssm"])
def passwords(request: pytest.FixtureRequest) -> Passwords:
    if request.param == "memory":
        return MemoryPasswords()
    ssm = aws.client("ssm")
    return SsmPasswords("/stack/passwords", client=lambda: ssm)


@pytest.mark.parametrize("password", ["user", "    ", "Säule \u4e2d \U0001f511", '"}{', "x" * 255])
def test_a_password_comes_back_as_it_was_put_last(passwords: Passwords, password: str) -> None:
    assert passwords.get("acme", "doc") == ""
    for one in ("before", password):
        passwords.put("acme", "doc", one)
    assert passwords.get("acme", "doc") == password
    assert passwords.get("acme", "another") == ""
    assert passwords.get("bolt", "doc") == ""
    passwords.remove("acme", "doc")
    passwords.remove("acme", "doc")
    assert passwords.get("acme", "doc") == ""


def test_all_that_are_kept_are_known_by_owner_and_age(passwords: Passwords) -> None:
    before = utc_now()
    for number in range(12):  # Parameter Store lists ten at once
        passwords.put("acme", f"doc-{number}", "user")
    kept = passwords.kept()
    assert {(one.tenant, one.document_id) for one in kept} == {
        ("acme", f"doc-{number}") for number in range(12)
    }
    assert all(abs((one.since - before).total_seconds()) < 60 for one in kept)
    assert "user" not in repr(kept)


def test_a_password_is_encrypted_where_it_is_kept_by_the_key_that_is_set() -> None:
    ssm = aws.client("ssm")
    SsmPasswords("/stack/passwords", client=lambda: ssm, key="alias/own").put("acme", "doc", "user")
    (kept,) = ssm.describe_parameters()["Parameters"]
    assert (kept["Name"], kept["Type"]) == ("/stack/passwords/acme/doc", "SecureString")
    assert kept["KeyId"] == "alias/own"


def test_parameter_store_that_is_overloaded_is_no_failure() -> None:
    class Busy:
        def get_parameters(self, **_: object) -> None:
            from botocore.exceptions import ClientError

            raise ClientError(
                {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}},
                "GetParameters",
            )

    busy = SsmPasswords("/stack/passwords", client=Busy)  # type: ignore[arg-type]
    with pytest.raises(Throttled):
        busy.get("acme", "doc")
