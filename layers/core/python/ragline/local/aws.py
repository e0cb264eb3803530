"""boto3 for an endpoint on this machine: test credentials, nothing of the user's account."""

from __future__ import annotations

import os

import boto3
import botocore.session
from botocore.config import Config

REGION = "us-east-1"

_NOT_THE_USERS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""botocore session variables (config key, environment, default, cast): no file, no AWS_PROFILE."""


def session() -> boto3.Session:
    """A session that never reads the user's profile, files or keys, even when those are broken."""
    return boto3.Session(
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - what every local stand-in expects
        region_name=REGION,
        botocore_session=botocore.session.Session(session_vars=_NOT_THE_USERS),
    )


def config() -> Config:
    """Path-style S3 (a bucket in the host name needs DNS), no proxy, and no endless waiting."""
    return Config(
        s3={"addressing_style": "path"},
        proxies={},
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
