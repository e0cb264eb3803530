"""What `ragline keys` works on: the records in a stack's ledger, and its gateway's usage plans."""

from __future__ import annotations

from dataclasses import dataclass

from ragline.cli import aws
from ragline.cli.target import Account
from ragline.domain.errors import SetupError
from ragline.ports import Keys, UsagePlans


@dataclass(frozen=True, slots=True)
class KeyPorts:
    keys: Keys
    plans: UsagePlans


def key_ports(where: Account) -> KeyPorts:
    """Raises SetupError: there is no such stack, or it is of a version without keys."""
    from ragline.adapters.dynamodb.keys import DynamoKeys
    from ragline.adapters.usage_plans import GatewayPlans

    outputs = aws.stack_outputs(where.client("cloudformation"), where.stack)
    for name in ("LedgerTableName", "ApiId", "OwnerKeyArn"):
        if not outputs.get(name):
            raise SetupError(
                f"stack {where.stack} has no output {name}: deploy this version of Ragline."
            )
    return KeyPorts(
        DynamoKeys(outputs["LedgerTableName"], client=where.client("dynamodb")),
        GatewayPlans(
            where.client("apigateway"),
            stack=where.stack,
            api_id=outputs["ApiId"],
            stage=outputs.get("ApiStage", "live"),
        ),
    )
