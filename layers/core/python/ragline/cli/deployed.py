"""Which embedding model a stack runs: its API says so, for nothing else can know."""

from __future__ import annotations

from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.target import Account, address_at
from ragline.domain.errors import SetupError


def deployed_model(where: Account, outside: Outside) -> str:
    """The fingerprint of the deployed model.

    Raises:
        SetupError: the stack has no API, or that finds no model where ModelDir says.
    """
    with Client(address_at(where), outside) as client:
        told = client.info()
    model = told.get("components", {}).get("model", {})
    if not model.get("fingerprint"):
        raise SetupError(
            f"stack {where.stack} does not say which embedding model it runs (its state is "
            f"{model.get('state', 'unknown')!r}): deploy it with a ModelDir that holds a model."
        )
    return str(model["fingerprint"])
