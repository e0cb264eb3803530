"""A tenant's secrets in SSM Parameter Store, all that lie below its name: to be removed with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragline.adapters.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_AT_ONCE = 10


class TenantSecrets:
    """``ports.TenantSecrets``. ``prefix`` as ``webhook_secrets.SsmSecrets`` has it."""

    def __init__(self, prefix: str, *, client: SSMClient) -> None:
        self._prefix, self._client = prefix, client

    def of(self, tenant: str) -> Sequence[str]:
        pages = self._client.get_paginator("get_parameters_by_path")
        with translated(f"parameters below {self._prefix}"):
            return [
                parameter["Name"]
                for page in pages.paginate(Path=f"{self._prefix}/{tenant}/", Recursive=True)
                for parameter in page["Parameters"]
            ]

    def remove(self, names: Sequence[str]) -> None:
        with translated(f"parameters below {self._prefix}"):
            for start in range(0, len(names), _AT_ONCE):
                self._client.delete_parameters(Names=list(names[start : start + _AT_ONCE]))
