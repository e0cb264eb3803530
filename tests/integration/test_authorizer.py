"""The authoriser's handler, with AWS in this process and an issuer on loopback."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ragline import telemetry, wiring
from ragline.domain.access import Plan, Role
from ragline.domain.errors import Unauthorised
from ragline.domain.times import utc_now
from ragline.settings import settings
from ragline.usecases import keys as usecase
from tests.contract.aws import REGION, client, in_process_aws, make_table
from tests.integration.test_handlers import CONTEXT
from tests.issuer import AUDIENCE, Issuer, serving

EVENT = json.loads((Path(__file__).parents[2] / "events/authorizer.json").read_text())
OWNER = "Xy" * 20 + "abc"
SHARED = "ragline-usage-plan-test"


def forget() -> None:
    for built in (
        settings, wiring.client, wiring.keys, wiring.known_keys, wiring.tokens, wiring._secrets,
    ):  # fmt: skip
        built.cache_clear()


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    with in_process_aws(), serving() as served:
        secret = client("secretsmanager").create_secret(Name="owner-key", SecretString=OWNER)
        environment = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LEDGER_TABLE": make_table(client("dynamodb")),
            "OWNER_KEY_ARN": secret["ARN"],
            "SHARED_METER": SHARED,
            "JWT_ISSUER": served.url,
            "JWT_AUDIENCE": AUDIENCE,
            "MEASURE_USAGE": "false",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget()
        yield served
    forget()


def handle(**headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    event = {**EVENT, "headers": given}
    return import_module("functions.authorizer.handler").lambda_handler(event, CONTEXT)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", written)
    return written


def refused(log: io.StringIO, **headers: str) -> str:
    """The reason in the log, of a refusal that tells the gateway nothing but 401."""
    with pytest.raises(Unauthorised, match=r"\AUnauthorized\Z"):
        handle(**headers)
    return reason(log)


def reason(log: io.StringIO) -> str:
    """Why the last call was refused; nothing else was logged of it."""
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["message"], line["level"]) == ("refused", "WARNING")
    return str(line["reason"])


def test_the_stack_s_own_key_is_allowed_this_call_and_told_to_the_api(issuer: Issuer) -> None:
    assert handle(x_api_key=OWNER) == {
        "principalId": "key:owner",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": EVENT["methodArn"],
                }
            ],
        },
        "context": {"tenant": "default", "role": "admin", "principal": "key:owner"},
        "usageIdentifierKey": SHARED,
    }


@pytest.mark.parametrize("header", ["x_api_key", "X_API_Key"])
def test_a_tenant_s_key_is_counted_by_the_tenant_s_own_plan(issuer: Issuer, header: str) -> None:
    made = usecase.create("acme", Role.READER, "x", keys=wiring.keys(), now=utc_now())
    wiring.keys().keep_plan(Plan("acme", "plan-1", "meter-of-acme"))
    answer = handle(**{header: made.key})
    assert answer["usageIdentifierKey"] == "meter-of-acme"
    assert answer["context"]["tenant"] == "acme"
    assert answer["context"]["role"] == "reader"
    assert made.key not in str(answer)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_token_is_verified_by_keys_that_the_issuer_serves(issuer: Issuer, scheme: str) -> None:
    answer = handle(Authorization=f"{scheme} {issuer.token('ES256')}")
    assert answer["context"] == {"tenant": "acme", "role": "writer", "principal": "user:user-1"}
    assert answer["usageIdentifierKey"] == SHARED


def test_nobody_is_refused_with_the_reason_in_the_log(issuer: Issuer, log: io.StringIO) -> None:
    assert "neither" in refused(log)
    assert "neither" in refused(log, Authorization="Basic YWxhZGRpbjpvcGVu")
    assert "no such API key" in refused(log, x_api_key="rag_wrong")
    assert "too long" in refused(log, x_api_key="x" * 201)


def test_a_known_bearer_without_a_role_is_denied_rather_than_unknown(
    issuer: Issuer, log: io.StringIO
) -> None:
    answer = handle(Authorization=f"Bearer {issuer.token(**{'cognito:groups': ['staff']})}")
    [statement] = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert "context" not in answer
    assert "no role" in reason(log)


def test_no_secret_is_ever_logged(issuer: Issuer, log: io.StringIO) -> None:
    made = usecase.create("acme", Role.READER, "x", keys=wiring.keys(), now=utc_now())
    tokens = [issuer.token(), issuer.token(exp=1), issuer.token(**{"custom:tenant": None})]
    secrets = [OWNER, made.key, "rag_wrong-but-perhaps-nearly-right", *tokens]
    for key in secrets[:3]:
        try_it(x_api_key=key)
    for token in tokens:
        try_it(Authorization=f"Bearer {token}")
    said = log.getvalue()
    assert said.count('"refused"') == 3
    assert said.count('"authorised"') == 3
    for secret in secrets:
        assert not [part for part in secret.split(".") if part in said]


def try_it(**headers: str) -> None:
    try:
        handle(**headers)
    except Unauthorised:
        return


def test_an_issuer_without_an_audience_is_a_fault_of_the_settings(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ragline.domain.errors import SetupError

    monkeypatch.setenv("JWT_AUDIENCE", " , ")
    forget()
    with pytest.raises(SetupError, match="JWT_AUDIENCE"):
        handle(Authorization=f"Bearer {issuer.token()}")
