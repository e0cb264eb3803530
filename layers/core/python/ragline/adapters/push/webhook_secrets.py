"""Signing secrets in SSM Parameter Store, encrypted (SecureString): a standard one costs nothing.

``{prefix}/{tenant}/{webhook_id}``: a JSON text of the fields of ``SigningSecrets``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import GetParameterError, SSMProvider
from botocore.exceptions import BotoCoreError, ClientError

from ragline.adapters.aws_errors import translate, translated
from ragline.domain.errors import SetupError
from ragline.domain.webhooks import SigningSecrets

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

KEPT_SECONDS = 60
"""A secret is read once in so long by a process: Parameter Store allows 40 reads a second."""


class SsmSecrets:
    """``ports.WebhookSecrets``. Threads may share it, as they may its client."""

    def __init__(self, prefix: str, *, client: SSMClient, kept_seconds: int = KEPT_SECONDS) -> None:
        self._prefix = prefix
        self._client = client
        self._kept_seconds = kept_seconds
        self._provider = SSMProvider(boto3_client=client)

    def put(self, tenant: str, webhook_id: str, secrets: SigningSecrets) -> None:
        name = self._name(tenant, webhook_id)
        value = json.dumps(asdict(secrets))
        with translated(f"parameter {name}"):
            self._client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def get(self, tenant: str, webhook_id: str) -> SigningSecrets:
        name = self._name(tenant, webhook_id)
        try:
            value = self._provider.get(name, max_age=self._kept_seconds, decrypt=True)
        except GetParameterError as error:
            cause = error.__context__  # Powertools makes one kind of all errors
            if isinstance(cause, (ClientError, BotoCoreError)):
                raise translate(cause, f"parameter {name}") from error
            raise
        try:
            return SigningSecrets(**json.loads(str(value)))
        except (ValueError, TypeError) as error:
            raise SetupError(
                f"parameter {name} holds no signing secret: rotate the webhook's."
            ) from error

    def remove(self, tenant: str, webhook_id: str) -> None:
        name = self._name(tenant, webhook_id)
        with translated(f"parameter {name}"):
            self._client.delete_parameters(Names=[name])

    def _name(self, tenant: str, webhook_id: str) -> str:
        return f"{self._prefix}/{tenant}/{webhook_id}"
