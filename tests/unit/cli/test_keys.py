"""`ragline keys`, on records in memory."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ragline.adapters.memory.keys import MemoryKeys, MemoryPlans
from ragline.cli.app import app
from ragline.cli.client import Client
from ragline.cli.key_ports import KeyPorts, key_ports
from ragline.cli.outside import Outside
from ragline.cli.target import Account, Choice, address
from ragline.domain.access import Rates
from ragline.domain.errors import SetupError, Throttled
from ragline.usecases.keys import digest_of
from tests.unit.cli.aws_clients import cloudformation, session, stubbed
from tests.unit.cli.fakes import API_URL, KEY, FakeCloud, FakeLocal, outside

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:owner-a1b2c3"
OUTPUTS = {"ApiId": "abc", "ApiStage": "live", "OwnerKeyArn": ARN, "LedgerTableName": "ledger"}


class Stack:
    """Keys of a stack, and the command line that works on them."""

    def __init__(self) -> None:
        self.ports = KeyPorts(MemoryKeys(), MemoryPlans())
        self.outside: Outside = outside(
            environ={}, local=FakeLocal(FakeCloud()), session=lambda *_: session(),
            keys=lambda where: self.ports,
        )  # fmt: skip

    def run(self, *words: str, code: int = 0) -> Any:
        done = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(
            app, ["keys", *words], obj=self.outside
        )
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)


def test_a_key_is_printed_once_alone_on_stdout_and_its_hash_is_kept() -> None:
    stack = Stack()
    done = stack.run("create", "--tenant", "acme", "--role", "reader", "--name", "the website")
    key = done.stdout.strip()
    assert key.startswith("rag_")
    assert len(key.split()) == 1
    assert "Not shown again" in done.stderr
    [record] = stack.ports.keys.of("acme")
    assert record.digest == digest_of(key)
    listed = stack.run("list", "--tenant", "acme").stdout
    assert key not in listed
    for told in (record.key_id, "reader", "the website", key[-4:], "open"):
        assert told in listed


def test_a_revoked_key_stays_in_the_list_and_says_so() -> None:
    stack = Stack()
    made = stack.json("create", "--name", "x")
    assert made["tenant"] == "default"
    assert made["role"] == "writer"
    revoked = stack.json("revoke", made["key_id"])
    assert revoked["revoked_at"]
    assert stack.json("list")["keys"] == [revoked]
    assert "revoked" in stack.run("list").stdout


def test_another_tenant_s_key_is_not_there_to_be_revoked() -> None:
    stack = Stack()
    made = stack.json("create", "--tenant", "acme", "--name", "x")
    refused = stack.json("revoke", made["key_id"], "--tenant", "rival", code=4)
    assert refused["error"]["code"] == "not_found"


def test_limits_come_with_a_key_or_by_themselves() -> None:
    stack = Stack()
    stack.json("create", "--name", "x", "--rate", "5", "--burst", "10")
    stack.json("limit", "--quota-per-day", "1234567")
    assert stack.json("list")["limits"] == {"rate": 5, "burst": 10, "quota_per_day": 1234567}
    told = stack.run("list").stdout
    assert "rate 5, burst 10, quota_per_day 1,234,567" in told
    plan = stack.ports.keys.plan("default")
    assert plan
    assert plan.rates == Rates(5, 10, 1234567)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create"], "--name"),
        (["create", "--name", "x", "--role", "owner"], "owner"),
        (["create", "--name", "x", "--tenant", "A B"], "tenant"),
        (["create", "--name", "x", "--rate", "5"], "burst"),
        (["create", "--name", "x", "--expires-days", "0"], "expires_in_days"),
        (["limit"], "--quota-per-day"),
    ],
)
def test_what_cannot_be_is_refused_and_makes_no_key(words: list[str], says: str) -> None:
    stack = Stack()
    done = stack.run(*words, code=2)
    assert says in done.output
    assert list(stack.ports.keys.of("default")) == []


def test_the_ports_are_those_of_the_stack() -> None:
    clients = session(cloudformation=cloudformation(OUTPUTS), dynamodb=stubbed("dynamodb")[0])
    assert key_ports(Account(clients, None, "ragline-dev")).keys
    older = session(cloudformation=cloudformation({"ApiId": "abc", "LedgerTableName": "t"}))
    with pytest.raises(SetupError, match="OwnerKeyArn"):
        key_ports(Account(older, None, "ragline-dev"))


def test_the_stack_s_own_key_is_read_from_its_secret() -> None:
    secrets, stubber = stubbed("secretsmanager")
    stubber.add_response("get_secret_value", {"SecretString": KEY}, {"SecretId": ARN})
    given = session(cloudformation=cloudformation(OUTPUTS), secretsmanager=secrets)
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=lambda *_: given)
    assert address(Choice(), world).key == KEY


def test_a_stack_that_has_a_websocket_api_tells_its_address() -> None:
    outputs = {**OUTPUTS, "SocketsApiId": "ws1"}
    secrets, stubber = stubbed("secretsmanager")
    stubber.add_response("get_secret_value", {"SecretString": KEY}, {"SecretId": ARN})
    given = session(cloudformation=cloudformation(outputs), secretsmanager=secrets)
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=lambda *_: given)
    assert "ws1" in address(Choice(), world).sockets


def test_who_may_not_read_the_secret_is_told_of_the_variable() -> None:
    secrets, stubber = stubbed("secretsmanager")
    stubber.add_client_error("get_secret_value", "AccessDeniedException", "not you", 400)
    given = session(cloudformation=cloudformation(OUTPUTS), secretsmanager=secrets)
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=lambda *_: given)
    with pytest.raises(SetupError, match="RAGLINE_API_KEY"):
        address(Choice(), world)


@pytest.mark.parametrize("environ", [{"RAGLINE_API_URL": API_URL, "RAGLINE_API_KEY": KEY}, {}])
def test_a_token_is_sent_in_place_of_any_key(environ: dict[str, str]) -> None:
    seen: list[httpx.Request] = []

    def api(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    world = outside(
        api, environ={**environ, "RAGLINE_TOKEN": "abc.def.ghi"}, local=FakeLocal(FakeCloud()),
        session=lambda *_: session(cloudformation=cloudformation(OUTPUTS)),
    )  # fmt: skip
    with Client(address(Choice(), world), world) as client:
        client.info()
    assert seen[0].headers["authorization"] == "Bearer abc.def.ghi"
    assert "x-api-key" not in seen[0].headers


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(401, json={"message": "Unauthorized"}), "RAGLINE_TOKEN"),
        (httpx.Response(401, json={"code": "unauthorised", "detail": "Say who"}), "RAGLINE_TOKEN"),
        (httpx.Response(403, json={"message": "Forbidden"}), "RAGLINE_API_KEY"),
        (httpx.Response(403, json={"code": "forbidden", "detail": "needs admin."}), "needs admin"),
    ],
)
def test_a_refused_caller_is_told_what_to_do_and_it_is_a_matter_of_setup(
    answer: httpx.Response, says: str
) -> None:
    world = outside(lambda request: answer)
    with Client(address(Choice(), world), world) as client, pytest.raises(SetupError, match=says):
        client.info()


@pytest.mark.parametrize(
    "body",
    [
        {"code": "daily_quota_exceeded", "detail": "used up for today."},
        {"message": "Limit Exceeded"},
    ],
)
def test_a_quota_that_is_used_up_is_told_at_once(body: dict[str, str]) -> None:
    asked: list[httpx.Request] = []

    def api(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(429, json=body)

    world = outside(api)
    with Client(address(Choice(), world), world) as client, pytest.raises(Throttled):
        client.info()
    assert len(asked) == 1


def test_env_gives_on_the_token_that_it_was_given() -> None:
    environ = {"RAGLINE_API_URL": API_URL, "RAGLINE_API_KEY": KEY, "RAGLINE_TOKEN": "a.b.c"}
    done = CliRunner().invoke(app, ["env"], obj=outside(environ=environ))
    assert "export RAGLINE_TOKEN=a.b.c" in done.stdout
    assert KEY not in done.stdout
