"""Starting, finding and ending the local cloud of a directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from ragline.domain.errors import SetupError
from ragline.local import aws, cloud, installed, process
from ragline.local.cloud import Cloud


def put(local: Cloud) -> None:
    s3 = aws.session().client("s3", endpoint_url=local.endpoint_url, config=aws.config())
    s3.create_bucket(Bucket="things")
    s3.put_object(Bucket="things", Key="one", Body=b"1")


def buckets(local: Cloud) -> list[str]:
    s3 = aws.session().client("s3", endpoint_url=local.endpoint_url, config=aws.config())
    return [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_starting_again_returns_the_one_that_runs(local: Cloud) -> None:
    said: list[str] = []
    again = cloud.start(local.directory, port=local.port, say=said.append)
    assert again == local == cloud.running(local.directory)
    assert "already runs" in said[0]


def test_starting_again_with_other_options_says_to_stop_first(local: Cloud) -> None:
    with pytest.raises(SetupError, match="ragline down"):
        cloud.start(local.directory, port=local.port, keep=True, say=print)


def test_a_port_of_another_directorys_cloud_is_refused_by_name(
    local: Cloud, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match=f"{local.directory}.*process {local.pid}"):
        cloud.start(tmp_path, port=local.port, say=print)
    assert cloud.running(local.directory) == local


def test_a_port_of_any_other_program_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {taken} is in use by another program"):
            cloud.start(tmp_path, port=taken, say=print)


def test_a_stopped_cloud_is_gone_and_a_new_one_is_empty(tmp_path: Path, port: int) -> None:
    put(cloud.start(tmp_path, port=port, say=print))
    assert cloud.stop(tmp_path, print)
    assert cloud.running(tmp_path) is None
    assert not cloud.stop(tmp_path, print)
    try:
        assert buckets(cloud.start(tmp_path, port=port, say=print)) == []
    finally:
        cloud.stop(tmp_path, print)


def test_what_is_kept_survives_a_stop(tmp_path: Path, port: int) -> None:
    put(cloud.start(tmp_path, port=port, keep=True, say=print))
    cloud.stop(tmp_path, print)
    try:
        again = cloud.start(tmp_path, port=port, keep=True, say=print)
        s3 = aws.session().client("s3", endpoint_url=again.endpoint_url, config=aws.config())
        assert s3.get_object(Bucket="things", Key="one")["Body"].read() == b"1"
    finally:
        cloud.stop(tmp_path, print)


def test_a_cloud_that_was_killed_is_cleaned_up_and_said(tmp_path: Path, port: int) -> None:
    killed = cloud.start(tmp_path, port=port, say=print)
    os.kill(killed.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while process.started(killed.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    said: list[str] = []
    try:
        again = cloud.start(tmp_path, port=port, say=said.append)
        assert again.pid != killed.pid
        assert "cleaned up" in said[0]
    finally:
        cloud.stop(tmp_path, print)


def test_a_recycled_pid_is_never_ended(local: Cloud, tmp_path: Path) -> None:
    """cloud.json names a process that lives, but started at another time."""
    record = json.loads((cloud.home(local.directory) / "cloud.json").read_text())
    cloud.home(tmp_path).mkdir()
    stale = record | {"directory": str(tmp_path), "started": "1"}
    (cloud.home(tmp_path) / "cloud.json").write_text(json.dumps(stale))
    assert cloud.running(tmp_path) is None
    assert not cloud.stop(tmp_path, print)
    assert cloud.running(local.directory) == local


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    cloud.home(tmp_path).mkdir()
    (cloud.home(tmp_path) / "cloud.json").write_text(text)
    assert cloud.running(tmp_path) is None
    assert not cloud.stop(tmp_path, print)


def test_a_process_that_dies_at_start_shows_its_last_words(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'cannot import ministack' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(installed, "interpreter", lambda say: broken)
    with pytest.raises(SetupError, match=r"(?s)ended at once.*cannot import ministack"):
        cloud.start(tmp_path, port=port, say=print)
    assert cloud.running(tmp_path) is None


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written"):
        cloud.start(tmp_path / "file", say=print)


def test_with_policies_enforced_a_user_may_do_only_what_its_policy_allows(
    tmp_path: Path, port: int
) -> None:
    try:
        local = cloud.start(tmp_path, port=port, enforce=True, say=print)
        with pytest.raises(SetupError, match="policies enforced"):
            cloud.start(tmp_path, port=port, say=print)
        put(local)
        iam = aws.session().client("iam", endpoint_url=local.endpoint_url, config=aws.config())
        iam.create_user(UserName="reader")
        allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::things/*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=document)
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        reader = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=aws.REGION)
        s3 = reader.client("s3", endpoint_url=local.endpoint_url, config=aws.config())
        assert s3.get_object(Bucket="things", Key="one")["Body"].read() == b"1"
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket="things", Key="two", Body=b"2")
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket="things", Key="absent")  # a 404 only for who may list
        decisions = [json.loads(line) for line in local.decisions.read_text().splitlines()]
        told = [(one["action"], one["allowed"]) for one in decisions if one["role"] == "reader"]
        assert ("s3:GetObject", True) in told and ("s3:PutObject", False) in told
        assert ("s3:ListBucket", False) in told
    finally:
        cloud.stop(tmp_path, print)
