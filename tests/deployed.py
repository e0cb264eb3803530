"""Where a stack that a test deployed answers: found as the command line finds it."""

from __future__ import annotations

from collections.abc import Mapping

from ragline.cli.aws import key_value, secret_value
from ragline.cli.target import api_url
from ragline.local import aws


def api_address(endpoint_url: str, outputs: Mapping[str, str]) -> tuple[str, str]:
    """The API's URL, without a slash at its end, and its key."""
    session, options = aws.session(), aws.config()
    url = api_url(endpoint_url, aws.REGION, dict(outputs))
    if "OwnerKeyArn" in outputs:
        secrets = session.client("secretsmanager", endpoint_url=endpoint_url, config=options)
        return url, secret_value(secrets, outputs["OwnerKeyArn"])
    gateway = session.client("apigateway", endpoint_url=endpoint_url, config=options)
    return url, key_value(gateway, outputs["ApiKeyId"])
