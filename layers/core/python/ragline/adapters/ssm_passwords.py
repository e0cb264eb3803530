"""Documents' passwords in SSM Parameter Store, encrypted (SecureString): a standard one costs
nothing.

``{prefix}/{tenant}/{document_id}``: a JSON text, since a password may be of spaces only, which
Parameter Store does not promise to keep.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragline.adapters.aws_errors import translated
from ragline.ports import KeptPassword

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class SsmPasswords:
    """``ports.Passwords``. ``key``: the ARN of a KMS key; '' for the account's own.

    ``client`` is called for each request: a function that meets no encrypted document needs none.
    """

    def __init__(self, prefix: str, *, client: Callable[[], SSMClient], key: str = "") -> None:
        self._prefix = prefix
        self._client = client
        self._how: dict[str, Any] = {"KeyId": key} if key else {}

    def put(self, tenant: str, document_id: str, password: str) -> None:
        name = self._name(tenant, document_id)
        with translated(f"parameter {name}"):
            self._client().put_parameter(
                Name=name,
                Value=json.dumps({"password": password}),
                Type="SecureString",
                Overwrite=True,
                **self._how,
            )

    def get(self, tenant: str, document_id: str) -> str:
        name = self._name(tenant, document_id)
        with translated(f"parameter {name}"):
            # In the plural, since then an absent one is no error.
            found = self._client().get_parameters(Names=[name], WithDecryption=True)["Parameters"]
        return str(json.loads(found[0]["Value"])["password"]) if found else ""

    def remove(self, tenant: str, document_id: str) -> None:
        name = self._name(tenant, document_id)
        with translated(f"parameter {name}"):
            self._client().delete_parameters(Names=[name])

    def kept(self) -> Sequence[KeptPassword]:
        pages = self._client().get_paginator("get_parameters_by_path")
        with translated(f"parameters below {self._prefix}"):
            return [
                _kept(parameter["Name"], parameter["LastModifiedDate"])
                for page in pages.paginate(Path=self._prefix, Recursive=True)
                for parameter in page.get("Parameters", [])
            ]

    def _name(self, tenant: str, document_id: str) -> str:
        return f"{self._prefix}/{tenant}/{document_id}"


def _kept(name: str, since: datetime) -> KeptPassword:
    tenant, document_id = name.split("/")[-2:]
    return KeptPassword(tenant, document_id, since)
