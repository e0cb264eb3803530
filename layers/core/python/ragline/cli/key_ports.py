"""What `ragline keys` works on: the records in a stack's ledger, and its gateway's usage plans."""

from __future__ import annotations

from dataclasses import dataclass

from ragline.cli import aws
from ragline.cli.target import Account
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
    table, api, _ = (
        aws.needed(outputs, name, where.stack)
        for name in ("LedgerTableName", "ApiId", "OwnerKeyArn")
    )
    return KeyPorts(
        DynamoKeys(table, client=where.client("dynamodb")),
        GatewayPlans(
            where.client("apigateway"),
            stack=where.stack,
            api_id=api,
            stage=outputs.get("ApiStage", "live"),
        ),
    )
