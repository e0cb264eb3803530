from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragline.cli.target import Choice, account, address, api_url, project_directory
from ragline.domain.errors import SetupError
from tests.unit.cli.aws_clients import ENDPOINT, cloudformation, no_stack, session, stubbed
from tests.unit.cli.fakes import API_URL, KEY, FakeCloud, FakeLocal, FakeSession, outside

Opened = list[tuple[Any, ...]]


def opener(opened: Opened, given: FakeSession | None = None) -> Any:
    def open_session(*how: Any) -> FakeSession:
        opened.append(how)
        return given or session()

    return open_session


def no_session(*_: Any) -> Any:
    raise AssertionError("no AWS session is needed")


def test_an_address_and_a_key_in_the_environment_are_enough() -> None:
    found = address(Choice(), outside(session=no_session))
    assert (found.url, found.key) == (API_URL, KEY)


def test_by_default_it_talks_to_the_local_cloud_with_no_real_credentials() -> None:
    opened: Opened = []
    given = session()
    world = outside(
        environ={"AWS_ACCESS_KEY_ID": "AKIAREAL"},
        local=FakeLocal(FakeCloud()),
        session=opener(opened, given),
    )
    found = address(Choice(), world)
    assert found.url == f"{ENDPOINT}/restapis/abc/live/_user_request_"
    assert found.key == KEY
    assert opened == [(None, "us-east-1", "test", "test")]
    assert given.asked == [("cloudformation", ENDPOINT), ("apigateway", ENDPOINT)]


def test_with_nothing_running_and_nothing_named_it_says_what_to_do() -> None:
    with pytest.raises(SetupError, match=r"ragline up.*--profile.*--endpoint.*RAGLINE_API_URL"):
        address(Choice(), outside(environ={}, session=no_session))


@pytest.mark.parametrize("environ", [{}, {"AWS_ENDPOINT_URL": "http://elsewhere:1"}])
def test_an_endpoint_named_on_the_command_line_comes_first(environ: dict[str, str]) -> None:
    opened: Opened = []
    given = session()
    world = outside(
        environ={"RAGLINE_API_URL": API_URL, **environ},
        local=FakeLocal(FakeCloud(port=9)),
        session=opener(opened, given),
    )
    address(Choice(endpoint=ENDPOINT), world)
    assert given.asked[0] == ("cloudformation", ENDPOINT)


def test_an_endpoint_in_the_environment_comes_before_the_local_cloud() -> None:
    opened: Opened = []
    world = outside(
        environ={"AWS_ENDPOINT_URL": "http://localstack:4566", "AWS_ACCESS_KEY_ID": "x"},
        local=FakeLocal(FakeCloud(port=9)),
        session=opener(opened),
    )
    found = account(Choice(), world)
    assert found.endpoint_url == "http://localstack:4566"
    assert opened == [(None, None)]  # stand-ins tell accounts apart by the credentials


def test_a_profile_means_aws_even_when_a_local_cloud_runs() -> None:
    opened: Opened = []
    given = session(cloudformation=cloudformation(endpoint_url=None))
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=opener(opened, given))
    found = address(Choice(profile="prod", region="eu-west-1"), world)
    assert found.url == "https://abc.execute-api.eu-west-1.amazonaws.com/live"
    assert opened == [("prod", "eu-west-1")]
    assert given.asked[0] == ("cloudformation", None)


@pytest.mark.parametrize(("known", "opens"), [((), None), (("default",), "default")])
def test_the_default_profile_need_not_be_written_down(
    known: tuple[str, ...], opens: str | None
) -> None:
    opened: Opened = []
    given = FakeSession({}, available_profiles=known)
    account(Choice(profile="default"), outside(environ={}, session=opener(opened, given)))
    assert opened[-1] == (opens, None)


def test_a_stack_that_is_not_there_is_named() -> None:
    given = session(cloudformation=no_stack())
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=opener([], given))
    with pytest.raises(SetupError, match=r"no stack ragline-dev at .*4566.*ragline up"):
        address(Choice(), world)


def test_a_stack_of_something_else_is_refused() -> None:
    given = session(cloudformation=cloudformation({"Other": "x"}))
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=opener([], given))
    with pytest.raises(SetupError, match="no output ApiId"):
        address(Choice(), world)


def test_a_key_in_the_environment_is_used_without_asking_aws() -> None:
    given = session()
    world = outside(
        environ={"RAGLINE_API_KEY": "mine"},
        local=FakeLocal(FakeCloud()),
        session=opener([], given),
    )
    assert address(Choice(), world).key == "mine"
    assert [service for service, _ in given.asked] == ["cloudformation"]


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [("AccessDenied", 403, "AccessDenied"), ("ThrottlingException", 400, "slow down")],
)
def test_a_refusal_of_aws_is_one_of_our_errors(code: str, status: int, says: str) -> None:
    from ragline.domain.errors import RaglineError

    client, stubber = stubbed("cloudformation")
    stubber.add_client_error("describe_stacks", code, "not today", http_status_code=status)
    given = session(cloudformation=client)
    world = outside(environ={}, local=FakeLocal(FakeCloud()), session=opener([], given))
    with pytest.raises(RaglineError, match=says):
        address(Choice(), world)


def test_an_unknown_profile_is_one_of_our_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials")
    from ragline.cli.outside import aws_session

    with pytest.raises(SetupError, match="could not be found"):
        account(Choice(profile="nope"), outside(environ={}, session=aws_session))


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://x", "http://", "http://x:port"])
def test_an_address_that_is_none_names_its_variable(url: str) -> None:
    with pytest.raises(SetupError, match="RAGLINE_API_URL"):
        address(Choice(), outside(environ={"RAGLINE_API_URL": url}))
    with pytest.raises(SetupError, match="--endpoint"):
        account(Choice(endpoint=url), outside(environ={}))


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (
            "https://cloudformation.eu-west-1.amazonaws.com",
            "https://abc.execute-api.eu-west-1.amazonaws.com/live",
        ),
        (
            "https://cloudformation.eu-west-1.amazonaws.com.cn",
            "https://abc.execute-api.eu-west-1.amazonaws.com.cn/live",
        ),
        ("http://localhost:4566/", "http://localhost:4566/restapis/abc/live/_user_request_"),
        (
            "http://notamazonaws.com",
            "http://notamazonaws.com/restapis/abc/live/_user_request_",
        ),
    ],
)
def test_the_api_s_address_follows_from_where_the_stack_was_found(endpoint: str, url: str) -> None:
    assert api_url(endpoint, "eu-west-1", {"ApiId": "abc", "ApiStage": "live"}) == url


def test_the_project_is_the_nearest_folder_with_a_template_or_a_local_cloud(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert project_directory(outside(directory=deep)) == deep
    (tmp_path / "template.yaml").touch()
    assert project_directory(outside(directory=deep)) == tmp_path
    (tmp_path / "a" / ".ragline").mkdir()
    assert project_directory(outside(directory=deep)) == tmp_path / "a"
