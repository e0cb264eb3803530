"""Who may do what on the deployed stack: keys, tokens, roles, limits, and two tenants apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ragline import wiring
from ragline.adapters.recent import SECONDS
from ragline.api.access import OPEN
from ragline.api.app import create_app
from tests.e2e.stack import NAME, CommandLine, Stack, until
from tests.issuer import Issuer
from tests.unit.api.callers import routes

pytestmark = pytest.mark.e2e

INFO = "/api/v2/info"
DOCUMENTS = "/api/v2/documents"

Keyed = Callable[..., str]


@pytest.fixture(scope="module")
def ragline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("access"), stack.endpoint_url)


@pytest.fixture(scope="module")
def key(ragline: CommandLine) -> Keyed:
    def made(tenant: str, role: str = "writer", *words: str) -> str:
        told = ragline(
            "keys", "create", "--tenant", tenant, "--role", role, "--name", "e2e", *words
        )
        return str(told["key"])

    return made


def ask(stack: Stack, method: str, path: str, key: str = "", token: str = "", **parts: Any) -> Any:
    headers = {"x-api-key": key} if key else {}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    return stack.anyone.request(method, stack.api_url + path, headers=headers, **parts)


def status(stack: Stack, key: str = "", token: str = "", path: str = INFO) -> int:
    code: int = ask(stack, "GET", path, key, token).status_code
    return code


def test_a_reader_reads_a_writer_writes_and_an_admin_redrives(stack: Stack, key: Keyed) -> None:
    keys = {role: key("roles", role) for role in ("reader", "writer", "admin")}
    register = {"filename": "a.md", "size": 9, "collection": "c"}
    told = {
        role: (
            ask(stack, "GET", DOCUMENTS, one).status_code,
            ask(stack, "POST", DOCUMENTS, one, json=register).status_code,
            ask(stack, "POST", "/api/v2/redrive", one, json={}).status_code,
        )
        for role, one in keys.items()
    }
    assert told == {
        "reader": (200, 403, 403), "writer": (200, 201, 403), "admin": (200, 201, 200),
    }  # fmt: skip
    refused = ask(stack, "POST", DOCUMENTS, keys["reader"], json=register)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "forbidden"


def test_a_revoked_key_is_refused_within_seconds(
    stack: Stack, ragline: CommandLine, key: Keyed
) -> None:
    mine = key("leaving")
    assert status(stack, mine) == 200
    [record] = ragline("keys", "list", "--tenant", "leaving")["keys"]
    assert mine.endswith(record["ends_with"])
    ragline("keys", "revoke", record["key_id"], "--tenant", "leaving")
    began = time.monotonic()
    until(lambda: status(stack, mine) == 401, "the key to be refused", SECONDS + 10)
    assert time.monotonic() - began < SECONDS + 5


def test_a_token_of_either_kind_opens_its_tenant(stack: Stack, issuer: Issuer) -> None:
    for algorithm in ("RS256", "ES256"):
        token = issuer.token(algorithm, **{"custom:tenant": "umbrella"})
        register = {"filename": "a.md", "size": 9, "document_id": f"of-{algorithm}"}
        answer = ask(stack, "POST", DOCUMENTS, token=token, json=register)
        assert answer.status_code == 201, answer.text
        assert "/uploads/umbrella/" in answer.json()["upload"]["url"]


def test_every_bad_token_is_refused_with_its_reason_in_the_log_and_nothing_told(
    stack: Stack, issuer: Issuer
) -> None:
    now = int(time.time())
    bad = {
        "it is over": (401, issuer.token(exp=now - 120)),
        "for another audience": (401, issuer.token(aud="someone-else")),
        "of another issuer": (401, issuer.token(iss="https://elsewhere.example")),
        "algorithm is not allowed": (401, issuer.unsigned()),
        "not its key's": (401, issuer.signed_with_the_public_key()),
        "key id is not": (401, issuer.token(kid="unknown")),
        "names no tenant": (403, issuer.token(**{"custom:tenant": None})),
        "cannot be": (403, issuer.token(**{"custom:tenant": "No/Such"})),
        "names no role": (403, issuer.token(**{"cognito:groups": ["owner"]})),
    }
    for reason, (code, token) in bad.items():
        answer = ask(stack, "GET", INFO, token=token)
        assert answer.status_code == code, (reason, answer.text)
        assert not any(word in answer.text for word in ("tenant", "issuer", "audience", "role"))
    assert status(stack, token=issuer.token()) == 200

    def logged() -> str:
        return "\n".join(authoriser_log(stack))

    until(lambda: all(reason in logged() for reason in bad), "every reason to be logged")
    said = logged()
    for _, token in bad.values():
        assert not [part for part in token.split(".") if len(part) > 20 and part in said]


def authoriser_log(stack: Stack) -> list[str]:
    from ragline.local import aws

    logs = aws.session().client("logs", endpoint_url=stack.endpoint_url, config=aws.config())
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{NAME}-authorizer"
    )
    return [event["message"] for page in pages for event in page["events"]]


def test_a_tenant_s_quota_is_shared_by_its_keys_and_tokens_and_is_nobody_else_s(
    stack: Stack, ragline: CommandLine, key: Keyed, issuer: Issuer
) -> None:
    first = key("limited", "reader", "--quota-per-day", "3")
    second, other = key("limited", "reader"), key("unlimited", "reader")
    token = issuer.token(**{"custom:tenant": "limited"})
    assert [status(stack, first), status(stack, second), status(stack, token=token)] == [200] * 3
    for caller in ({"key": first}, {"key": second}, {"token": token}):
        assert status(stack, **caller) == 429
    assert status(stack, other) == 200
    limits = ragline("keys", "list", "--tenant", "limited")["limits"]
    assert limits == {"rate": None, "burst": None, "quota_per_day": 3}


def test_a_rate_holds_back_a_burst_and_may_be_raised(
    stack: Stack, ragline: CommandLine, key: Keyed
) -> None:
    mine = key("hasty", "reader", "--rate", "0.01", "--burst", "2")
    told = [status(stack, mine) for _ in range(4)]
    assert told == [200, 200, 429, 429]
    ragline("keys", "limit", "--tenant", "hasty", "--rate", "1000", "--burst", "1000")
    until(lambda: status(stack, mine) == 200, "the raised rate to hold", 10)


def test_what_is_another_tenant_s_is_answered_as_if_it_were_not(stack: Stack, key: Keyed) -> None:
    mine, theirs = key("apart", "admin"), key("rival", "admin")
    with httpx.Client(
        base_url=stack.api_url, headers={"x-api-key": theirs}, timeout=60, trust_env=False
    ) as client:
        form = {"file": ("secret.md", b"# The barometer\n\nIs read at nine.")}
        stored = client.post(f"{DOCUMENTS}/upload", data={"collection": "both"}, files=form)
        theirs_id = stored.json()["document_id"]
        until(lambda: client.get(f"{DOCUMENTS}/{theirs_id}").json()["status"] == "indexed", "it")
        before = client.get(f"{DOCUMENTS}/{theirs_id}").json()

        unknown = "x" * len(theirs_id)
        for name, (method, path) in sorted(routes(create_app(wiring)).items()):
            if name not in OPEN and "{" in path:
                ids = (theirs_id, unknown) if "{name}" not in path else ("both", "none")
                told = [about(stack, mine, method, path, one) for one in ids]
                assert told[0] == told[1], name
        question = {"question": "When is the barometer read?", "collection": "both"}
        for filters in ({}, {"document_id": theirs_id}, {"document_ids": [theirs_id]}):
            answer = ask(
                stack, "POST", "/api/v2/query", mine, json={**question, "filters": filters}
            )
            assert (answer.status_code, answer.json()["hits"]) == (200, [])
        listed = ask(stack, "GET", f"{DOCUMENTS}?collection=both", mine).json()
        assert listed == {"documents": [], "cursor": None}

        assert client.get(f"{DOCUMENTS}/{theirs_id}").json() == before
        assert len(client.post("/api/v2/query", json=question).json()["hits"]) == 1


def about(stack: Stack, key: str, method: str, path: str, document_id: str) -> Any:
    """Status, headers and body of the answer, without what differs from one request to the next."""
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, document_id)
    plain: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
    answer = ask(stack, method, path, key, **plain)
    changing = {"x-trace-id", "date", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"}
    changing |= {"x-amz-request-id", "x-amz-id-2"}
    headers = {name: value for name, value in answer.headers.items() if name not in changing}
    body = answer.json()
    body.pop("trace_id", None)
    return answer.status_code, headers, str(body).replace(document_id, "ID")


def test_health_is_open_and_a_wrong_key_is_not_even_asked_there(
    stack: Stack, tmp_path: Path
) -> None:
    assert status(stack, path="/health") == 200
    assert status(stack, "wrong", path="/health") == 200
    assert status(stack, path="/api/v2/openapi.json") == 200
    assert status(stack) == 401
