"""A tenant's secrets in SSM Parameter Store, all that lie below its name: to be removed with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragline.adapters.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_AT_ONCE = 10


class TenantSecrets:
    """``ports.TenantSecrets``. ``prefixes`` as ``SsmSecrets`` and ``SsmPasswords`` have them."""

    def __init__(self, *prefixes: str, client: SSMClient) -> None:
        self._prefixes, self._client = prefixes, client

    def of(self, tenant: str) -> Sequence[str]:
        pages = self._client.get_paginator("get_parameters_by_path")
        with translated(f"parameters below {self._prefixes}"):
            return [
                parameter["Name"]
                for prefix in self._prefixes
                for page in pages.paginate(Path=f"{prefix}/{tenant}/", Recursive=True)
                for parameter in page["Parameters"]
            ]

    def remove(self, names: Sequence[str]) -> None:
        with translated(f"parameters below {self._prefixes}"):
            for start in range(0, len(names), _AT_ONCE):
                self._client.delete_parameters(Names=list(names[start : start + _AT_ONCE]))
